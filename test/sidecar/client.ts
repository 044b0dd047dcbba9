// The browser's client against real sidecars: two pods of two versions behind one address, as a Service puts them.

import { once } from 'node:events'
import t from 'tap'
import type { Test } from 'tap'
import type { ReleaseState } from '../../protocol/release.ts'
import { openTab, startIngress, startPod } from '../client/fixtures/site.ts'
import { newId, oldId, releaseState } from './state.ts'

const old = '5d9fb7c6b8'
const fresh = '6c487dcc49'
const onOld: Partial<ReleaseState> = {
  serial: 1,
  revision: 6,
  target: { id: oldId, name: 'web:1', hash: old },
  previous: null,
  live: [{ id: oldId, pods: 1 }],
  known: [[old, oldId, 6]],
}

t.test(
  'a tab hears of a rollout from the old pod, verifies it at the new one, and survives the old one',
  async t => {
    const { pods, balancer, tab } = await stage(t)
    pods.old.tell({ ...onOld })
    const { reloader, reached } = await tab()
    await reached(() => reloader.state.status === 'current')

    pods.old.tell({
      serial: 2,
      phase: 'rolling',
      live: [
        { id: oldId, pods: 1 },
        { id: newId, pods: 1 },
      ],
    })
    await reached(() => reloader.state.status === 'rolling')
    pods.fresh.tell({ serial: 3 })
    const offered = once(reloader as unknown as EventTarget, 'update')
    balancer.to(pods.fresh)
    pods.old.tell({ serial: 3 })
    await offered
    t.match(reloader.state, { status: 'update', current: oldId, target: { id: newId }, rollback: false })

    await pods.old.drain()
    await reached(() => pods.fresh.tabs().tabs === 1 && reloader.state.connection === 'open')
    t.equal(reloader.state.status, 'update', 'the offer outlives its pod')
  },
)

t.test('a tab whose pod is drained before it heard anything learns it by coming back', async t => {
  const { pods, balancer, tab } = await stage(t)
  pods.old.tell({ ...onOld })
  const { reloader, reached } = await tab()
  await reached(() => reloader.state.connection === 'open' && reloader.state.status === 'current')
  pods.fresh.tell({ serial: 3 })
  balancer.to(pods.fresh)
  const offered = once(reloader as unknown as EventTarget, 'update')
  await pods.old.drain()
  await offered
  t.equal(reloader.state.target?.id, newId)
})

t.test('a rollback takes the offer back', async t => {
  const { pods, balancer, tab } = await stage(t)
  pods.old.tell({ ...onOld })
  const { reloader, reached } = await tab()
  await reached(() => reloader.state.connection === 'open')
  balancer.to(pods.fresh)
  const offered = once(reloader as unknown as EventTarget, 'update')
  pods.old.tell({ serial: 3 })
  pods.fresh.tell({ serial: 3 })
  await offered
  const withdrawn = once(reloader as unknown as EventTarget, 'withdrawn')
  const back = { ...onOld, serial: 4, revision: 8, known: releaseState().known, why: 'rollback' as const }
  pods.old.tell(back)
  await withdrawn
  t.equal(reloader.state.status, 'current')
})

t.test('nobody is offered a version that the way to the app does not serve yet', async t => {
  const { pods, tab } = await stage(t)
  pods.old.tell({ ...onOld })
  const { reloader, reached } = await tab()
  let offers = 0
  reloader.addEventListener('update', () => (offers += 1))
  pods.old.tell({ serial: 3 }) // and the balancer still leads to the old pod
  await reached(() => reloader.state.target?.id === newId)
  t.equal(await reloader.check(), false)
  t.equal(offers, 0)
})

async function stage(t: Test) {
  const pods = { old: await startPod(t, old), fresh: await startPod(t, fresh) }
  const balancer = await startIngress(t, pods.old)
  return { pods, balancer, tab: () => openTab(t, balancer, '/', '/__spa/client.js') }
}
