// How long the front waits, told by a clock of the test's own, over real sockets: for ever while something is under way or the app
// keeps the connection, and longer than load balancers keep an idle one (60 s and 75 s are usual, 600 s the most) where there is no app whose end it could mirror.

import net from 'node:net'
import { mock } from 'node:test'
import t from 'tap'
import type { Test } from 'tap'
import { answering, get, ok, openFront, rawApp, seen, versionServer } from './stage.ts'
import type { Client, RawApp } from './stage.ts'

const minute = 60_000
const day = 24 * 60 * minute

t.beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'setInterval'] }))
t.afterEach(() => mock.timers.reset())

async function first(app: RawApp, text: string): Promise<Client> {
  await reached(() => app.sockets[0]?.text().includes(text) === true)
  return app.sockets[0]!
}

async function reached(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(resolve => setImmediate(resolve))
}

async function pass(ms: number): Promise<void> {
  mock.timers.tick(ms)
  await seen()
}

t.test('an idle connection is kept for as long as the app keeps it', async t => {
  const app = await answering(t, head => ok(head.slice(4, 6)))
  const { dial } = await openFront(t, app.port)
  const client = dial()
  for (const n of [1, 2, 3]) {
    client.write(get(`/${n}`))
    await client.until(`/${n}`)
    await pass(day)
  }
  t.equal(client.socket.readyState, 'open')
  t.equal(app.sockets.length, 1)
})

t.test('a connection that was dialled in advance is kept', async t => {
  const app = await answering(t, () => ok('x'))
  const { dial, front } = await openFront(t, app.port)
  const client = dial()
  await reached(() => front.counters.open === 1 && app.sockets.length === 1)
  await pass(day)
  client.write(get('/'))
  await client.until('\r\n\r\nx')
})

t.test(
  'an idle connection without an app behind it is kept for longer than by Google’s load balancers, ten minutes',
  async t => {
    const app = await answering(t, () => ok('app'))
    const { dial } = await openFront(t, app.port, { versionSocket: await ownVersion(t) })
    const client = dial()
    const ask = async (target: string, times: number): Promise<void> => {
      client.write(get(target))
      await reached(() => client.text().split('{}').length > times)
      await seen()
    }
    await ask('/__spa/version', 1)
    await pass(9 * minute)
    await ask('/__spa/version', 2)
    await pass(10 * minute + 20_000 - 1)
    t.equal(client.socket.readyState, 'open')
    await pass(1)
    t.equal(await client.ended, 'end')
  },
)

t.test('an answer that is under way is never cut, however slow: a byte a minute for an hour', async t => {
  const app = await rawApp(t, () => {})
  const { dial } = await openFront(t, app.port)
  for (const [head, piece, end] of [
    ['Content-Length: 60', 'x', ''],
    ['Transfer-Encoding: chunked', '1\r\nx\r\n', '0\r\n\r\n'],
    ['X: until close', 'x', ''],
  ] as const) {
    const client = dial()
    client.write(get('/'))
    await reached(() => app.sockets.at(-1)?.text() === get('/') && app.sockets.at(-1)!.bytes().length > 0)
    const got = app.sockets.at(-1)!
    const answer = `HTTP/1.1 200 OK\r\n${head}\r\n\r\n`
    await pass(day)
    got.write(answer)
    for (let n = 1; n <= 60; n++) {
      await pass(minute)
      got.write(piece)
      await reached(() => client.text() === answer + piece.repeat(n))
    }
    got.write(end)
    await client.until(end)
    client.socket.destroy()
    await got.ended
    app.sockets.length = 0
  }
})

t.test('an upload that is under way is never cut either', async t => {
  const app = await rawApp(t, () => {})
  const { dial } = await openFront(t, app.port)
  const client = dial()
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
  client.write(head)
  const got = await first(app, head)
  for (let n = 1; n <= 60; n++) {
    await pass(minute)
    client.write('1\r\nx\r\n')
    await reached(() => got.text() === head + '1\r\nx\r\n'.repeat(n))
  }
  client.write('0\r\n\r\n')
  await got.until('0\r\n\r\n')
  await pass(day)
  got.write(ok('late'))
  await client.until('late')
})

t.test('tunnels, and what is not HTTP at all, are left alone', async t => {
  const switched = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'
  const app = await rawApp(t, () => {})
  const { dial } = await openFront(t, app.port)
  for (const [begin, answer] of [
    [get('/', 'Upgrade: x', 'Connection: Upgrade'), switched],
    ['\x16\x03\x01\0\0', 'hello'],
  ] as const) {
    app.sockets.length = 0
    const client = dial()
    client.write(begin)
    const got = await first(app, begin)
    got.write(answer)
    await client.until(answer)
    await pass(day)
    got.write('from the app')
    await client.until('from the app')
    client.write('from the client')
    await got.until('from the client')
  }
})

t.test('the front sets no time limit on any socket', async t => {
  const set: unknown[] = []
  const { setTimeout } = net.Socket.prototype
  t.intercept(net.Socket.prototype, 'setTimeout', {
    value(this: net.Socket, ...args: Parameters<typeof setTimeout>) {
      set.push(args)
      return setTimeout.apply(this, args)
    },
  })
  const app = await answering(t, () => ok('x'))
  const { dial } = await openFront(t, app.port, { versionSocket: await ownVersion(t) })
  const client = dial()
  client.write(get('/') + get('/__spa/version'))
  await client.until('{}')
  t.same(set, [])
})

/** A version server that answers each request with an empty object. */
function ownVersion(t: Test): Promise<string> {
  const server = net.createServer(socket => socket.once('data', () => socket.end(ok('{}'))))
  return versionServer(t, server)
}
