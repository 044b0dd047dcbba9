// An app that has answered and reads no more.

import { once } from 'node:events'
import t from 'tap'
import { get, openFront, rawApp } from './stage.ts'

const refusal = 'HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno'
const body = Buffer.alloc(4 * 1024 * 1024)
const upload = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`

t.test(
  'an app that refuses an upload by its head and closes over the rest of it is heard each time',
  async t => {
    const app = await rawApp(t, socket => {
      socket.once('data', () => {
        socket.pause().write(refusal)
        socket.destroy() // over bytes that it has not read: the kernel resets the connection
      })
    })
    const { dial } = await openFront(t, app.port)
    const heard = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const client = dial()
        client.write(upload)
        client.write(body)
        await client.ended
        return client.text()
      }),
    )
    t.same(heard, Array(20).fill(refusal))
  },
)

t.test('an app that resets in the middle of an upload resets the client', async t => {
  const app = await rawApp(t, socket => void socket.once('data', () => socket.pause().resetAndDestroy()))
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(upload)
  client.write(body)
  t.equal(await client.ended, 'reset')
  t.equal(client.text(), '')
})

t.test('a client that sends on for ever is let go once the app has answered and closed', async t => {
  const app = await rawApp(t, (socket, got) => {
    void got.until('\r\n\r\n').then(() => {
      socket.write(refusal)
      socket.destroy()
    })
  })
  const { dial, front } = await openFront(t, app.port)
  const client = dial()
  client.write(`${upload}x`)
  await client.until(refusal)
  const drip = setInterval(() => client.socket.write('x'), 20)
  t.teardown(() => clearInterval(drip))
  await once(client.socket, 'close').catch(() => {}) // a reset, for it did not stop
  t.equal(front.counters.open, 0)
})

t.test('an upgraded connection whose app has gone ends as ever', async t => {
  const app = await rawApp(t, (socket, got) => {
    void got.until('\r\n\r\n').then(() => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n')
      void got.until('bye').then(() => socket.resetAndDestroy())
    })
  })
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(get('/', 'Connection: Upgrade', 'Upgrade: raw'))
  await client.until('101')
  client.write('bye')
  client.write(body)
  t.equal(await client.ended, 'reset')
})
