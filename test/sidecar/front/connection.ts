// How a connection ends when its client does not, and when it is idle: told by a clock of the test's own, over real sockets.

import { once } from 'node:events'
import net from 'node:net'
import type { Socket } from 'node:net'
import { mock } from 'node:test'
import t from 'tap'
import type { Test } from 'tap'
import { createConnection } from '../../../sidecar/front/connection.ts'
import { createCounters } from '../../../sidecar/front/counters.ts'
import { defaultLimits } from '../../../sidecar/front/limits.ts'
import { createTunnels } from '../../../sidecar/front/tunnel.ts'
import type { Client } from './stage.ts'
import { dial, get, ok, rawApp } from './stage.ts'

t.beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }))
t.afterEach(() => mock.timers.reset())

/** One connection, with its sockets at hand: to the client and to the app, as the front has them. */
async function setUp(t: Test, serve: (app: Client) => void = () => {}) {
  const app = await rawApp(t, (_, got) => serve(got))
  const counters = createCounters()
  let isDraining = false
  let dialled: Socket | undefined
  const server = net.createServer({ allowHalfOpen: true, noDelay: true })
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = dial(t, (server.address() as net.AddressInfo).port)
  const [accepted] = (await once(server, 'connection')) as [Socket]
  t.teardown(() => accepted.destroy())
  const connection = createConnection(accepted, {
    dial: () => (dialled = net.connect({ port: app.port, host: '127.0.0.1', allowHalfOpen: true })),
    versionSocket: '/nowhere/version.sock',
    serverTiming: () => '',
    stamp: () => '',
    tag: () => '',
    stamping: { isOff: false },
    cache: undefined,
    limits: defaultLimits,
    edits: { forwarded: 'off', revalidate: 'add', missing: 'refuse', page: 'plain' },
    tunnels: createTunnels(() => {}),
    isDraining: () => isDraining,
    counters,
    log: () => {},
    accessLog: undefined,
    forget: () => {},
    onClosed: () => {},
  })
  return { client, accepted, app, drain, toApp: () => dialled! }

  function drain(): void {
    isDraining = true
    connection.drain()
  }
}

async function reached(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(resolve => setImmediate(resolve))
}

t.test('a client that goes on sending after its last answer is not waited for', async t => {
  const { client, accepted } = await setUp(t, app => {
    void app.until('\r\n\r\n').then(() => app.socket.end(ok('last')))
  })
  client.write(get('/', 'Connection: close'))
  await client.until('last')
  t.equal(await client.ended, 'end')
  for (let second = 1; second <= 2; second++) {
    t.equal(accepted.destroyed, false)
    client.write('x')
    await reached(() => accepted.bytesRead === client.socket.bytesWritten)
    mock.timers.tick(1_000)
  }
  t.equal(accepted.destroyed, true)
})

t.test('a client that never reads its last answer is freed', async t => {
  const { client, accepted, app, toApp } = await setUp(t)
  client.socket.pause()
  client.write(get('/'))
  await reached(() => app.sockets[0]?.text().includes('\r\n\r\n') === true)
  const { socket } = app.sockets[0]!
  socket.write('HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n')
  const part = Buffer.alloc(16 * 1024)
  while (accepted.writableLength === 0) {
    socket.write(part)
    await reached(() => toApp().bytesRead === socket.bytesWritten)
  }
  const unwritten = accepted.writableLength
  socket.end()
  await reached(() => accepted.writableEnded)
  mock.timers.tick(60_000 + unwritten - 1)
  t.equal(accepted.destroyed, false, 'a slow one has time')
  mock.timers.tick(1)
  t.equal(accepted.destroyed, true)
})

/** One that has had an answer, and is idle while draining. */
async function setUpIdle(t: Test) {
  const stage = await setUp(t, app => {
    void app.until('\r\n\r\n').then(() => app.write(ok('first')))
  })
  const { client, accepted, drain } = stage
  client.write(get('/1'))
  await client.until('first')
  drain()
  return { ...stage, send }

  async function send(text: string): Promise<void> {
    client.write(text)
    await reached(() => accepted.bytesRead === client.socket.bytesWritten)
  }
}

t.test('an empty line does not keep an idle connection open', async t => {
  const { accepted, send } = await setUpIdle(t)
  await send('\r\n')
  mock.timers.tick(2_000)
  t.equal(accepted.writableEnded, true)
})

t.test('a head that has begun does', async t => {
  const { accepted, app, send } = await setUpIdle(t)
  const request = get('/2')
  await send(request.slice(0, 20))
  mock.timers.tick(2_000)
  await send(request.slice(20))
  await reached(() => app.sockets[0]?.text().endsWith(request) === true)
  t.equal(accepted.writableEnded, false)
})
