// Clients that hardly send, and clients that do not read: the rest stays served, all is counted, and afterwards all handles are free.

import { once } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import { get, okay, settled, startPod } from './pod.ts'

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

t.test(
  'an app that is slow with 1,000 requests and reads nothing of their 8 MiB: they wait, others do not, and all are answered',
  async t => {
    const waiting: Socket[] = []
    const pod = await startPod(t, 20_000, socket => void waiting.push(socket.pause()))
    const body = Buffer.alloc(8 * 1024 * 1024)
    const head = `POST /taken HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`
    const answers = Array.from({ length: 1_000 }, () => {
      const socket = pod.dial(head)
      socket.write(body)
      return once(socket, 'data').then(([chunk]) => {
        socket.destroy()
        return String(chunk)
      })
    })
    await settled(() => waiting.length === answers.length)
    t.equal(await pod.isServed(), true)
    await settled(async () => (await pod.metric('front_open')) === answers.length)
    // Two reads of the client and one write to the app, of 64 KiB each, and the program.
    t.ok(pod.residentBytes() < 352 * 1024 * 1024, `${pod.residentBytes() >> 20} MiB resident`)
    for (const socket of waiting) socket.write(okay)
    t.ok((await Promise.all(answers)).every(answer => answer === okay))
    for (const socket of waiting) socket.destroy()
    await pod.isBackToNormal()
    t.equal(await pod.isServed(), true)
  },
)
