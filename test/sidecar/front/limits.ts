// Each limit of the front over real sockets: its status, its counter, and that it is the given value which counts.

import t from 'tap'
import { answering, get, ok, openFront, rawApp } from './stage.ts'
import type { Client, Stage } from './stage.ts'

const host = 'Host: a\r\n'
const none = { malformed: 0, headBytes: 0, headLines: 0, headTime: 0, waitsBuffer: 0, waitsPipelined: 0 }

const heads: [
  what: string,
  limits: object,
  fits: string,
  tooMuch: string,
  status: number,
  counted: object,
][] = [
  [
    'bytes',
    { maxHeadBytes: 1_024 },
    `GET / HTTP/1.1\r\n${host}X: ${'y'.repeat(900)}\r\n\r\n`,
    `GET / HTTP/1.1\r\n${host}X: ${'y'.repeat(1_000)}\r\n\r\n`,
    431,
    { headBytes: 1 },
  ],
  [
    'bytes in its first line',
    { maxHeadBytes: 1_024 },
    `GET /${'x'.repeat(900)} HTTP/1.1\r\n${host}\r\n`,
    `GET /${'x'.repeat(1_100)} HTTP/1.1\r\n${host}\r\n`,
    414,
    { headBytes: 1 },
  ],
  [
    'lines',
    { maxHeadLines: 10 },
    `GET / HTTP/1.1\r\n${host}${'X: y\r\n'.repeat(9)}\r\n`,
    `GET / HTTP/1.1\r\n${host}${'X: y\r\n'.repeat(10)}\r\n`,
    431,
    { headLines: 1 },
  ],
]

for (const [what, limits, fits, tooMuch, status, counted] of heads) {
  t.test(`a head with more ${what} than the limit is refused, and one within it passes`, async t => {
    const app = await answering(t, () => ok('x'))
    const { dial, front } = await openFront(t, app.port, { limits })
    const client = dial()
    client.write(fits)
    await client.until('\r\n\r\nx')
    client.write(tooMuch)
    t.equal(await client.ended, 'end')
    t.match(client.text(), new RegExp(`\\r\\n\\r\\nxHTTP/1\\.1 ${status} `))
    t.match(front.counters, { ...none, requests: 1, ...counted })
  })
}

t.test('a larger limit lets a larger head pass', async t => {
  const app = await answering(t, () => ok('x'))
  const { dial, front } = await openFront(t, app.port, {
    limits: { maxHeadBytes: 256 * 1024, maxHeadLines: 1_000 },
  })
  const client = dial()
  client.write(`GET / HTTP/1.1\r\n${host}${`X: ${'y'.repeat(200)}\r\n`.repeat(900)}\r\n`)
  await client.until('\r\n\r\nx')
  t.match(front.counters, { malformed: 0, headBytes: 0, headLines: 0, requests: 1 })
})

t.test('a head that is slower than the limit is told so and counted', async t => {
  const app = await rawApp(t, () => {})
  const { dial, front } = await openFront(t, app.port, { limits: { headMs: 50 } })
  const client = dial()
  client.write('GET / HTTP/1.1\r\nHo')
  t.equal(await client.ended, 'end')
  t.match(client.text(), /^HTTP\/1\.1 408 Request Timeout\r\n/)
  t.match(front.counters, { ...none, headTime: 1, requests: 0 })
})

t.test('of pipelined requests no more reach the app than may be awaited, and all are answered', async t => {
  const app = await rawApp(t, () => {})
  const { dial, front } = await openFront(t, app.port, { limits: { maxAwaited: 2 } })
  const client = dial()
  client.write([1, 2, 3, 4].map(n => get(`/${n}`)).join(''))
  await settled(() => app.sockets[0]?.text().includes('/2') === true && front.counters.waitsPipelined > 0)
  const [got] = app.sockets as [Client]
  t.equal(got.text(), get('/1') + get('/2'))
  got.write(ok('one'))
  await got.until('/3')
  t.notMatch(got.text(), '/4')
  got.write(ok('two') + ok('three'))
  await got.until('/4')
  got.write(ok('four'))
  await client.until('four')
  t.equal(client.text(), ok('one') + ok('two') + ok('three') + ok('four'))
})

t.test('what waits behind an answer is bounded, and the client waits instead', async t => {
  const app = await rawApp(t, () => {})
  const small = 16 * 1024
  const total = 16 * 1024 * 1024
  const waited = await held(t, app.port, { maxBufferBytes: small })
  t.ok(waited.read < total / 2, `${waited.read} bytes were read`)
  t.equal(waited.stage.front.counters.waitsBuffer, 1)
  const taken = await held(t, app.port, { maxBufferBytes: 2 * total }, total)
  t.ok(taken.read >= total, 'a larger limit takes them all')
  t.equal(taken.stage.front.counters.waitsBuffer, 0)

  /** A client that sends on behind an upgrade that nobody answers. */
  async function held(t: Parameters<typeof openFront>[0], port: number, limits: object, wanted = 0) {
    const stage: Stage = await openFront(t, port, { limits })
    const client = stage.dial()
    client.write(get('/', 'Upgrade: x', 'Connection: upgrade'))
    await settled(() => stage.front.counters.requests === 1)
    client.write(Buffer.alloc(total))
    const left = (): number => client.socket.bytesWritten - client.socket.writableLength
    await settled(() => (wanted ? client.socket.writableLength === 0 : stage.front.counters.waitsBuffer > 0))
    return { stage, read: left() }
  }
})

t.test('an app waits for a client that does not read', async t => {
  const app = await rawApp(t, () => {})
  const { dial, front } = await openFront(t, app.port)
  const client = dial()
  client.socket.pause()
  client.write(get('/'))
  await settled(() => app.sockets[0]?.text() === get('/'))
  const body = 'x'.repeat(32 * 1024 * 1024)
  app.sockets[0]?.write(ok(body))
  await settled(() => front.counters.waitsBuffer > 0)
  client.socket.resume()
  await settled(() => client.socket.bytesRead === ok(body).length)
})

async function settled(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => setTimeout(resolve, 5))
}
