// Clients that hardly send, and clients that do not read: the rest stays served, all is counted, and afterwards all handles are free.

import t from 'tap'
import { get, settled, startPod } from './pod.ts'

t.test('2,000 slow heads and 100 slow readers: others are served, and all are freed', async t => {
  const pod = await startPod(t)
  const readers = Array.from({ length: 100 }, () => pod.dial(get('/large')).pause())
  const heads = Array.from({ length: 2_000 }, () => pod.dial('GET / HTTP/1.1\r\nHo'))
  let refused = 0
  for (const socket of heads) {
    socket.once('data', chunk => {
      if (chunk.toString('latin1').startsWith('HTTP/1.1 408 ')) refused++
    })
  }
  await settled(async () => (await pod.metric('front_connections_total')) > 2_100)
  t.equal(await pod.isServed(), true)
  const { residentBytes } = pod
  t.ok(residentBytes() < 256 * 1024 * 1024, `${residentBytes() >> 20} MiB resident`)
  await settled(() => heads.every(({ readableEnded, destroyed }) => readableEnded || destroyed))
  t.equal(refused, 2_000, 'each is told after 15 s')
  t.equal(await pod.isServed(), true)
  for (const socket of [...readers, ...heads]) socket.destroy()
  await pod.isBackToNormal()
  t.comment(`${residentBytes() >> 20} MiB resident`)
})
