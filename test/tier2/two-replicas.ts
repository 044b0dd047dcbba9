// Two replicas of the webhook: one writes, both answer, and neither death nor update of one is noticed.

import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { until } from '../cluster/wait.ts'
import { webDeployment, webService } from './installation.ts'
import { createPods, installReplicas } from './replicas.ts'
import type { Replica } from './replicas.ts'
import { checkHistory, isInjected, stampOf, story } from './shop.ts'
import type { Shop } from './shop.ts'

const [a, b] = ['a', 'b'].map(letter => letter.repeat(64)) as [string, string]
const twoRollouts = [
  '1 rolling a rollout -',
  '1 ready a rollout -',
  '2 rolling b rollout a',
  '2 ready b rollout a',
]
const { cluster, open, start, leader } = await installReplicas(t)
let replicas: Replica[] = [await start(), await start()]

t.test('the leader is killed in mid-rollout: the other one goes on when its Lease has ended', async t => {
  const shop = await openOnFirst(t, 'killed')
  const letGo = shop.hold(pod => pod.spec.containers.some(({ image }) => image === 'web:2'))
  await shop.setImage('web:2')
  await shop.told('rolling', ({ revision, target }) => revision === 2 && target.id === b)
  const dead = await leader()
  await dead.kill()
  replicas = replicas.filter(replica => replica !== dead)
  const killed = performance.now()
  letGo()
  await shop.ready(2, b)
  t.comment(`told ${Math.round(performance.now() - killed)} ms after the leader's death`)
  t.same(story(shop.states), twoRollouts)
  checkHistory(t, shop.states)
  t.equal(written(shop, [dead, ...replicas]), shop.states.length, 'each state was written once')
  replicas.push(await start())
})

t.test('a leader that sleeps while another one takes over writes nothing when it wakes', async t => {
  const shop = await openOnFirst(t, 'asleep')
  const sleeper = await leader()
  const losses = () => sleeper.log().split('lease lost').length
  const before = losses()
  sleeper.pause()
  try {
    await shop.setImage('web:2')
    await until('another leader', async () => (await leader()) !== sleeper)
    await shop.ready(2, b)
  } finally {
    sleeper.resume()
  }
  const { serial } = await shop.ready(2, b)
  await until('it to know', () => losses() > before)
  await delay(1_000)
  t.notOk((await leader()) === sleeper)
  t.equal(shop.states.at(-1)?.serial, serial)
  t.same(
    (await shop.living()).map(pod => stampOf(pod)?.serial),
    [serial, serial],
  )
  checkHistory(t, shop.states)
  t.equal(written(shop, replicas), shop.states.length, 'each state was written once')
})

t.test('both replicas are replaced while pods are created: none of them is missed', async t => {
  const shop = await openOnFirst(t, 'update')
  const created = createPods(cluster, 'update')
  await until('the first pods', () => created.count() > 50)
  for (const old of replicas) {
    await start()
    const ended = old.terminate()
    await shop.restart()
    await shop.settled('the rollout', ({ status }) => status.updatedReplicas === 2 && status.replicas === 2)
    // The API server closes what it has not used for 90 s; here it uses all it has.
    const how = await Promise.race([ended.then(() => 'ended'), delay(30_000).then(() => 'drains')])
    t.comment(`the old one after 30 s at most: ${how}`)
  }
  await until('many pods', () => created.count() > 500, 300)
  const { pods, missed } = await created.end()
  t.comment(`${pods} pods`)
  t.same(missed, [])
  t.ok((await shop.living()).every(isInjected))
  checkHistory(t, shop.states)
})

/** How many states they said they had written. */
function written(shop: Shop, all: Replica[]): number {
  const lines = all.flatMap(replica => replica.log().split('\n'))
  return lines.filter(
    line => line.includes('"release state"') && line.includes(`"namespace":"${shop.namespace}"`),
  ).length
}

async function openOnFirst(t: Parameters<typeof open>[0], namespace: string): Promise<Shop> {
  const shop = await open(t, namespace)
  shop.behaviour.images.set('web:1', a).set('web:2', b)
  await shop.roll(() => shop.apply(webService(), webDeployment('web:1')), 1, a)
  return shop
}
