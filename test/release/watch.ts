import t from 'tap'
import type { Test } from 'tap'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Fields } from '../../protocol/log.ts'
import { createApi } from '../../release/api.ts'
import { watchResource } from '../../release/watch.ts'
import type { Change, WatchOptions } from '../../release/watch.ts'
import { createQueue, json, kubeConfig, noConnections, serveByHand } from './server.ts'
import type { Exchange } from './server.ts'

interface Thing {
  name: string
  version: string
}

t.test('lists in pages, then watches from there: objects follow the events', async t => {
  const { server, watch, changes, end } = await start(t, { labelSelector: 'a=b' })
  const first = await server.next()
  t.match(asked(first), { labelSelector: 'a=b', limit: '500' })
  t.notOk(first.url.searchParams.has('resourceVersion'), 'the newest, not what some cache holds')
  json(first.res, 200, list('10', [thing('one', 1)], 'more'))
  const second = await server.next()
  t.match(asked(second), { labelSelector: 'a=b', limit: '500', continue: 'more' })
  t.equal(watch.objects.size, 0, 'half a list is not shown')
  json(second.res, 200, list('10', [thing('two', 2)]))
  await watch.synced
  t.strictSame([...watch.objects.keys()], ['shop/one', 'shop/two'])

  const { url, res } = await server.next()
  const { timeoutSeconds, ...query } = Object.fromEntries(url.searchParams)
  t.strictSame(query, {
    watch: 'true',
    labelSelector: 'a=b',
    resourceVersion: '10',
    allowWatchBookmarks: 'true',
  })
  t.ok(Number(timeoutSeconds) >= 1800 && Number(timeoutSeconds) <= 3600)
  res.write(event('ADDED', thing('three', 11)) + event('MODIFIED', thing('one', 12)))
  res.write(event('DELETED', thing('two', 13)))
  const seen = [
    await changes.next(),
    await changes.next(),
    await changes.next(),
    await changes.next(),
    await changes.next(),
  ]
  t.strictSame(
    seen.map(({ type, key, object }) => [type, key, object.version]),
    [
      ['upsert', 'shop/one', '1'],
      ['upsert', 'shop/two', '2'],
      ['upsert', 'shop/three', '11'],
      ['upsert', 'shop/one', '12'],
      ['delete', 'shop/two', '13'],
    ],
  )
  t.strictSame(versions(watch), { 'shop/one': '12', 'shop/three': '11' })
  await end()
})

t.test(
  'a connection cut in the middle of a line loses nothing: the watch goes on from the last whole event',
  async t => {
    const { server, watch, changes, end } = await start(t)
    const { res } = await listed(server, [thing('one', 1)])
    await changes.next()
    const line = Buffer.from(event('MODIFIED', thing('one', 11, 'ü')))
    const half = line.indexOf('ü') + 1 // inside the letter
    res.write(line.subarray(0, half))
    await new Promise(resolve => setTimeout(resolve, 10)) // so that it travels by itself
    res.write(line.subarray(half))
    t.equal((await changes.next()).object.version, '11')
    res.write(event('ADDED', thing('two', 12)).slice(0, 40), () => res.destroy())
    const again = await server.next()
    t.equal(asked(again).resourceVersion, '11')
    again.res.write(event('ADDED', thing('two', 12)))
    t.equal((await changes.next()).key, 'shop/two')
    t.strictSame(versions(watch), { 'shop/one': '11', 'shop/two': '12' })
    await end()
  },
)

t.test('where it shall list anew, the watch ends after that time and everything is listed', async t => {
  const { server, watch, logged, end } = await start(t, { relistMs: 20_000 })
  const watching = await listed(server, [thing('one', 1), thing('two', 2)])
  t.equal(asked(watching).timeoutSeconds, '20')
  watching.res.end(event('BOOKMARK', { metadata: { resourceVersion: '11' } }))
  await listed(server, [thing('one', 3)])
  t.strictSame(versions(watch), { 'shop/one': '3' })
  await end()
  t.equal(logged.size(), 0, 'nothing worth a line')
})

t.test('a server that ends each watch at once is not asked for everything again and again', async t => {
  const { server, logged, end } = await start(t, { relistMs: 20_000 })
  ;(await listed(server, [thing('one', 1)])).res.end()
  for (const delay of [1, 2, 4]) {
    t.match(await logged.next(), { why: 'ended by the server', delay_ms: delay, list: false })
    const watching = await server.next()
    t.equal(asked(watching).resourceVersion, '10')
    watching.res.end()
  }
  await end()
})

t.test('whoever wants to know hears when it stops working and when it works again', async t => {
  const troubles: (string | undefined)[] = []
  const { server, changes, end } = await start(t, { onTrouble: trouble => void troubles.push(trouble) })
  for (const message of ['no', 'no', 'never']) json((await server.next()).res, 403, { message })
  const { res } = await listed(server, [])
  t.strictSame(troubles, ['403: no', '403: never'])
  res.write(event('ADDED', thing('one', 11)))
  await changes.next()
  t.strictSame(troubles, ['403: no', '403: never', undefined])
  await end()
})

t.test('a bookmark moves the version from which the watch goes on', async t => {
  const { server, logged, end } = await start(t)
  const { res } = await listed(server, [])
  res.end(event('BOOKMARK', { metadata: { resourceVersion: '500' } }))
  t.match(await logged.next(), { why: 'ended by the server', delay_ms: 0, list: false })
  t.equal(asked(await server.next()).resourceVersion, '500')
  await end()
})

for (const [how, expire] of Object.entries({
  'as a status': ({ res }: Exchange) => json(res, 410, { kind: 'Status', code: 410, message: 'too old' }),
  'as an event': ({ res }: Exchange) =>
    res.end(event('ERROR', { kind: 'Status', code: 410, message: 'too old' })),
})) {
  t.test(`410 ${how}: lists again, and what has vanished meanwhile is deleted`, async t => {
    const { server, watch, changes, logged, end } = await start(t)
    const first = await listed(server, [thing('one', 1), thing('two', 2)])
    await changes.next()
    await changes.next()
    expire(first)
    t.match(await logged.next(), { why: '410: too old', list: true })
    await listed(server, [thing('two', 20), thing('three', 21)], '30')
    const seen = [await changes.next(), await changes.next(), await changes.next()]
    t.strictSame(
      seen.map(change => `${change.type} ${change.key}`),
      ['delete shop/one', 'upsert shop/two', 'upsert shop/three'],
    )
    t.strictSame(versions(watch), { 'shop/two': '20', 'shop/three': '21' })
    await end()
  })
}

t.test('Retry-After is waited for, in a header or in a Status', async t => {
  const { server, logged, end } = await start(t, { random: () => 0 })
  const { res } = await listed(server, [])
  res.end(event('ERROR', { code: 503, message: 'busy', details: { retryAfterSeconds: 1 } }))
  t.match(await logged.next(), { why: '503: busy', delay_ms: 1000, list: false })
  const watching = await server.next()
  t.equal(asked(watching).resourceVersion, '10', 'and the version is kept')
  json(watching.res, 429, { message: 'too many requests' }, { 'Retry-After': '3600' })
  t.match(await logged.next(), { why: '429: too many requests', delay_ms: 600_000 }, 'but not for ever')
  await end()
})

t.test('403 is tried again, from the same version: RBAC may come later than the pod', async t => {
  const { server, logged, end } = await start(t)
  json((await server.next()).res, 403, { message: 'forbidden' })
  t.match(await logged.next(), { why: '403: forbidden' })
  const watching = await listed(server, [])
  watching.res.destroy()
  json((await server.next()).res, 403, { message: 'forbidden' })
  t.equal(asked(await server.next()).resourceVersion, '10')
  await end()
})

t.test('the delay doubles from failure to failure, and one event resets it', async t => {
  const { server, logged, end } = await start(t)
  for (const delay of [1, 2, 4, 8]) {
    ;(await server.next()).res.destroy()
    t.equal((await logged.next()).delay_ms, delay)
  }
  const watching = await listed(server, [])
  watching.res.end()
  t.equal((await logged.next()).delay_ms, 16, 'a watch that ends at once is no success')
  ;(await server.next()).res.end(event('ADDED', thing('one', 11)))
  t.equal((await logged.next()).delay_ms, 0)
  json((await server.next()).res, 500, {})
  t.match(await logged.next(), { delay_ms: 1, list: true })
  await end()
})

t.test('a server that has gone silent is left', async t => {
  const { server, changes, logged, end } = await start(t, { silenceMs: 100 })
  const { res } = await listed(server, [])
  res.write(event('ADDED', thing('one', 11)))
  await changes.next()
  t.match(await logged.next(), { why: 'silent for 100 ms', list: false })
  t.equal(asked(await server.next()).resourceVersion, '11')
  await end()
})

t.test('anything that comes keeps a watch alive', async t => {
  const { server, changes, logged, end } = await start(t, { silenceMs: 2_500 })
  const { res } = await listed(server, [])
  for (let version = 11; version < 20; version++) {
    await new Promise(resolve => setTimeout(resolve, 350)) // 2.8 s between the first and the last, each far below the limit
    res.write(event('BOOKMARK', { metadata: { resourceVersion: String(version) } }))
  }
  res.write(event('ADDED', thing('one', 20)))
  await changes.next()
  res.end()
  t.match(await logged.next(), { why: 'ended by the server' })
  await end()
})

t.test('a restart of the API server is survived without losing a change', async t => {
  const { server, watch, changes, logged, end } = await start(t)
  await listed(server, [thing('one', 1)])
  await changes.next()
  await server.close()
  t.match(await logged.next(), { list: false })
  t.match(await logged.next(), { why: /ECONNREFUSED/, list: false })
  const restarted = await serveByHand(server.port)
  const { url, res } = await restarted.next()
  t.equal(url.searchParams.get('resourceVersion'), '10')
  res.write(event('MODIFIED', thing('one', 11)))
  t.equal((await changes.next()).object.version, '11')
  t.strictSame(versions(watch), { 'shop/one': '11' })
  await end()
  await noConnections(restarted)
  await restarted.close()
})

t.test('a rotated token is read when the old one is refused', async t => {
  const tokenFile = join(t.testdir({ token: 'old' }), 'token')
  const { server, logged, end } = await start(t, {}, tokenFile)
  const watching = await listed(server, [])
  writeFileSync(tokenFile, 'new')
  watching.res.end(event('BOOKMARK', { metadata: { resourceVersion: '12' } }))
  const stale = await server.next()
  t.equal(stale.req.headers.authorization, 'Bearer old')
  json(stale.res, 401, { message: 'Unauthorized' })
  const fresh = await server.next()
  t.equal(fresh.req.headers.authorization, 'Bearer new')
  t.equal(asked(fresh).resourceVersion, '12')
  t.match(await logged.next(), { why: 'ended by the server' }, 'the refusal in between is no failure')
  await end()
})

t.test('a handler or a parser that throws does not stop the watch', async t => {
  let calls = 0
  const { server, watch, logged, end } = await start(t, {
    parse(raw) {
      const parsed = parse(raw)
      if (parsed?.name === 'odd') throw new Error('cannot parse')
      return parsed
    },
    onChange() {
      if (++calls === 1) throw new Error('cannot handle')
    },
  })
  const { res } = await listed(server, [thing('odd', 1), thing('one', 2)])
  t.match(await logged.next(), { message: 'object not understood', key: 'shop/odd', reason: 'cannot parse' })
  t.match(await logged.next(), { message: 'change handler failed', key: 'shop/one', reason: 'cannot handle' })
  res.end(event('ADDED', thing('two', 11)) + 'this is no JSON\n')
  t.match(await logged.next(), { message: 'watch ended', why: /JSON/, list: false })
  t.strictSame(versions(watch), { 'shop/one': '2', 'shop/two': '11' })
  await end()
})

t.test('an object that the parser no longer wants is deleted', async t => {
  const { server, watch, changes, end } = await start(t, {
    parse: raw => (JSON.stringify(raw).includes('unwanted') ? undefined : parse(raw)),
  })
  const { res } = await listed(server, [thing('one', 1)])
  await changes.next()
  res.write(event('MODIFIED', thing('one', 11, 'unwanted')))
  t.match(await changes.next(), { type: 'delete', key: 'shop/one', object: { version: '1' } })
  t.equal(watch.objects.size, 0)
  await end()
})

t.test('an answer that is no list is tried again', async t => {
  const { server, logged, end } = await start(t)
  json((await server.next()).res, 200, { kind: 'APIVersions' })
  t.match(await logged.next(), { why: 'the answer is not a list', list: true })
  await listed(server, [])
  await end()
})

t.test('close() in the middle of a listing, a watch or a delay leaves nothing behind', async t => {
  const listing = await start(t)
  await listing.server.next()
  const rejected = t.rejects(listing.watch.synced, /closed before/)
  await listing.end()
  await rejected

  const delayed = await start(t, { backoffMs: 60_000 })
  ;(await delayed.server.next()).res.destroy()
  t.equal((await delayed.logged.next()).delay_ms, 15_000)
  await delayed.end()

  const watching = await start(t)
  const { res } = await listed(watching.server, [])
  res.write(event('ADDED', thing('one', 11)))
  await watching.changes.next()
  await watching.watch.close()
  await noConnections(watching.server) // though the client is still open
  await watching.end()
})

async function start(t: Test, options: Partial<WatchOptions<Thing>> = {}, tokenFile?: string) {
  const server = await serveByHand()
  const api = createApi(() => kubeConfig(server.url, tokenFile ? { tokenFile } : {}))
  const changes = createQueue<Change<Thing>>()
  const logged = createQueue<Fields>()
  const log = (message: string, fields?: Fields) => logged.push({ message, ...fields })
  const path = '/api/v1/things'
  const defaults = { parse, onChange: changes.push, log, backoffMs: 1, random: () => 1 }
  const watch = watchResource<Thing>({ api, path, ...defaults, ...options })
  return { server, watch, changes, logged, end }

  async function end() {
    await watch.close()
    api.close()
    await noConnections(server)
    await server.close()
    t.pass('nothing is left')
  }
}

/** Answers the listing and returns the watch that follows it. */
async function listed(server: { next(): Promise<Exchange> }, items: unknown[], version = '10') {
  const { url, res } = await server.next()
  if (url.searchParams.has('watch')) throw new Error('a watch came instead of a listing')
  json(res, 200, list(version, items))
  return server.next()
}

function list(resourceVersion: string, items: unknown[], more?: string) {
  return { kind: 'ThingList', metadata: { resourceVersion, ...(more && { continue: more }) }, items }
}

function thing(name: string, version: number, note = '') {
  return { metadata: { namespace: 'shop', name, resourceVersion: String(version) }, note }
}

function event(type: string, object: unknown): string {
  return `${JSON.stringify({ type, object })}\n`
}

function asked({ url }: Exchange): Record<string, string> {
  return Object.fromEntries(url.searchParams)
}

function parse(raw: unknown): Thing | undefined {
  const { metadata } = raw as ReturnType<typeof thing>
  return { name: metadata.name, version: metadata.resourceVersion }
}

function versions({ objects }: { objects: ReadonlyMap<string, Thing> }): Record<string, string> {
  return Object.fromEntries([...objects].map(([key, { version }]) => [key, version]))
}
