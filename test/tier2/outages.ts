// Every part that can be down. Nothing false is ever told; what was missed is told when the part is back. The tests that only need a namespace of
// their own run at once; those that take away the webhook or the API server come after them, one by one.

import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { until } from '../cluster/wait.ts'
import { install, webDeployment, webService } from './installation.ts'
import { untilMay } from './rights.ts'
import { checkHistory, imageOf, isInjected, stampOf, story } from './shop.ts'
import type { Shop } from './shop.ts'
import { untilInjected, untilServed } from '../cluster/trial-pod.ts'

const [a, b, c] = ['a', 'b', 'c'].map(letter => letter.repeat(64)) as [string, string, string]
const releaseAnnotation = 'spa-reloader.io/release'
const first = ['1 rolling a rollout -', '1 ready a rollout -']
const second = ['2 rolling b rollout a', '2 ready b rollout a']
const { cluster, killWebhook, startWebhook, open } = await install(t)
t.jobs = 5
const alone = { buffered: false }

t.test('stamps lost, doubled, out of order: the pod carries the state again', { buffered: true }, async t => {
  const shop = await openOnFirst(t, 'stamps')
  const old = JSON.stringify(shop.states.at(-1))
  await shop.roll(() => shop.setImage('web:2'), 2, b)
  const state = await shop.ready(2, b)
  const [one, two] = await shop.living()
  if (!one || !two) throw new Error('there are two pods')
  const isWritten = async (name: string, says: (text: string | undefined) => boolean) => {
    const path = `/api/v1/namespaces/stamps/pods/${name}`
    const { body } = await cluster.api('GET', path)
    return says((body.metadata as { annotations?: Record<string, string> }).annotations?.[releaseAnnotation])
  }
  const write = (name: string, text: string | null) =>
    cluster.api('PATCH', `/api/v1/namespaces/stamps/pods/${name}`, {
      metadata: { annotations: { [releaseAnnotation]: text } },
    })
  const present = one.metadata.annotations?.[releaseAnnotation]
  for (const text of [null, old, 'nonsense']) {
    await write(one.metadata.name, text)
    await until('the stamp', () => isWritten(one.metadata.name, text => text === present))
  }
  await write(two.metadata.name, present ?? '')
  await delay(300)
  t.equal(shop.states.at(-1)?.serial, state.serial, 'none of it is a change')
  t.same(story(shop.states), [...first, ...second])
  checkHistory(t, shop.states)
})

t.test(
  'kubelet restarted: every pod is unready for a moment, and nothing is taken back',
  { buffered: true },
  async t => {
    const shop = await openOnFirst(t, 'kubelet')
    await shop.roll(() => shop.setImage('web:2'), 2, b)
    const back = shop.hold(() => true)
    await shop.told('nobody answers', ({ live }) => live.length === 0)
    t.match(shop.states.at(-1), { revision: 2, phase: 'ready' })
    back()
    await shop.told('they answer again', ({ live }) => live.length === 1)
    t.same(story(shop.states), [...first, ...second])
    checkHistory(t, shop.states)
  },
)

t.test('a pod that never gets its feed holds up nobody else', { buffered: true }, async t => {
  const shop = await openOnFirst(t, 'deaf')
  const [deaf] = await shop.living()
  if (!deaf) throw new Error('there are pods')
  // Somebody's policy refuses what we write on it.
  const { name } = deaf.metadata
  const policy = {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicy',
    metadata: { name: 'deaf' },
    spec: {
      failurePolicy: 'Fail',
      matchConstraints: {
        resourceRules: [
          { apiGroups: [''], apiVersions: ['v1'], operations: ['UPDATE'], resources: ['pods'] },
        ],
      },
      matchConditions: [{ name: 'deaf', expression: `object.metadata.name == '${name}'` }],
      validations: [{ expression: 'object.metadata.annotations == oldObject.metadata.annotations' }],
    },
  }
  const binding = {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicyBinding',
    metadata: { name: 'deaf' },
    spec: { policyName: 'deaf', validationActions: ['Deny'] },
  }
  for (const object of [policy, binding]) await cluster.kubectl(['apply', '-f', '-'], JSON.stringify(object))
  await until('the policy to be in force', async () => {
    const answer = await cluster.api('PATCH', `/api/v1/namespaces/deaf/pods/${name}`, {
      metadata: { annotations: { probe: String(Date.now()) } },
    })
    return answer.status === 422
  })
  const before = stampOf(deaf)
  const letGo = shop.hold(pod => pod.metadata.uid !== deaf.metadata.uid && imageOf(pod) === 'web:2')
  await shop.setImage('web:2')
  await until('the other pods to be told', async () => {
    const others = (await shop.living()).filter(pod => pod.metadata.name !== name)
    return others.length > 0 && others.every(pod => stampOf(pod)?.target.id === b)
  })
  const still = (await shop.living()).find(pod => pod.metadata.name === name)
  t.same(still && stampOf(still)?.serial, before?.serial, 'what it carries is old, but was true')
  letGo()
  await shop.ready(2, b)
  t.same(story(shop.states), [...first, ...second])
  checkHistory(t, shop.states)
})

t.test('clock skew between nodes', { buffered: true }, async t => {
  const shop = await open(t, 'skew')
  const hour = 3_600_000
  shop.behaviour.clockAheadMs.set('node-1', hour).set('node-2', -hour)
  shop.behaviour.images.set('web:1', a).set('web:2', b)
  await shop.roll(() => shop.apply(webService(), webDeployment('web:1')), 1, a)
  await shop.roll(() => shop.setImage('web:2'), 2, b)
  await shop.roll(() => shop.restart(), 3, b)
  await delay(1_100) // Kubernetes' times are whole seconds
  shop.behaviour.images.set('web:2', c)
  await shop.scale(4)
  await shop.settled('four pods', ({ status }) => status.readyReplicas === 4)
  await shop.roll(() => shop.restart(), 4, c)
  const last = shop.states.at(-1)
  t.ok(Math.abs(Date.parse(last?.since ?? '') - Date.now()) < hour / 2, 'since is by our clock')
  t.same(story(shop.states), [
    ...first,
    ...second,
    '3 rolling b restart a',
    '3 ready b restart a',
    '4 rolling c restart b',
    '4 ready c restart b',
  ])
  checkHistory(t, shop.states)
})

t.test(
  'why a pod was not injected, or not as its annotation says, is an Event on its Deployment',
  { buffered: true },
  async t => {
    const shop = await open(t, 'events')
    const service = webService()
    Object.assign(service.spec as object, { ports: [{ port: 80, targetPort: 8080 }] })
    await shop.apply(service)
    await untilServed(cluster, 'events', 'env')
    await shop.apply(webDeployment('web:1'))
    const event = await until('the Event', async () => {
      const text = await shop.kubectl(
        'get events --field-selector reason=InjectionSkipped -o jsonpath={.items[0].involvedObject.kind}/{.items[0].message}',
      )
      return text.includes('numeric-target') && text
    })
    t.match(
      event,
      /^Deployment\/numeric-target: the Service targets a port number: give the container port a name/,
    )
    const annotations = { 'spa-reloader.io/capture': 'magic' }
    await shop.apply(webService())
    await untilServed(cluster, 'events', 'name')
    await shop.apply(webDeployment('web:1', { annotations }))
    const warning = await until('the Event of a wrong annotation', async () => {
      const text = await shop.kubectl(
        'get events --field-selector reason=InjectionWarning -o jsonpath={.items[0].message}',
      )
      return text !== '' && text
    })
    t.match(warning, /^bad-option: spa-reloader.io\/capture: an annotation has a value that does not fit/)
    await until('pods with the sidecar: the default applies', async () => {
      const living = await shop.living()
      return living.length === 2 && living.every(isInjected)
    })
  },
)

t.test('the webhook is dead during a rollout and back later; pods are admitted meanwhile', alone, async t => {
  const shop = await openOnFirst(t, 'dead')
  await killWebhook()
  await shop.setImage('web:2')
  await shop.rolledOut()
  t.notOk((await shop.living()).some(isInjected), 'failurePolicy Ignore')
  await startWebhook()
  await untilInjected(cluster, 'dead')
  const missed = await shop.ready(2, b)
  t.match(
    missed,
    {
      previous: { id: a },
      known: [
        [missed.target.hash, b, 2],
        [/./, a, 1],
      ],
    },
    'the record was read again',
  )
  await shop.roll(() => shop.restart(), 3, b)
  await until('injected pods again', async () => (await shop.living()).every(isInjected))
  t.same(story(shop.states), [
    ...first,
    '2 ready b rollout a',
    '3 rolling b restart a',
    '3 ready b restart a',
  ])
  checkHistory(t, shop.states)
})

t.test(
  'the webhook dies in the middle of a rollout, and what was ready stays ready when it is back',
  alone,
  async t => {
    const shop = await openOnFirst(t, 'middle')
    const letGo = shop.hold(pod => imageOf(pod) === 'web:2')
    await shop.setImage('web:2')
    await shop.told('rolling', state => state.revision === 2 && state.target.id === b)
    await killWebhook()
    letGo()
    await shop.rolledOut()
    await startWebhook()
    const { serial } = await shop.ready(2, b)
    await killWebhook()
    const held = shop.hold(() => true)
    await shop.scale(4)
    await startWebhook()
    await shop.told('nobody answers', ({ live }) => live.length === 0)
    t.match(shop.states.at(-1), { revision: 2, phase: 'ready', serial: serial + 1 })
    held()
    await shop.told('they answer', ({ live }) => live.length === 1)
    t.same(story(shop.states), [...first, ...second])
    checkHistory(t, shop.states)
  },
)

t.test(
  'the controller is killed between record and stamp: the pods are told when it is back',
  alone,
  async t => {
    const shop = await openOnFirst(t, 'between')
    // As if it had died in between: it may write the record, but not yet the pods.
    const role = await cluster.kubectl(['get', 'clusterrole', 'spa-reloader-webhook', '-o', 'json'])
    const rules = (JSON.parse(role) as { rules: { resources: string[]; verbs: string[] }[] }).rules
    const withoutPatch = rules.filter(
      ({ resources, verbs }) => !(resources.includes('pods') && verbs.includes('patch')),
    )
    const setRules = (rules: object[]) =>
      cluster.api('PATCH', '/apis/rbac.authorization.k8s.io/v1/clusterroles/spa-reloader-webhook', { rules })
    await setRules(withoutPatch)
    const right = { namespace: 'between', verb: 'patch', resource: 'pods' }
    await untilMay(cluster, 'spa-reloader:spa-reloader-webhook', right, false)
    const letGo = shop.hold(pod => imageOf(pod) === 'web:2')
    await shop.setImage('web:2')
    const written = await until('the record', () => {
      const state = shop.states.at(-1)
      return state?.target.id === b && state
    })
    const stamps = (await shop.living()).map(pod => stampOf(pod)?.serial)
    t.notOk(stamps.includes(written.serial), 'no pod carries it')
    await killWebhook()
    await setRules(rules)
    await untilMay(cluster, 'spa-reloader:spa-reloader-webhook', right)
    await startWebhook()
    const told = await shop.told('what was written', state => state.serial === written.serial)
    t.same(told, written, 'it is told as it was written')
    letGo()
    await shop.ready(2, b)
    t.same(story(shop.states), [...first, ...second])
    checkHistory(t, shop.states)
  },
)

t.test(
  'a Release that somebody deletes comes back, also when nobody was there: sidecars must believe it',
  alone,
  async t => {
    const shop = await openOnFirst(t, 'deleted')
    await shop.roll(() => shop.setImage('web:2'), 2, b)
    const before = await shop.ready(2, b)
    await shop.kubectl('delete release web')
    await until('the Release', () =>
      shop.kubectl('get release web -o jsonpath={.status.serial}').then(Boolean),
    )
    await killWebhook()
    await shop.kubectl('delete release web')
    const held = shop.hold(() => true)
    await shop.scale(3)
    await startWebhook()
    const after = await shop.told('a state', state => state.serial > before.serial)
    t.match(after, { revision: 2, phase: 'ready', target: { id: b }, previous: { id: a } })
    t.ok(after.known.some(([, id]) => id === a))
    held()
    await shop.roll(() => shop.kubectl('rollout undo deployment/web'), 3, a)
    t.same(story(shop.states), [...first, ...second, '3 rolling a rollback b', '3 ready a rollback b'])
    checkHistory(t, shop.states)
  },
)

t.test('the API server is killed in the middle of a rollout: no state is lost', alone, async t => {
  const shop = await openOnFirst(t, 'killed')
  const letGo = shop.hold(pod => imageOf(pod) === 'web:2')
  await shop.setImage('web:2')
  await shop.told('rolling', state => state.revision === 2 && state.target.id === b)
  await cluster.restartApiServer()
  letGo()
  await shop.rolledOut()
  await shop.ready(2, b)
  await shop.roll(() => shop.kubectl('rollout undo deployment/web'), 3, a)
  t.same(story(shop.states), [...first, ...second, '3 rolling a rollback b', '3 ready a rollback b'])
  checkHistory(t, shop.states)
})

t.test(
  'the API server is away for half a minute, and what was asked for just before it went is told after',
  alone,
  async t => {
    const shop = await openOnFirst(t, 'away')
    await shop.setImage('web:2')
    await cluster.restartApiServer(30_000)
    await shop.rolledOut()
    await shop.ready(2, b)
    await shop.roll(() => shop.restart(), 3, b)
    t.same(
      story(shop.states).filter(line => line.includes('ready')),
      ['1 ready a rollout -', '2 ready b rollout a', '3 ready b restart a'],
    )
    checkHistory(t, shop.states)
  },
)

async function openOnFirst(t: Parameters<typeof open>[0], namespace: string): Promise<Shop> {
  const shop = await open(t, namespace)
  shop.behaviour.images.set('web:1', a).set('web:2', b)
  await shop.roll(() => shop.apply(webService(), webDeployment('web:1')), 1, a)
  return shop
}
