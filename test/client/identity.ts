// Who a page says it is.

import t from 'tap'
import { pageOfAnswer, parseServerTiming, parseVersion, readPage } from '../../client/identity.ts'
import type { Env } from '../../client/env.ts'
import { a, b, serverTiming, told } from './fixtures/release.ts'
import type { Served } from './fixtures/release.ts'
import { createTab } from './fixtures/tab.ts'

t.test('a version is the Deployment and, after the last dash, the hash', async t => {
  t.same(parseVersion('web-6c487dcc49'), { name: 'web', hash: '6c487dcc49' })
  t.same(parseVersion('my-web-app-6c487dcc49'), { name: 'my-web-app', hash: '6c487dcc49' })
  t.same(parseVersion('web.v2-6c487dcc49'), { name: 'web.v2', hash: '6c487dcc49' })
  for (const text of ['', 'web', '-6c487dcc49', 'web-', 'web-6c48"7', 'Web-6c487dcc49', 'web-6c487dcc49 x'])
    t.equal(parseVersion(text), null, text)
})

t.test('a Server-Timing header is read as its grammar says', async t => {
  const page = { name: 'web', hash: 'abc1' }
  const id = 'e'.repeat(64)
  const cases: [header: string, page: object | null][] = [
    ['spa;desc="web-abc1"', page],
    ['spa;desc=web-abc1', page],
    ['spa ; dur=1 ; desc = "web-abc1" ; dur=2', page],
    ['db;dur=53, cache;desc="a, spa;desc=b-2";dur=1,spa;desc="web-abc1"', page],
    [`spa;desc="web-abc1", spa-id;desc="${id}"`, { ...page, id }],
    [`spa;desc="web-abc1", spa-id;desc="${id}0"`, page],
    [`inner;dur=1, spa;desc="inner-f00", spa-id;desc="${id}", spa;desc="web-abc1"`, page],
    [
      'spa;desc="web-abc1", spa-state;desc="t3-d3f1.31"',
      { ...page, state: { epoch: 't3-d3f1', serial: 31 } },
    ],
    [`spa;desc="web-abc1", spa-id;desc="${id}", spa-state;desc="t3-d3f1.31"`, { ...page, id }],
    ['spa;desc="web-abc1", spa-state;desc="t3-d3f1"', page],
    ['spa;desc="web-abc1", spa-state;desc="t3-d3f1.31.5"', page],
    [`spa-id;desc="${id}"`, null],
    ['spa-state;desc="t3-d3f1.31"', null],
    ['spa', null],
    ['spa;desc="', null],
    ['', null],
  ]
  for (const [header, expected] of cases) {
    const answer = new Response('', { headers: { 'server-timing': header } })
    t.same(pageOfAnswer(answer), expected, header)
  }
  t.same(parseServerTiming('a;desc="x;y,z", b;desc=c'), [
    { name: 'a', description: 'x;y,z' },
    { name: 'b', description: 'c' },
  ])
})

t.test('an answer that is not a document of the app carries no page, whatever its header says', async t => {
  for (const status of [302, 401, 404, 500, 503]) {
    const headers = { 'server-timing': serverTiming(a) }
    t.equal(pageOfAnswer(new Response('', { status, headers })), null, String(status))
  }
})

t.test('what the app gives comes before the document, and the document before its header', async t => {
  const [nameA, nameB] = [`web-${a.hash}`, `web-${b.hash}`]
  t.same(readPage(env(null, a)), a)
  t.same(readPage(env(nameA, a)), a, 'the header adds the id of the same page')
  t.same(readPage(env(nameB, a)), { name: 'web', hash: b.hash }, 'and not that of another')
  t.same(readPage(env(nameB, a), nameA), a)
  t.same(readPage(env('nonsense', a)), a)
  t.same(readPage(env(nameA, null)), { name: 'web', hash: a.hash })
  t.equal(readPage(env(null, null)), null)
})

t.test('a stamped page knows all that its header said, where scripts do not see that', async t => {
  const content = `web-${a.hash}`
  t.same(readPage(env({ content, 'data-id': a.id }, null)), a)
  const state = { epoch: 't3-d3f1', serial: 31 }
  t.same(readPage(env({ content, 'data-state': 't3-d3f1.31' }, null)), { name: 'web', hash: a.hash, state })
  t.same(readPage(env({ content, 'data-id': a.id }, null), `web-${b.hash}`), { name: 'web', hash: b.hash })
})

t.test(
  'where scripts do not see Server-Timing, the stored document says it, and the network is not asked',
  async t => {
    const tab = createTab()
    tab.serve(a)
    const performance = { getEntriesByType: () => [{}] as unknown as PerformanceEntryList }
    const page = tab.open(null, { env: { performance } })
    t.equal(page.state.page, null)
    tab.serve(b)
    await tab.clock.settle()
    t.match(tab.requests, [
      {
        url: 'https://shop.example/cart?item=1',
        init: {
          cache: 'only-if-cached',
          mode: 'same-origin',
          headers: { 'cache-control': 'only-if-cached' },
        },
      },
    ])
    t.equal(tab.requests.length, 1)
  },
)

t.test(
  'the stored document is the one that was loaded, wherever a router has moved the page since',
  async t => {
    const cases: [name: string, url: string][] = [
      ['https://shop.example/login?next=cart#form', 'https://shop.example/login?next=cart'],
      ['document', 'https://shop.example/cart?item=1'],
    ]
    for (const [name, url] of cases) {
      const tab = createTab()
      tab.document200 = asked =>
        new Response('', { headers: { 'server-timing': serverTiming(asked === url ? a : b) } })
      const performance = { getEntriesByType: () => [{ name }] as unknown as PerformanceEntryList }
      const page = tab.open(null, { env: { performance } })
      await tab.clock.settle()
      t.same(page.state.page, a, name)
    }
  },
)

/** What browsers show of a document that has the header, and may not say it to scripts. */
const empty = { getEntriesByType: () => [{ serverTiming: [] }] as unknown as PerformanceEntryList }

t.test('where scripts see an empty Server-Timing, the stored document says it too', async t => {
  const tab = createTab()
  tab.serve(a)
  const page = tab.open(null, { env: { performance: empty } })
  await tab.clock.settle()
  t.same(page.state.page, a)
})

t.test('a document that is not stored yet while it is read is asked for again when it is whole', async t => {
  const tab = createTab()
  const page = tab.open(null, { env: { performance: empty } })
  await tab.clock.settle()
  t.equal(page.state.page, null)
  tab.serve(a)
  tab.window.dispatchEvent(new Event('load'))
  await tab.clock.settle()
  t.same(page.state.page, a)
  t.equal(tab.requests.length, 2)
})

t.test(
  'until the document has come whole, the store is not asked: it may still have the last visit’s',
  async t => {
    const tab = createTab()
    tab.serve(a)
    Object.assign(tab.document, { readyState: 'loading' })
    const page = tab.open(null, { auto: true, env: { performance: empty } })
    await tab.clock.settle()
    tab.serve(b)
    tab.document.dispatchEvent(new Event('readystatechange')) // also where loading is broken off
    await tab.hear(told(b, 2, 'ready'))
    t.match(page.state, { status: 'current', page: { hash: b.hash } })
    t.same(tab.left, [])
  },
)

t.test('what is heard while the stored document is asked for is not lost', async t => {
  const tab = createTab()
  const page = tab.open(null, { env: { performance: empty } })
  await tab.clock.settle()
  let answer: (answer: Response) => void = () => {}
  tab.document200 = () => new Promise<Response>(resolve => (answer = resolve))
  tab.window.dispatchEvent(new Event('load'))
  await tab.hear(told(a, 1, 'ready'))
  answer(new Response('', { headers: { 'server-timing': serverTiming(a) } }))
  await tab.clock.settle()
  t.match(page.state, { status: 'current', target: { revision: 1 } })
})

t.test(
  'a service worker, which may ask the network for it, is not asked for the stored document',
  async t => {
    const tab = createTab()
    tab.serve(b)
    const workers = Object.assign(new EventTarget(), {
      controller: {},
      getRegistration: async () => undefined,
    })
    tab.navigator.serviceWorker = workers
    const page = tab.open(null, { env: { performance: empty } })
    await tab.clock.settle()
    t.same([page.state.page, tab.requests], [null, []])
  },
)

t.test('a page that says nothing of itself is told nothing', async t => {
  const tab = createTab()
  const page = tab.open(null, { auto: true })
  await tab.clock.settle()
  tab.serve(b)
  await tab.hear(told(b, 2, 'ready'))
  await tab.clock.advance(60_000)
  t.equal(tab.sockets[0]?.url, 'wss://shop.example/__spa/ws')
  t.match(page.state, { status: 'unknown', page: null, target: { id: b.id } })
  t.match(tab.requests, [{ init: { cache: 'only-if-cached' } }])
  t.same([tab.requests.length, page.events, tab.left], [1, [], []])
})

t.test('a browser that completes the timing with the document is asked again then', async t => {
  const tab = createTab()
  const metrics: unknown[] = []
  const performance = {
    getEntriesByType: () => [{ serverTiming: metrics }] as unknown as PerformanceEntryList,
  }
  const page = tab.open(null, { env: { performance } })
  await tab.hear(told(b, 2, 'rolling'))
  t.equal(page.state.status, 'unknown')
  metrics.push(...parseServerTiming(serverTiming(a)))
  tab.window.dispatchEvent(new Event('load'))
  t.match(page.state, { status: 'rolling', page: a, current: a.id })
})

t.test('what a page is does not change, whatever is said later', async t => {
  const tab = createTab()
  const metrics = parseServerTiming(serverTiming(a))
  const performance = {
    getEntriesByType: () => [{ serverTiming: metrics }] as unknown as PerformanceEntryList,
  }
  const page = tab.open(null, { env: { performance } })
  metrics.splice(0, 2, ...parseServerTiming(serverTiming(b)))
  tab.window.dispatchEvent(new Event('load'))
  await tab.hear(told(b, 2, 'ready'))
  t.same(page.state.page, a)
})

function env(stamp: string | Record<string, string> | null, served: Served | null): Env {
  const meta = typeof stamp === 'string' ? { content: stamp } : stamp
  const metrics = served ? parseServerTiming(serverTiming(served)) : []
  return {
    document: { querySelector: () => meta && { getAttribute: (name: string) => meta[name] ?? null } },
    performance: { getEntriesByType: () => [{ serverTiming: metrics }] },
  } as unknown as Env
}
