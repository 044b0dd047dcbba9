// The socket against a real WebSocket server: what brings it down, and when it comes back.

import t from 'tap'
import type { Test } from 'tap'
import { EventEmitter, once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import type { IncomingMessage } from 'node:http'
import { WebSocket, WebSocketServer } from 'ws'
import { connect } from '../../client/connection.ts'
import type { Env } from '../../client/env.ts'
import type { HeardState } from '../../protocol/message.ts'
import { createClock } from './fixtures/clock.ts'
import { a, told } from './fixtures/release.ts'

async function setUp(t: Test) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const clock = createClock()
  const navigator = { onLine: true }
  const document = { visibilityState: 'visible' as DocumentVisibilityState }
  const env = { WebSocket, ...clock, document, navigator, random: () => 0.5 } as unknown as Env
  const states: HeardState[] = []
  const changes = new EventEmitter()
  const connecting = accept(server)
  const connection = connect({
    env,
    address: file => `http://127.0.0.1:${port}/__spa/${file}?v=web-1`,
    onState: state => {
      states.push(state)
      changes.emit('change')
    },
    onStatus: () => changes.emit('change'),
  })
  t.teardown(() => {
    connection.close()
    for (const client of server.clients) client.terminate()
    server.close()
  })
  return { server, clock, document, navigator, states, connection, connecting, until }

  /** Waits for the client to hear of it, not for time to pass. */
  async function until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await once(changes, 'change')
  }
}

/** The server's end of the next connection that opens. */
async function accept(server: WebSocketServer): Promise<{ socket: WebSocket; request: IncomingMessage }> {
  const [socket, request] = (await once(server, 'connection')) as [WebSocket, IncomingMessage]
  return { socket, request }
}

t.test('it names the page and the protocol, and hands on states and nothing else', async t => {
  const { connecting, connection, states, until } = await setUp(t)
  const { socket, request } = await connecting
  t.equal(request.url, '/__spa/ws?v=web-1')
  t.equal(request.headers['sec-websocket-protocol'], 'spa-reloader.v1')
  for (const frame of ['nonsense', '{"v":1,"type":"heartbeat"}', '{"v":1,"type":"new"}', Buffer.from([0])])
    socket.send(frame)
  socket.send(JSON.stringify({ ...told(a, 1, 'ready'), unheard_of: 1 }))
  await until(() => states.length > 0)
  t.match(states, [{ name: 'web', sha256: a.id, revision: 1, phase: 'ready' }])
  t.equal(states.length, 1)
  t.equal(connection.status, 'open')
})

t.test('a pod that goes away says when to come back', async t => {
  const { server, connecting, connection, clock, until } = await setUp(t)
  const { socket } = await connecting
  await until(() => connection.status === 'open')
  socket.close(1012, '{"d":400}')
  await until(() => connection.status === 'closed')
  t.same(clock.armed(), [200], 'half of it, as chance has it here')
  const again = accept(server)
  await clock.advance(200)
  await again
  await until(() => connection.status === 'open')
  t.pass('and it comes back')
})

t.test('a server that is down is tried ever more slowly; 10 s of stable life forget that', async t => {
  const { server, connecting, connection, clock, until } = await setUp(t)
  const { socket } = await connecting
  await until(() => connection.status === 'open')
  await clock.advance(10_000)
  server.options.verifyClient = () => false
  socket.terminate()
  await until(() => connection.status === 'closed')
  for (const ms of [500, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]) {
    t.same(clock.armed(), [ms])
    await clock.advance(ms)
    await until(() => connection.status === 'closed')
  }
  server.options.verifyClient = () => true
  for (const [livedMs, nextMs] of [
    [9_999, 15_000],
    [10_000, 500],
  ] as const) {
    const again = accept(server)
    await clock.advance(15_000)
    const revived = await again
    await until(() => connection.status === 'open')
    await clock.advance(livedMs)
    revived.socket.terminate()
    await until(() => connection.status === 'closed')
    t.same(clock.armed(), [nextMs], `after ${livedMs} ms`)
  }
})

t.test('a refusal is respected, also when the tab wakes', async t => {
  const cases: [code: number, reason: string, ms: number][] = [
    [1013, '', 45_000],
    [1013, '{"d":2000}', 3_000],
  ]
  for (const [code, reason, ms] of cases) {
    const { connecting, connection, clock, until } = await setUp(t)
    const { socket } = await connecting
    await until(() => connection.status === 'open')
    socket.close(code, reason)
    await until(() => connection.status === 'closed')
    t.same(clock.armed(), [ms], `${code} ${reason}`)
    connection.wake()
    t.same(clock.armed(), [ms], `${code} ${reason}, woken`)
  }
})

t.test('a tab that wakes does not wait out its backoff', async t => {
  const { connecting, connection, clock, until } = await setUp(t)
  const { socket } = await connecting
  await until(() => connection.status === 'open')
  socket.close(1012, '{"d":600000}')
  await until(() => connection.status === 'closed')
  t.same(clock.armed(), [300_000])
  connection.wake()
  t.same(clock.armed(), [500])
})

t.test('a socket that looks open is asked when the tab wakes, and given up when nothing comes', async t => {
  const { server, connecting, connection, clock, states, until } = await setUp(t)
  const { socket } = await connecting
  await until(() => connection.status === 'open')
  await clock.advance(1_000)
  const asked = once(socket, 'message')
  connection.wake()
  t.equal(String((await asked)[0]), 'p')
  socket.send(JSON.stringify(told(a, 1, 'ready')))
  await until(() => states.length === 1)
  await clock.advance(5_000)
  t.equal(connection.status, 'open')

  socket.pause() // as if the network had gone without a word
  const again = accept(server)
  connection.wake()
  await clock.advance(4_999)
  t.equal(connection.status, 'open')
  await clock.advance(1)
  t.equal(connection.status, 'closed')
  await clock.advance(1_000)
  await again
  await until(() => connection.status === 'open')
})

t.test('a silence of two and a half heartbeats ends a connection; any frame is a sign of life', async t => {
  const { connecting, connection, clock, states, until } = await setUp(t)
  const { socket } = await connecting
  await until(() => connection.status === 'open')
  socket.send(JSON.stringify(told(a, 1, 'ready', { heartbeatMs: 40_000 })))
  await until(() => states.length === 1)
  await clock.advance(90_000)
  t.equal(connection.status, 'open')
  socket.send('{"v":1,"type":"heartbeat"}')
  socket.send(JSON.stringify(told(a, 2, 'ready', { heartbeatMs: 40_000 })))
  await until(() => states.length === 2)
  await clock.advance(99_999)
  t.equal(connection.status, 'open')
  await clock.advance(1)
  t.equal(connection.status, 'closed')
})

t.test('a heartbeat interval that makes no sense makes neither a busy loop nor a deaf tab', async t => {
  for (const [heartbeatMs, ms] of [
    [0, 5_000],
    [Number.MAX_SAFE_INTEGER, 3_600_000],
  ] as const) {
    const { connecting, connection, clock, states, until } = await setUp(t)
    const { socket } = await connecting
    socket.send(JSON.stringify(told(a, 1, 'ready', { heartbeatMs })))
    await until(() => states.length === 1)
    t.same(clock.armed(), [ms], `heartbeat of ${heartbeatMs} ms`)
    t.equal(connection.status, 'open')
  }
})

t.test('offline, the network is waited for, and looked for now and then: browsers err about it', async t => {
  const { server, connecting, connection, clock, navigator, until } = await setUp(t)
  const { socket } = await connecting
  await until(() => connection.status === 'open')
  navigator.onLine = false
  socket.terminate()
  await until(() => connection.status === 'closed')
  t.same(clock.armed(), [60_500])
  const blind = accept(server)
  await clock.advance(60_500)
  const { socket: found } = await blind
  await until(() => connection.status === 'open')
  found.terminate()
  await until(() => connection.status === 'closed')
  navigator.onLine = true
  const again = accept(server)
  connection.wake()
  await clock.advance(1_000)
  await again
})

t.test('a server that takes the connection and says nothing is given up after 4 s, then after 8', async t => {
  const mute = createServer(() => {})
  mute.listen(0, '127.0.0.1')
  await once(mute, 'listening')
  t.teardown(() => mute.close())
  const { port } = mute.address() as AddressInfo
  const clock = createClock()
  const env = {
    WebSocket,
    ...clock,
    random: () => 0.5,
    navigator: { onLine: true },
    document: { visibilityState: 'visible' },
  } as unknown as Env
  const wiring = { env, address: () => `http://127.0.0.1:${port}/`, onState: () => {}, onStatus: () => {} }
  const connection = connect(wiring)
  t.teardown(() => connection.close())
  t.equal(connection.status, 'connecting')
  await clock.advance(4_000)
  t.equal(connection.status, 'closed')
  await clock.advance(500)
  t.equal(connection.status, 'connecting')
  await clock.advance(7_999)
  t.equal(connection.status, 'connecting')
  await clock.advance(1)
  t.equal(connection.status, 'closed')
})

t.test('a browser that forbids the socket is asked again later, one without is left alone', async t => {
  const clock = createClock()
  const wiring = { address: () => 'http://127.0.0.1:1/', onState: () => {}, onStatus: () => {} }
  const env = {
    WebSocket: Forbidding,
    ...clock,
    random: () => 0.5,
    navigator: { onLine: true },
    document: { visibilityState: 'visible' },
  } as unknown as Env
  const forbidden = connect({ env, ...wiring })
  t.equal(forbidden.status, 'closed')
  t.same(clock.armed(), [500])
  forbidden.close()
  const without = connect({ env: { ...env, WebSocket: undefined }, ...wiring })
  without.wake()
  t.equal(without.status, 'off')
  t.same(clock.armed(), [])
})

function Forbidding() {
  throw new DOMException('insecure', 'SecurityError')
}
