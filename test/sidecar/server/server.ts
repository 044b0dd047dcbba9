import { request } from 'node:http'
import { connect } from 'node:net'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { WebSocket } from 'ws'
import { runDir } from '../run-dir.ts'
import { heartbeat, parseMessage } from '../../../protocol/message.ts'
import { createCurrent } from '../../../sidecar/current.ts'
import { createVersionServer } from '../../../sidecar/server/server.ts'
import { startVersionServer } from './version-server.ts'
import { newId, oldId, releaseState } from '../state.ts'
import type { IncomingHttpHeaders } from 'node:http'
import type { Test } from 'tap'
import type { StateMessage } from '../../../protocol/message.ts'
import type { VersionServerOptions } from '../../../sidecar/server/server.ts'

const subprotocol = 'spa-reloader.v1'
const clientScript = 'export const hällo = 1\n'

async function setUp(t: Test, change: Partial<VersionServerOptions> = {}) {
  const socketPath = join(runDir(t), 'v.sock')
  const { server, current } = await startVersionServer(t, { listen: socketPath, clientScript, ...change })
  return { server, current, socketPath, tab, get }

  function tab(query = '', protocols = [subprotocol], headers: Record<string, string> = {}) {
    return openTab(`ws+unix:${socketPath}:/__spa/ws${query}`, protocols, { Host: 'shop.example', ...headers })
  }

  function get(path: string, method = 'GET', headers: Record<string, string> = {}) {
    return fetchUnix(socketPath, path, method, headers)
  }
}

/** A tab that keeps what it hears in order, so that nothing is missed between two waits. */
function openTab(url: string, protocols: string[], headers: Record<string, string>) {
  const socket = new WebSocket(url, protocols, { headers })
  const frames: string[] = []
  let wake = () => {}
  socket.on('message', (data: Buffer) => {
    frames.push(String(data))
    wake()
  })
  const opened = new Promise<void>((resolve, reject) => {
    socket.on('open', resolve)
    socket.on('error', reject)
  })
  opened.catch(() => {})
  const closed = new Promise<{ code: number; reason: string }>(resolve => {
    socket.on('close', (code, reason) => resolve({ code, reason: String(reason) }))
  })
  return { socket, opened, closed, frames, next, pong }

  async function next(): Promise<string> {
    while (frames.length === 0) await new Promise<void>(resolve => (wake = resolve))
    return frames.shift()!
  }

  /** Everything that was sent before is here once the server has answered a ping. */
  function pong(): Promise<void> {
    return new Promise(resolve => {
      socket.once('pong', () => resolve())
      socket.ping()
    })
  }
}

function fetchUnix(socketPath: string, path: string, method: string, headers: Record<string, string>) {
  return new Promise<{ status: number; headers: IncomingHttpHeaders; body: string }>((resolve, reject) => {
    request({ socketPath, path, method, headers }, response => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => (body += text))
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }))
    })
      .on('error', reject)
      .end()
  })
}

const state = (text: string) => JSON.parse(text) as StateMessage

t.test('a tab gets the state as first frame, every newer one after it, and again when it asks', async t => {
  const { current, tab } = await setUp(t)
  current.offer(releaseState({ serial: 1 }))
  const { socket, opened, next } = tab()
  await opened
  t.equal(socket.protocol, subprotocol)
  t.match(state(await next()), {
    type: 'state',
    serial: 1,
    sha256: newId,
    namespace: 'shop',
    heartbeat_ms: 60_000,
  })
  current.offer(releaseState({ serial: 2, phase: 'rolling' }))
  current.offer(releaseState({ serial: 3 }))
  t.match(state(await next()), { serial: 2, phase: 'rolling' })
  t.match(state(await next()), { serial: 3, phase: 'ready' })
  socket.send('p')
  t.match(state(await next()), { serial: 3 })
})

t.test('a tab that came before any state was known gets the first one', async t => {
  const { current, tab, get } = await setUp(t)
  const { opened, next, frames, pong } = tab()
  await opened
  await pong()
  t.same(frames, [])
  t.match(await get('/__spa/version'), {
    status: 503,
    headers: { 'retry-after': '1', 'cache-control': 'no-store' },
  })
  current.offer(releaseState())
  t.match(state(await next()), { serial: 31 })
})

t.test(
  'a probe while no state is known is answered too, so that the connection is not taken for dead',
  async t => {
    const { server, tab } = await setUp(t)
    const { socket, opened, next, closed } = tab()
    await opened
    socket.send('p')
    t.same(JSON.parse(await Promise.race([next(), closed.then(() => 'null')])), heartbeat)
    t.match(server.tabs.counters, { sentHeartbeat: 1, sentState: 0 })
  },
)

t.test('a client of the original gets no snapshot, and one frame for each finished change', async t => {
  const { current, tab } = await setUp(t)
  const target = (id: string) => ({ id, name: 'registry/web:1', hash: 'h' })
  current.offer(releaseState({ serial: 1, target: target(oldId) }))
  const original = tab('', [])
  await original.opened
  await original.pong()
  t.equal(original.socket.protocol, '')
  current.offer(releaseState({ serial: 2, phase: 'rolling', target: target(newId) }))
  current.offer(releaseState({ serial: 3, phase: 'ready', target: target(newId) }))
  current.offer(releaseState({ serial: 4, phase: 'ready', target: target(newId) }))
  current.offer(releaseState({ serial: 5, phase: 'ready', target: target(oldId) }))
  t.match(JSON.parse(await original.next()), {
    current_image: { name: 'registry/web:1', sha256: newId },
    previous_image: { sha256: oldId },
    image: 'registry/web:1',
    sha256: newId,
    created_at: '2026-11-22T09:00:00Z',
  })
  t.match(state(await original.next()), { serial: 5, sha256: oldId })
  await original.pong()
  t.same(original.frames, [])
})

t.test('with expose id neither the namespace nor an image name leaves', async t => {
  const { current, tab, get } = await setUp(t, { expose: 'id' })
  current.offer(releaseState())
  for (const text of [await tab().next(), (await get('/__spa/version')).body]) {
    t.match(state(text), { name: 'web', sha256: newId })
    t.notMatch(text, /shop|registry/)
  }
})

t.test('anything but the probe closes the tab with 1008', async t => {
  const { server, current, tab } = await setUp(t)
  current.offer(releaseState())
  const bad: (string | Buffer)[] = ['', 'pp', 'P', '{"type":"p"}', 'é', Buffer.from('p'), 'x'.repeat(1_000)]
  for (const message of bad) {
    const { socket, opened, closed } = tab()
    await opened
    socket.send(message)
    t.equal((await closed).code, 1008, String(message).slice(0, 20))
  }
  const original = tab('', [])
  await original.opened
  original.socket.send('p')
  t.equal((await original.closed).code, 1008, 'a client of the original never speaks')
  t.equal(server.tabs.counters.closedPolicy, bad.length + 1)
})

t.test('a frame of 1 MiB ends its own tab and no other', async t => {
  const { current, tab, get } = await setUp(t)
  current.offer(releaseState())
  const [bad, good] = [tab(), tab()]
  await Promise.all([bad.next(), good.next()])
  bad.socket.send('x'.repeat(1 << 20))
  await bad.closed
  current.offer(releaseState({ serial: 32 }))
  t.match(state(await good.next()), { serial: 32 })
  t.equal((await get('/__spa/version')).status, 200)
})

t.test('a foreign Origin gets 403, an own one or none is let in', async t => {
  const { server, tab } = await setUp(t)
  for (const headers of [
    { Origin: 'https://evil.example' },
    { Origin: 'null' },
    { Origin: 'https://evil.example', 'X-Forwarded-Host': 'shop.example, evil.example' },
  ]) {
    await t.rejects(tab('', [subprotocol], headers).opened, { message: /403/ })
  }
  t.equal(server.tabs.counters.refusedOrigin, 3)
  await tab('', [subprotocol], { Origin: 'https://shop.example' }).opened
  await tab('', [subprotocol], { Origin: 'https://x.y', 'X-Forwarded-Host': 'x.y, inner' }).opened
  await tab().opened
  t.equal(server.tabs.count().tabs, 3)
})

t.test('a tab that comes while memory is short is told 1013, and those that are open stay', async t => {
  let isShort = false
  const { server, tab } = await setUp(t, { isShortOfMemory: () => isShort })
  await tab().opened
  isShort = true
  t.equal((await tab().closed).code, 1013)
  t.equal(server.tabs.count().tabs, 1)
})

t.test('one tab too many is let in and told 1013, and a place that is free again can be taken', async t => {
  const { server, tab } = await setUp(t, { maxTabs: 2 })
  const [first, second] = [tab(), tab('', [])]
  await Promise.all([first.opened, second.opened])
  t.equal((await tab().closed).code, 1013)
  t.same(server.tabs.count(), { tabs: 2, streams: 0, original: 1 })
  first.socket.close()
  await first.closed
  const third = tab()
  await third.opened
  await third.pong()
  t.equal(server.tabs.count().tabs, 2)
  t.equal(server.tabs.counters.closedFull, 1)
})

t.test(
  'more handshakes at once than are taken a second are told to come back, and take no tab’s place',
  async t => {
    let now = performance.now()
    t.intercept(performance, 'now', { value: () => now })
    const { server, tab, get } = await setUp(t, { maxHandshakes: 3 })
    const tabs = [tab(), tab('', []), tab(), tab(), tab()]
    const opened = await Promise.allSettled(tabs.map(({ opened }) => opened))
    t.same(
      opened.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'rejected'],
    )
    t.match(opened[3], { reason: { message: /503/ } })
    const headers = { Host: 'shop.example', Accept: 'text/event-stream' }
    t.match(await get('/__spa/events', 'GET', headers), { status: 503, headers: { 'retry-after': '1' } })
    t.equal((await get('/__spa/events', 'HEAD', headers)).status, 200, 'who only asks is no tab')
    t.equal((await get('/__spa/client.js')).status, 200)
    t.match(server.tabs.counters, { opened: 3, refusedRate: 3, closedFull: 0 })
    t.equal(server.tabs.count().tabs, 3)
    now += 334
    const late = tab()
    await late.opened
    await late.pong()
    await t.rejects(tab().opened, { message: /503/ })
    t.equal(server.tabs.count().tabs, 4, 'a little later there is room again')
  },
)

t.test('a foreign page uses up no handshakes', async t => {
  const now = performance.now()
  t.intercept(performance, 'now', { value: () => now })
  const { tab } = await setUp(t, { maxHandshakes: 1 })
  for (let n = 0; n < 3; n++)
    await t.rejects(tab('', [subprotocol], { Origin: 'https://evil.example' }).opened, { message: /403/ })
  await tab().opened
})

t.test('tabs are counted by page version until they leave', async t => {
  const { server, tab } = await setUp(t)
  const [first, second, third] = [tab('?v=web-6c487dcc49'), tab('?v=web-6c487dcc49'), tab('?v=%22')]
  await Promise.all([first, second, third].map(({ opened }) => opened))
  t.same(new Map(server.tabs.pages()), new Map([['other', 1], ['web-6c487dcc49', 2]])) // prettier-ignore
  first.socket.terminate()
  second.socket.terminate()
  while (server.tabs.count().tabs > 1) await third.pong()
  t.same(server.tabs.pages(), [['other', 1]])
})

t.test('the spread grows with the tabs of this pod, clients of the original left out', async t => {
  const { current, tab } = await setUp(t)
  const tabs = [tab(), tab(), tab(), tab('', [])]
  await Promise.all(tabs.map(({ opened }) => opened))
  current.offer(releaseState())
  t.equal(state(await tabs[0]!.next()).spread_ms, 15)
})

t.test('heartbeats come to our clients, not to those of the original', async t => {
  const { tab } = await setUp(t, { heartbeatMs: 20 })
  const [ours, original] = [tab(), tab('', [])]
  await original.opened
  t.same(parseMessage(await ours.next()), heartbeat)
  await ours.next()
  await original.pong()
  t.same(original.frames, [])
})

t.test('a tab that has reached its age is closed with 4001, a young one is not', async t => {
  let now = performance.now()
  t.intercept(performance, 'now', { value: () => now })
  const { server, tab } = await setUp(t, { maxAgeMs: 400 })
  const old = tab()
  await old.opened
  now += 200
  const young = tab()
  await young.opened
  now += 241 // each has 360 to 440
  t.equal((await old.closed).code, 4001)
  await young.pong()
  t.equal(server.tabs.count().tabs, 1)
  now += 200
  t.equal((await young.closed).code, 4001)
  t.equal(server.tabs.counters.closedMaxAge, 2)
})

t.test('draining closes every tab with 1012 and its delay, and each that comes later', async t => {
  const { server, current, tab, get } = await setUp(t)
  current.offer(releaseState())
  const tabs = [tab(), tab(), tab('', [])]
  await Promise.all(tabs.map(({ opened }) => opened))
  await server.drain()
  t.equal(server.tabs.count().tabs, 0)
  for (const { closed } of tabs) t.match(await closed, { code: 1012, reason: '{"d":200}' })
  const late = tab()
  t.match(await late.closed, { code: 1012, reason: '{"d":500}' })
  t.same(late.frames, [], 'a pod that ends may not know the newest state any more')
  t.equal((await get('/__spa/version')).status, 200)
  t.equal(server.tabs.counters.closedDraining, 4)
})

t.test(
  'those that are open now can be sent elsewhere, but for clients of the original, and others may come',
  async t => {
    const { server, tab } = await setUp(t)
    const [first, original, second] = [tab(), tab('', []), tab()]
    await Promise.all([first.opened, original.opened, second.opened])
    await server.move()
    for (const { closed } of [first, second]) t.match(await closed, { code: 1012, reason: '{"d":200}' })
    const other = tab()
    await other.opened
    await Promise.all([original.pong(), other.pong()])
    t.match(server.tabs.count(), { tabs: 2, original: 1 }, 'one of the original would not come back')
    t.equal(server.tabs.counters.closedSwitched, 2)
  },
)

t.test('more than 1,000 tabs are closed batch by batch', async t => {
  const { server, tab } = await setUp(t, { maxTabs: 2_000 })
  const tabs: ReturnType<typeof tab>[] = []
  while (tabs.length < 1_050) {
    const some = Array.from({ length: 150 }, () => tab()) // the socket's backlog is 512
    await Promise.all(some.map(({ opened }) => opened))
    tabs.push(...some)
  }
  const drained = server.drain()
  t.equal(server.tabs.count().tabs, 950, 'the first batch')
  await drained
  for (const { closed } of tabs) {
    const { code, reason } = await closed
    if (code !== 1012 || reason !== '{"d":500}') t.fail(`${code} ${reason}`)
  }
})

t.test('the state can be asked for without a WebSocket', async t => {
  const { current, get } = await setUp(t)
  current.offer(releaseState())
  const { status, headers, body } = await get('/__spa/version?x=1')
  t.match([status, headers], [200, { 'content-type': 'application/json', 'cache-control': 'no-store' }])
  t.match(state(body), { serial: 31, spread_ms: 0 })
})

t.test('the script is revalidated by its ETag, and no page waits for that', async t => {
  const { get } = await setUp(t)
  const whole = await get('/__spa/client.js')
  const caching = { 'cache-control': 'max-age=0, stale-while-revalidate=2592000' }
  t.match(whole, { status: 200, body: clientScript, headers: caching })
  t.equal(whole.headers['content-type'], 'text/javascript; charset=utf-8')
  t.equal(whole.headers['content-length'], `${Buffer.byteLength(clientScript)}`)
  const etag = whole.headers.etag!
  t.match(etag, /^"[\w-]+"$/)
  for (const value of [etag, `W/${etag}`, `"a", ${etag}`, '*']) {
    const { status, body, headers } = await get('/__spa/client.js', 'GET', { 'If-None-Match': value })
    t.match({ status, body, headers }, { status: 304, body: '', headers: { ...caching, etag } })
  }
  t.equal((await get('/__spa/client.js', 'GET', { 'If-None-Match': '"a"' })).status, 200)
})

t.test('HEAD is answered without a body, and other methods with 405', async t => {
  const { current, get } = await setUp(t)
  current.offer(releaseState())
  for (const path of ['/__spa/client.js', '/__spa/version']) {
    const { headers } = await get(path)
    const head = await get(path, 'HEAD')
    t.match(head, { status: 200, body: '' })
    t.equal(head.headers['content-length'], headers['content-length'])
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND']) {
      t.match(await get(path, method), { status: 405, headers: { allow: 'GET, HEAD' } }, `${method} ${path}`)
    }
  }
})

t.test('what is not there is 404, and a plain request to the WebSocket 426', async t => {
  const { get, socketPath } = await setUp(t)
  for (const path of [
    '/',
    '/__spa/',
    '/__spa',
    '/__spa/nothing',
    '/__spa/version/',
    '/__SPA/version',
    '/ws',
  ]) {
    const { status, headers, body } = await get(path)
    t.match([status, headers['cache-control']], [404, 'no-store'], path)
    t.type(JSON.parse(body).error, 'string')
  }
  t.match(await get('/__spa/ws'), { status: 426, headers: { upgrade: 'websocket' } })
  const handshake = {
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
  }
  const old = await fetchUnix(socketPath, '/__spa/ws', 'GET', { ...handshake, 'Sec-WebSocket-Version': '8' })
  t.match(old, { status: 426, headers: { 'sec-websocket-version': '13' } })
})

t.test('clients that break off or speak nonsense harm nobody', async t => {
  const { current, socketPath, get, tab } = await setUp(t)
  current.offer(releaseState())
  const good = tab()
  await good.next()
  for (const text of [
    '\0\0\0',
    'HEAD /__spa/client.js HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET /__spa/ws HTTP/1.1\r\nHo',
  ]) {
    await new Promise<void>(resolve => {
      const socket = connect(socketPath, () => socket.end(text, () => socket.destroy()))
      socket.on('error', () => {}).on('close', () => resolve())
    })
  }
  t.equal((await get('/__spa/version')).status, 200)
  await good.pong()
})

t.test('a stale socket file is replaced, and a path that cannot be listened on is an error', async t => {
  const socketPath = join(runDir(t), 'stale.sock')
  writeFileSync(socketPath, '')
  const { server } = await setUp(t, { listen: socketPath })
  t.equal((await fetchUnix(socketPath, '/__spa/client.js', 'GET', {})).status, 200)
  t.equal(server.isOpen(), true)
  for (const wrong of ['/nowhere/at/all.sock', `/tmp/${'x'.repeat(200)}.sock`]) {
    const current = createCurrent('web', () => {})
    const limits = { maxTabs: 1, maxHandshakes: 1, heartbeatMs: 1_000, maxAgeMs: 1_000 }
    const unopened = createVersionServer({
      listen: wrong,
      current,
      clientScript: '',
      expose: 'id',
      log: () => {},
      ...limits,
    })
    await t.rejects(unopened.open(), { message: new RegExp(wrong) })
    t.equal(unopened.isOpen(), false)
  }
})
