// What clients and apps do wrong: the rest stays served, all is counted, and afterwards the sidecar's handles are back where they were.

import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import { get, nonsense, okay, settled, startPod } from './pod.ts'

t.test('a flood of 5,000 connections leaves nothing behind', async t => {
  const pod = await startPod(t)
  const before = await pod.metric('front_connections_total')
  for (let round = 0; round < 10; round++) {
    const sockets = Array.from({ length: 500 }, (_, i) => pod.dial(i % 2 ? get('/slow') : ''))
    await Promise.all(sockets.map(socket => once(socket, 'connect')))
    t.equal(await pod.isServed(), true)
    for (const [i, socket] of sockets.entries()) {
      if (i % 3) socket.destroy()
      else socket.resetAndDestroy()
    }
  }
  await pod.isBackToNormal()
  t.ok((await pod.metric('front_connections_total')) - before >= 5_000)
  await settled(() => pod.sockets.size === 0)
})

t.test(
  'out of file descriptors: what is open goes on, and new clients are served once there are some',
  async t => {
    const pod = await startPod(t, 256)
    const kept = pod.dial(get('/'))
    await once(kept, 'data')
    const flood = Array.from({ length: 400 }, () => pod.dial())
    await settled(() => flood.some(({ destroyed }) => destroyed))
    kept.write(get('/'))
    t.match(String((await once(kept, 'data'))[0]), /ok$/)
    for (const socket of flood) socket.destroy()
    await settled(() => pod.isServed())
    kept.write(get('/'))
    t.match(String((await once(kept, 'data'))[0]), /ok$/)
    kept.destroy()
    await pod.isBackToNormal()
  },
)

t.test('an app that speaks nonsense is passed on, counted, and disturbs nobody', async t => {
  const pod = await startPod(t)
  const got = await Promise.all(
    Array.from({ length: 200 }, async () => {
      const parts: Buffer[] = []
      const socket = pod.dial(get('/nonsense'))
      socket.on('data', part => parts.push(part))
      await once(socket, 'end')
      return Buffer.concat(parts)
    }),
  )
  t.ok(got.every(bytes => bytes.equals(nonsense)))
  t.equal(await pod.metric('front_unframed_total'), 200)
  t.equal(await pod.isServed(), true)
  await pod.isBackToNormal()
})

t.test('an app that is killed: its clients learn it, and the next app is found', async t => {
  const pod = await startPod(t)
  const clients = Array.from({ length: 100 }, () => pod.dial(get('/slow')))
  await settled(() => pod.sockets.size >= 100)
  const closed = Promise.all(
    clients.map(socket => new Promise<void>(resolve => socket.once('close', () => resolve()))),
  )
  pod.kill()
  await closed
  pod.dial()
  await settled(() => pod.lines.some(line => line.includes('front stopped listening')))
  await pod.isBackToNormal()
  const next = createServer(socket => socket.on('data', () => socket.write(okay)).on('error', () => {}))
  next.listen(pod.port, pod.address)
  await once(next, 'listening')
  t.teardown(() => next.close())
  await settled(() => pod.isServed())
  t.pass('the next app is served')
})
