// Memory that is full: clients that ask for much and read nothing. Those who hold the most of it go, the rest stays served, and when they have
// gone everybody is let in again.

import { once } from 'node:events'
import t from 'tap'
import { get, settled, startPod } from './pod.ts'

const MiB = 2 ** 20

t.test('2,000 slow readers do not fill 192 MiB, and shut nobody out once they have gone', async t => {
  const pod = await startPod(t, 20_000, () => {}, { SPA_MEMORY_MIB: '192' })
  const kept = pod.dial(get('/'))
  await once(kept, 'data')
  let most = 0
  const watch = setInterval(() => (most = Math.max(most, pod.residentBytes())), 20)
  t.teardown(() => clearInterval(watch))
  const readers = Array.from({ length: 2_000 }, () => pod.dial(get('/large')).pause())
  await settled(async () => (await pod.metric('front_shed_total')) > 0)
  kept.write(get('/'))
  t.match(String((await once(kept, 'data'))[0]), /ok$/, 'a connection that holds nothing is not cut')
  await settled(() => pod.isServed())
  t.pass('and new clients are served again while the readers are still there')
  for (const socket of readers) socket.destroy()
  kept.destroy()
  await settled(async () => (await pod.metric('memory_pressure')) === 0 && (await pod.isServed()))
  await pod.isBackToNormal()
  t.comment(
    `${Math.round(most / MiB)} MiB resident at most, ${Math.round(pod.residentBytes() / MiB)} MiB now`,
  )
  t.ok(most < 256 * MiB, `${Math.round(most / MiB)} MiB`)
  t.ok(pod.lines.some(line => line.includes('"connections_shed"')))
})
