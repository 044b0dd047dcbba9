// The ladder over real connections: the script as it is shipped, real sidecars, and a proxy between them that lets less and less through.

import t from 'tap'
import type { Test } from 'tap'
import { newId } from '../sidecar/state.ts'
import { fresh, old, onOld, openTab, startIngress, startPod } from './fixtures/site.ts'
import type { IngressOptions } from './fixtures/site.ts'

/** Ten times as fast, since it takes some failures to know what does not come through. */
async function stage(t: Test, options: IngressOptions) {
  const pods = { old: await startPod(t, old), fresh: await startPod(t, fresh) }
  pods.old.tell(onOld)
  const ingress = await startIngress(t, pods.old, options)
  return { pods, ingress, ...(await openTab(t, ingress, '/', '/__spa/client.js', 10)) }
}

t.test(
  'where Upgrade is stripped, a rollout is heard by event stream, and a drain leads to the next pod',
  async t => {
    const { pods, ingress, reloader, reached } = await stage(t, { sockets: 'stripped' })
    await reached(({ connection, status }) => connection === 'events' && status === 'current')
    t.ok(ingress.seen.filter(path => path.includes('/ws')).length >= 2)
    t.match(pods.old.tabs(), { tabs: 1, streams: 1 })
    t.same(pods.old.pages(), [[`web-${old}`, 1]])

    pods.old.tell({ serial: 2, phase: 'rolling' })
    await reached(({ status }) => status === 'rolling')
    ingress.to(pods.fresh)
    pods.fresh.tell({ serial: 3 })
    pods.old.tell({ serial: 3 })
    await reached(({ status }) => status === 'update')
    t.equal(reloader.state.connection, 'events')

    const before = ingress.seen.length
    await pods.old.drain()
    await reached(({ connection }) => connection === 'events' && pods.fresh.tabs().streams === 1)
    t.match([pods.old.tabs(), pods.fresh.tabs()], [{ tabs: 0 }, { tabs: 1, streams: 1 }])
    t.same(
      ingress.seen.slice(before),
      [`/__spa/events?v=web-${old}`],
      'it came straight back, by the way that it knows',
    )
    t.equal(reloader.state.status, 'update', 'the offer outlives its pod')
  },
)

t.test('endpoints that lag behind a drain do not cost a tab its stream', async t => {
  const { pods, ingress, reloader, reached } = await stage(t, { sockets: 'stripped' })
  await reached(({ connection, status }) => connection === 'events' && status === 'current')
  pods.fresh.tell({ serial: 3 })
  const before = ingress.seen.length
  await pods.old.drain()
  await reached(() => ingress.seen.length >= before + 3)
  ingress.to(pods.fresh)
  await reached(({ status }) => status === 'update')
  t.match(reloader.state, { connection: 'events', target: { id: newId } })
  const ways = ingress.seen.slice(before).filter(path => path.includes('/__spa/'))
  t.ok(
    ways.every(path => path.startsWith('/__spa/events')),
    'a pod that goes away is no proxy that keeps streams back',
  )
})

for (const streams of ['refused', 'buffered'] as const)
  t.test(`where streams are ${streams} as well, it is polled`, async t => {
    const { pods, ingress, reloader, reached, wake } = await stage(t, { sockets: 'stripped', streams })
    await reached(({ connection, status }) => connection === 'polling' && status === 'current')
    t.ok(ingress.seen.filter(path => path.includes('/events')).length >= 2)
    ingress.to(pods.fresh)
    pods.fresh.tell({ serial: 3 })
    wake()
    await reached(({ status }) => status === 'update')
    t.match(reloader.state, { connection: 'polling', target: { id: newId } })
  })
