// The event stream against the real version server, asked directly and through the front.

import { once } from 'node:events'
import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { heartbeat, parseMessage } from '../../../protocol/message.ts'
import type { StateMessage } from '../../../protocol/message.ts'
import type { VersionServerOptions } from '../../../sidecar/server/server.ts'
import { answering, dial, ok, openFront } from '../front/stage.ts'
import { runDir } from '../run-dir.ts'
import { newId, releaseState } from '../state.ts'
import { startVersionServer } from './version-server.ts'

async function setUp(t: Test, change: Partial<VersionServerOptions> = {}) {
  const socketPath = join(runDir(t), 'v.sock')
  const { server, current } = await startVersionServer(t, { listen: socketPath, ...change })
  return {
    server,
    current,
    socketPath,
    stream: (query = '', headers: Record<string, string> = {}) =>
      openStream(t, { socketPath }, `/__spa/events${query}`, headers),
    socket: () => new WebSocket(`ws+unix:${socketPath}:/__spa/ws`, 'spa-reloader.v1'),
    /** A front before it, and before an app of no interest. */
    front: async () =>
      openFront(t, (await answering(t, () => ok('app'))).port, { versionSocket: socketPath }),
  }
}

interface Event {
  event: string
  id: string
  retry: string
  data: string
}

/** Reads events as they come; `over` says whether the answer came to its end or was cut. */
async function openStream(
  t: Test,
  to: { socketPath: string } | { port: number },
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
) {
  const all = { Host: 'shop.example', Accept: 'text/event-stream', ...headers }
  const asked = request({ ...to, path, method, headers: all, agent: false }).end()
  t.teardown(() => asked.destroy())
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  const events: Event[] = []
  let rest = ''
  let wake = () => {}
  answer.setEncoding('utf8').on('data', (text: string) => {
    const blocks = (rest + text).split('\n\n')
    rest = blocks.pop()!
    events.push(...blocks.map(parseEvent))
    wake()
  })
  const over = new Promise<'end' | 'cut'>(resolve => {
    answer.on('end', () => resolve('end')).on('error', () => resolve('cut'))
  })
  return { answer, events, next, over, leave: () => asked.destroy() }

  async function next(): Promise<Event> {
    while (events.length === 0) await new Promise<void>(resolve => (wake = resolve))
    return events.shift()!
  }
}

function parseEvent(block: string): Event {
  const event: Event = { event: 'message', id: '', retry: '', data: '' }
  for (const line of block.split('\n')) {
    const [, field = '', value = ''] = /^(\w+): (.*)$/.exec(line) ?? []
    event[field as keyof Event] = value
  }
  return event
}

const state = ({ data }: Event) => JSON.parse(data) as StateMessage

t.test('a stream gets the state as first event, then every newer one, as a WebSocket would', async t => {
  const { current, stream } = await setUp(t)
  current.offer(releaseState({ serial: 1 }))
  const { answer, next } = await stream()
  t.match(answer, {
    statusCode: 200,
    headers: {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
    },
  })
  const first = await next()
  t.match(first, { event: 'message', id: 'web/t3k9x1-d3f1c2aa/1' })
  t.match(state(first), { serial: 1, sha256: newId, namespace: 'shop', heartbeat_ms: 60_000 })
  current.offer(releaseState({ serial: 2, phase: 'rolling' }))
  current.offer(releaseState({ serial: 3 }))
  t.match(state(await next()), { serial: 2, phase: 'rolling' })
  const third = await next()
  t.match([third.id, state(third)], ['web/t3k9x1-d3f1c2aa/3', { serial: 3, phase: 'ready' }])
})

t.test('a stream that comes before any state is known hears that the server is there', async t => {
  const { server, current, stream } = await setUp(t)
  const { next } = await stream()
  const first = await next()
  t.same(parseMessage(first.data), heartbeat)
  t.equal(first.id, '')
  current.offer(releaseState())
  t.match(state(await next()), { serial: 31 })
  t.match(server.tabs.counters, { opened: 1, sentHeartbeat: 1, sentState: 1 })
})

t.test('heartbeats are events, which scripts can see', async t => {
  const { stream } = await setUp(t, { heartbeatMs: 20 })
  const { next } = await stream()
  for (let beats = 0; beats < 3; beats++) t.same(parseMessage((await next()).data), heartbeat)
})

t.test('each stream that is left to itself would come back after another time', async t => {
  const { stream } = await setUp(t)
  const retries = new Set<number>()
  for (let i = 0; i < 5; i++) retries.add(Number((await (await stream()).next()).retry))
  t.ok(retries.size > 1)
  for (const ms of retries) t.ok(ms >= 3_000 && ms <= 10_000, `${ms}`)
})

t.test('who has the newest state already is not told it again', async t => {
  const { current, stream } = await setUp(t)
  current.offer(releaseState({ serial: 1 }))
  const again = await stream('', { 'Last-Event-ID': 'web/t3k9x1-d3f1c2aa/1' })
  t.same(parseMessage((await again.next()).data), heartbeat)
  for (const id of ['web/t3k9x1-d3f1c2aa/0', 'web/t3k9x1-d3f1c2aa/2', 'api/t3k9x1-d3f1c2aa/1', 'x']) {
    const other = await stream('', { 'Last-Event-ID': id })
    t.match(state(await other.next()), { serial: 1 }, id)
  }
  current.offer(releaseState({ serial: 2 }))
  t.match(state(await again.next()), { serial: 2 })
})

t.test('a page of another site is refused, and so is what asks for no event stream', async t => {
  const { server, stream } = await setUp(t)
  const foreign = [
    { Origin: 'https://evil.example' },
    { Origin: 'null' },
    { 'Sec-Fetch-Site': 'cross-site' },
    { 'Sec-Fetch-Site': 'same-site' },
  ]
  for (const headers of foreign) t.equal((await stream('', headers)).answer.statusCode, 403)
  for (const accept of ['*/*', 'image/avif,image/webp,*/*', 'text/html'])
    t.equal((await stream('', { Accept: accept })).answer.statusCode, 406, accept)
  t.match(server.tabs.count(), { tabs: 0, streams: 0 })
  t.equal(server.tabs.counters.refusedOrigin, foreign.length)
  for (const headers of [
    { Accept: '' }, // who is on the way may take it off, as CloudFront does
    { Origin: 'https://shop.example', 'Sec-Fetch-Site': 'same-origin' },
    { 'Sec-Fetch-Site': 'none' },
    { Origin: 'https://x.y', 'X-Forwarded-Host': 'x.y, inner' },
    {},
  ])
    t.equal((await stream('', headers)).answer.statusCode, 200)
  t.match(server.tabs.count(), { tabs: 5, streams: 5, original: 0 })
})

t.test('HEAD says what GET would and takes no place; other methods get 405', async t => {
  const { server, socketPath } = await setUp(t)
  const head = await openStream(t, { socketPath }, '/__spa/events', {}, 'HEAD')
  t.match(head.answer, { statusCode: 200, headers: { 'content-type': 'text/event-stream' } })
  t.equal(await head.over, 'end')
  t.equal(server.tabs.counters.opened, 0)
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    const refused = await openStream(t, { socketPath }, '/__spa/events', {}, method)
    t.match(refused.answer, { statusCode: 405, headers: { allow: 'GET, HEAD' } }, method)
  }
})

t.test('streams and WebSockets share the places of a pod, and the count by page', async t => {
  const { server, stream, socket } = await setUp(t, { maxTabs: 2 })
  const first = await stream('?v=web-6c487dcc49')
  await first.next()
  const other = socket()
  await once(other, 'open')
  t.match(server.tabs.count(), { tabs: 2, streams: 1, original: 0 })
  t.same(new Map(server.tabs.pages()), new Map([['none', 1], ['web-6c487dcc49', 1]])) // prettier-ignore

  const full = await stream()
  const last = await full.next()
  t.match([last.event, JSON.parse(last.data)], ['close', { code: 1013, reason: '' }])
  t.ok(Number(last.retry) >= 30_000)
  t.equal(await full.over, 'end')
  const late = socket()
  t.equal(((await once(late, 'close')) as [number])[0], 1013)
  t.equal(server.tabs.counters.closedFull, 2)

  first.leave()
  while (server.tabs.count().tabs === 2) await new Promise(resolve => setImmediate(resolve))
  t.same(server.tabs.pages(), [['none', 1]])
  t.match(await (await stream()).next(), { event: 'message' })
  other.close()
})

t.test('the spread grows with streams too, and each message to one is counted', async t => {
  const { server, current, stream, socket } = await setUp(t)
  const [first, second] = [await stream(), await stream()]
  const other = socket()
  await once(other, 'open')
  await Promise.all([first.next(), second.next()])
  current.offer(releaseState())
  t.equal(state(await first.next()).spread_ms, 15)
  t.match(server.tabs.counters, { opened: 3, sentState: 3, sentHeartbeat: 2 })
  other.close()
})

t.test('a stream that has reached its age is ended with 4001', async t => {
  const { server, stream } = await setUp(t, { maxAgeMs: 100 })
  const old = await stream()
  await old.next()
  const last = await old.next()
  t.match([last.event, JSON.parse(last.data)], ['close', { code: 4001, reason: '' }])
  t.ok(Number(last.retry) <= 5_000)
  t.equal(await old.over, 'end')
  t.match(server.tabs.counters, { closedMaxAge: 1 })
  t.equal(server.tabs.count().tabs, 0)
})

t.test('draining ends every stream with its delay, and each that comes later', async t => {
  const { server, current, stream } = await setUp(t)
  current.offer(releaseState())
  const open = await stream()
  await open.next()
  await server.drain()
  const last = await open.next()
  t.match([last.event, JSON.parse(last.data)], ['close', { code: 1012, reason: '{"d":200}' }])
  t.ok(Number(last.retry) <= 200)
  t.equal(await open.over, 'end')
  const late = await stream()
  t.match(JSON.parse((await late.next()).data), { code: 1012, reason: '{"d":500}' })
  t.equal(await late.over, 'end')
  t.equal(server.tabs.counters.closedDraining, 2)
  t.equal(server.tabs.count().tabs, 0)
})

t.test(
  'a tab that does not read is closed, holds up nobody, and finds the newest when it is back',
  async t => {
    const { server, current, socketPath, stream } = await setUp(t)
    const good = await stream()
    await good.next()
    const slow = connect(socketPath)
    slow.on('error', () => {})
    slow.pause()
    slow.write('GET /__spa/events HTTP/1.1\r\nHost: shop.example\r\nAccept: text/event-stream\r\n\r\n')
    while (server.tabs.count().streams < 2) await new Promise(resolve => setImmediate(resolve))
    const known = Array.from({ length: 200 }, (_, index) => [`hash${index}`, newId, index] as const)
    let serial = 100
    while (server.tabs.count().streams === 2 && serial < 1_000) {
      current.offer(releaseState({ serial: ++serial, known: [...known] }))
      t.equal(state(await good.next()).serial, serial)
    }
    t.match(server.tabs.count(), { tabs: 1, streams: 1 }, 'the slow one has gone')
    t.ok(serial < 200, 'before much was kept for it')
    slow.destroy()
    t.equal(state(await (await stream()).next()).serial, serial)
  },
)

t.test('tabs that break off at any moment harm nobody', async t => {
  const { server, current, stream, socketPath } = await setUp(t, { heartbeatMs: 5 })
  for (let i = 0; i < 50; i++) {
    const socket = connect(socketPath)
    socket.on('error', () => {})
    socket.write('GET /__spa/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n')
    if (i % 2) socket.once('data', () => socket.destroy())
    else setTimeout(() => socket.destroy(), i)
    current.offer(releaseState({ serial: i + 1 }))
  }
  const good = await stream()
  await good.next()
  while (server.tabs.count().tabs > 1) await good.next()
  t.match(server.tabs.count(), { tabs: 1, streams: 1 })
})

t.test('through the front: an endless answer, event by event', async t => {
  const { server, current, front } = await setUp(t)
  current.offer(releaseState({ serial: 1 }))
  const { port } = await front()
  const { answer, next, leave } = await openStream(t, { port }, '/shop/__spa/events?v=web-6c487dcc49', {
    'Sec-Fetch-Site': 'same-origin',
    'Last-Event-ID': 'web/t3k9x1-d3f1c2aa/1',
  })
  t.equal(answer.headers['transfer-encoding'], 'chunked')
  t.same(parseMessage((await next()).data), heartbeat, 'its Last-Event-ID has come through')
  current.offer(releaseState({ serial: 2 }))
  t.match(state(await next()), { serial: 2 })
  t.same(server.tabs.pages(), [['web-6c487dcc49', 1]])
  leave()
  while (server.tabs.count().tabs > 0) await new Promise(resolve => setImmediate(resolve))
  t.pass('a tab that has gone is known to have gone at once, not with the next heartbeat')
  const foreign = await openStream(t, { port }, '/__spa/events', { 'Sec-Fetch-Site': 'cross-site' })
  t.equal(foreign.answer.statusCode, 403)
})

t.test(
  'through the front: a tab that ends its side has gone, also while its answer is on its way',
  async t => {
    const { server, front } = await setUp(t, { clientScript: 'x'.repeat(1 << 20) })
    const { port, logged } = await front()
    for (const [version, isEarly] of [
      ['1.1', true],
      ['1.1', false],
      ['1.0', true],
      ['1.0', false],
    ] as const) {
      const client = dial(t, port)
      client.write(`GET /__spa/events HTTP/${version}\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n`)
      if (!isEarly) await client.until('heartbeat')
      client.socket.end()
      await client.ended
      while (server.tabs.count().tabs > 0) await new Promise(resolve => setImmediate(resolve))
    }
    t.equal(server.tabs.counters.opened, 4)
    t.same(
      logged.map(({ message }) => message),
      ['front listens'],
      'no failure',
    )
    const other = dial(t, port)
    other.socket.end('GET /__spa/client.js HTTP/1.1\r\nHost: a\r\n\r\n')
    t.equal(await other.ended, 'end')
    t.match(other.text(), /\r\n\r\nx{1048576}$/, 'an answer that has an end is waited for')
  },
)

t.test(
  'through the front: a stream is the last answer on its connection, whatever comes behind it',
  async t => {
    const { server, front } = await setUp(t, { maxAgeMs: 50 })
    const { port } = await front()
    const client = dial(t, port)
    const stream = 'GET /__spa/events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n'
    client.write(`GET /1 HTTP/1.1\r\nHost: a\r\n\r\n${stream}GET /2 HTTP/1.1\r\nHost: a\r\n\r\n`)
    t.equal(await client.ended, 'end')
    t.match(
      client.text(),
      /^HTTP\/1.1 200 OK\r\nContent-Length: 3\r\n\r\nappHTTP\/1.1 200 OK\r\n[^]*Connection: close\r\n\r\n/,
    )
    t.match(client.text(), /event: close\ndata: \{"code":4001,"reason":""\}\n\n\r\n0\r\n\r\n$/)
    t.equal(server.tabs.count().tabs, 0)
  },
)

t.test('through the front: HTTP/1.0 gets the bare events until the connection ends', async t => {
  for (const line of ['', 'Connection: keep-alive\r\n']) {
    const { server, current, front } = await setUp(t)
    const { port } = await front()
    const client = dial(t, port)
    client.write(`GET /__spa/events HTTP/1.0\r\nHost: a\r\n${line}Accept: text/event-stream\r\n\r\n`)
    await client.until('heartbeat"}\n\n')
    current.offer(releaseState({ serial: 2 }))
    await client.until('"serial":2')
    await server.drain()
    t.equal(await client.ended, 'end')
    const [head = '', ...rest] = client.text().split('\r\n\r\n')
    t.notMatch(head, /transfer-encoding/i)
    t.match(head, /Connection: close/)
    t.match(
      rest.join(),
      /^retry: \d+\ndata: \{.*\}\n\nid: \S+\ndata: \{.*\}\n\nretry: \d+\nevent: close\ndata: .*\n\n$/,
    )
  }
})

t.test(
  'through the front: a client that does not read gets no more than it takes, and loses nothing',
  async t => {
    const { current, server, front } = await setUp(t)
    const { port } = await front()
    const client = dial(t, port)
    client.write('GET /__spa/events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n')
    await client.until('heartbeat')
    client.socket.pause()
    for (let serial = 1; serial <= 50; serial++) {
      current.offer(releaseState({ serial }))
      await new Promise(resolve => setImmediate(resolve))
    }
    client.socket.resume()
    await client.until('"serial":50,')
    t.equal(server.tabs.count().tabs, 1)
  },
)
