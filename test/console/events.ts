// GET /api/events over real sockets.

import { once } from 'node:events'
import http from 'node:http'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { openConsole } from '../../console/console.ts'
import type { Console, ConsoleOptions } from '../../console/console.ts'
import { createWorld, deployment, pod, replicaSet } from './fixtures/cluster.ts'
import type { World } from './fixtures/cluster.ts'
import { openStream } from './fixtures/stream.ts'

const nothing = () => Promise.reject(new Error('not asked in this test'))

async function open(
  t: Test,
  options: Partial<ConsoleOptions> = {},
): Promise<{ world: World; console: Console }> {
  const world = createWorld()
  world.deployments.set('web', deployment())
  world.replicaSets.set('web-h1', replicaSet())
  world.pods.set('web-h1-a', pod())
  const console = await openConsole({
    api: { request: nothing, stream: nothing, close: () => {} },
    source: world.source,
    port: 0,
    hosts: ['console.example'],
    version: '1.2.3',
    log: () => {},
    gatherMs: 5,
    ...options,
  })
  t.teardown(() => console.close())
  return { world, console }
}

/** Shows another replica count, and so publishes one event. */
function change({ world, console }: { world: World; console: Console }, replicas: number): void {
  world.deployments.set('web', deployment({ replicas }))
  console.moved('shop', 'web')
}

const desired = (payload: Record<string, unknown>) =>
  (payload.replicas as { desired: number } | undefined)?.desired

t.test('everything first, then what changes, in order', async t => {
  const opened = await open(t)
  const stream = await openStream(opened.console.port, '/api/events')
  t.teardown(stream.close)
  await stream.until(({ type }) => type === 'ready')
  t.same(
    stream.told.map(({ type }) => type),
    ['reset', 'apps', 'instances', 'ready'],
  )
  t.equal(stream.told[0]?.payload.version, '1.2.3')
  t.equal(stream.response.headers['content-type'], 'text/event-stream')
  t.equal(stream.response.headers['cache-control'], 'no-cache, no-transform')
  t.equal(stream.response.headers['x-accel-buffering'], 'no')
  for (let replicas = 3; replicas < 13; replicas += 1) {
    change(opened, replicas)
    await stream.until(({ type, payload }) => type === 'app_status' && desired(payload) === replicas)
  }
  const ids = stream.told.slice(4).map(({ id }) => Number(id?.split('-')[1]))
  t.same(
    ids,
    ids.map((_, index) => ids[0]! + index),
    'numbered without a gap',
  )
})

t.test('each reader is told the time at which he came', async t => {
  let time = Date.parse('2026-11-28T02:00:00Z')
  const { console } = await open(t, { now: () => new Date(time) })
  for (const now of ['2026-11-28T02:00:00.000Z', '2026-11-28T03:00:00.000Z']) {
    time = Date.parse(now)
    const stream = await openStream(console.port, '/api/events')
    t.teardown(stream.close)
    await stream.until(({ type }) => type === 'ready')
    t.equal(stream.told[0]?.payload.now, now)
  }
})

t.test('a pod and an app that go are told', async t => {
  const { world, console } = await open(t)
  const stream = await openStream(console.port, '/api/events')
  t.teardown(stream.close)
  await stream.until(({ type }) => type === 'ready')
  world.pods.clear()
  console.moved('shop', 'web')
  const gone = await stream.until(({ type }) => type === 'instance_gone')
  t.equal(gone.payload.id, 'shop/web-h1-a')
  world.deployments.clear()
  console.moved('shop')
  t.same((await stream.until(({ type }) => type === 'app_gone')).payload, { id: 'shop/web' })
})

t.test('who was away for a moment goes on where he was, and hears nothing twice', async t => {
  const opened = await open(t)
  const first = await openStream(opened.console.port, '/api/events')
  await first.until(({ type }) => type === 'ready')
  change(opened, 3)
  const seen = await first.until(({ type }) => type === 'app_status')
  first.close()
  change(opened, 4)
  await sleep(50) // published while nobody reads: it is kept up for a while
  const again = await openStream(opened.console.port, '/api/events', { 'Last-Event-ID': seen.id ?? '' })
  t.teardown(again.close)
  await again.until(({ payload }) => desired(payload) === 4)
  t.same(
    again.told.map(({ type }) => type),
    ['app_status'],
  )
})

t.test('an event that is not kept, or of another run, begins anew', async t => {
  const { console } = await open(t)
  for (const id of ['0badcafe-1', 'nonsense', '-', '0badcafe-99999999999999999999']) {
    const stream = await openStream(console.port, '/api/events', { 'Last-Event-ID': id })
    t.teardown(stream.close)
    await stream.until(({ type }) => type === 'ready')
    t.equal(stream.told[0]?.type, 'reset', id)
    t.equal(stream.told[0]?.id, '', 'until it is ready, it must not resume')
  }
})

t.test('when nobody has looked for a while, all is forgotten, and worked out again', async t => {
  const opened = await open(t, { lingerMs: 10 })
  const first = await openStream(opened.console.port, '/api/events')
  const ready = await first.until(({ type }) => type === 'ready')
  first.close()
  while (opened.console.streams() > 0) await sleep(5)
  await sleep(50) // timers of one process run in their order
  change(opened, 5)
  const again = await openStream(opened.console.port, '/api/events', { 'Last-Event-ID': ready.id ?? '' })
  t.teardown(again.close)
  await again.until(({ type }) => type === 'ready')
  t.equal(again.told[0]?.type, 'reset')
  const apps = again.told[1]?.payload as unknown as Record<string, unknown>[]
  t.equal(desired(apps[0] ?? {}), 5)
})

t.test('a reader that does not keep up begins anew, and the others hear everything', async t => {
  const opened = await open(t, { gatherMs: 0, limits: { maxFrames: 8 } })
  const big = 'x'.repeat(100_000)
  opened.world.source.why = () => [big]
  const slow = connect(opened.console.port, '127.0.0.1')
  slow.write('GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await once(slow, 'data')
  slow.pause()
  const quick = await openStream(opened.console.port, '/api/events')
  t.teardown(quick.close)
  await quick.until(({ type }) => type === 'ready')
  const last = 200 // 20 MB: more than sockets take
  for (let replicas = 3; replicas <= last; replicas += 1) {
    change(opened, replicas)
    await quick.until(({ payload }) => desired(payload) === replicas)
  }
  t.equal(quick.told.filter(({ type }) => type === 'app_status').length, last - 2)
  let text = ''
  slow.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  slow.resume()
  while (
    !text.includes('"type":"ready","payload":{}}', text.lastIndexOf(`"desired":${last}`) + 1 || Infinity)
  )
    await once(slow, 'data')
  slow.destroy()
  t.match(text.slice(text.lastIndexOf('"type":"reset"')), new RegExp(`"desired":${last}`))
  t.ok(text.length < 15_000_000, 'what it could not take was not kept for it')
})

t.test('a reader that takes nothing is cut off', async t => {
  const opened = await open(t, { gatherMs: 0, limits: { stallMs: 200 } })
  opened.world.source.why = () => ['x'.repeat(10_000_000)]
  const stuck = connect(opened.console.port, '127.0.0.1')
  stuck.on('error', () => {})
  stuck.pause()
  stuck.write('GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n')
  while (opened.console.streams() === 0) await sleep(5)
  while (opened.console.streams() === 1) await sleep(20)
  t.equal(opened.console.streams(), 0)
  stuck.destroy()
})

t.test('a heartbeat comes, and at the end a word when to come again', async t => {
  const { console } = await open(t, { heartbeatMs: 20 })
  const stream = await openStream(console.port, '/api/events')
  await stream.until(({ type }) => type === 'heartbeat')
  const closing = console.close()
  const bye = await stream.until(({ type }) => type === 'bye')
  const ms = Number(bye.payload.retry_ms)
  t.ok(ms >= 1_000 && ms <= 5_000)
  await stream.ended
  await closing
})

t.test('there is room for so many streams, and then for none', async t => {
  const { console } = await open(t, { maxStreams: 1 })
  const first = await openStream(console.port, '/api/events')
  const second = await openStream(console.port, '/api/events')
  t.equal(second.status, 503)
  t.equal(second.response.headers['retry-after'], '5')
  first.close()
  while (console.streams() > 0) await sleep(5)
  const third = await openStream(console.port, '/api/events')
  t.equal(third.status, 200)
  third.close()
})

t.test('1,000 readers come, hear an event each, and vanish without a trace', async t => {
  const opened = await open(t, { lingerMs: 10 })
  const socketsNow = () => process.getActiveResourcesInfo().filter(name => name === 'TCPSocketWrap').length
  const before = socketsNow()
  let rest = 0
  for (let round = 0; round < 3; round += 1) {
    const sockets = await Promise.all(
      Array.from({ length: 1_000 }, async () => {
        const socket = connect(opened.console.port, '127.0.0.1')
        const text = until(socket, '"type":"ready"')
        socket.write('GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n')
        await text
        return socket
      }),
    )
    t.equal(opened.console.streams(), 1_000)
    const all = Promise.all(sockets.map(socket => until(socket, `"desired":${round + 10}`)))
    change(opened, round + 10)
    await all
    for (const socket of sockets) socket.resetAndDestroy()
    while (opened.console.streams() > 0) await sleep(10)
    rest = opened.console.streams()
  }
  t.equal(rest, 0)
  while (socketsNow() > before) await sleep(10)
})

t.test('names of others, and methods that write, are refused', async t => {
  const { console } = await open(t)
  const ask = (headers: Record<string, string>, method = 'GET', path = '/api/apps') =>
    new Promise<http.IncomingMessage>((resolve, reject) => {
      http
        .request({ port: console.port, host: '127.0.0.1', path, method, headers, agent: false }, resolve)
        .on('error', reject)
        .end()
    })
  const ours = [
    'localhost',
    'localhost:8090',
    '127.0.0.1:1',
    '127.8.8.8',
    '[::1]:8090',
    'LOCALHOST',
    'console.example:443',
  ]
  for (const Host of ours) t.equal((await ask({ Host })).statusCode, 200, Host)
  const theirs = [
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '10.0.0.1',
    '[::2]',
    'localhost:x',
  ]
  for (const Host of theirs) t.equal((await ask({ Host })).statusCode, 421, Host)
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    const response = await ask({}, method)
    t.equal(response.statusCode, 405, method)
    t.equal(response.headers.allow, 'GET, HEAD')
    t.equal(response.headers['access-control-allow-origin'], undefined)
  }
  t.equal((await ask({}, 'HEAD')).statusCode, 200)
  t.equal((await ask({}, 'HEAD', '/api/events')).headers['content-type'], 'text/event-stream')
})

t.test('an app is found by its id, encoded or not, below any path', async t => {
  const { console } = await open(t)
  const found: [path: string, status: number][] = [
    ['/api/apps/shop%2Fweb', 200],
    ['/api/apps/shop/web', 200],
    ['/tools/console/api/apps/shop%2Fweb', 200],
    ['/api/apps/shop%2Fother', 404],
    ['/api/apps/api/web', 404],
    ['/api/apps/%', 404],
    ['/api/apps/', 404],
    ['/api/', 404],
    ['/api/secrets', 404],
  ]
  for (const [path, status] of found) {
    const response = await fetch(`http://127.0.0.1:${console.port}${path}`)
    t.equal(response.status, status, path)
    if (status === 200) t.match(await response.json(), { id: 'shop/web', status: 'ready' })
  }
})

function until(socket: Socket, text: string): Promise<void> {
  let all = ''
  return new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.on('data', function look(chunk: Buffer) {
      all += chunk.toString()
      if (!all.includes(text)) return
      socket.off('data', look)
      resolve()
    })
  })
}
