// What a tab makes of a rollout, whatever the order in which the parts of it arrive.

import t from 'tap'
import { createLater } from './fixtures/later.ts'
import { a, b, c, serverTiming, told } from './fixtures/release.ts'
import { createTab } from './fixtures/tab.ts'

t.test(
  'a page of the old pod that hears from a new pod is offered the update when it is ready, not before',
  async t => {
    const tab = createTab()
    const page = tab.open(a)
    tab.serve(b)
    await tab.hear(told(b, 2, 'rolling'))
    t.equal(page.state.status, 'rolling')
    t.same(tab.requests, [], 'nothing is fetched during a rollout')
    await tab.hear(told(b, 2, 'ready'))
    t.match(page.state, {
      status: 'update',
      current: a.id,
      target: { id: b.id, revision: 2 },
      rollback: false,
    })
    t.same(page.names(), ['update'])
  },
)

t.test('a page of the new pod that hears from an old pod stays silent', async t => {
  const tab = createTab()
  const page = tab.open(b)
  tab.serve(b)
  await tab.hear(told(b, 2, 'rolling'), told(b, 2, 'ready'))
  t.equal(page.state.status, 'current')
  t.same(page.events, [])
})

t.test('a page that is newer than a lagging sidecar holds', async t => {
  const tab = createTab()
  const page = tab.open(c, { auto: true })
  tab.serve(b)
  const lagging = told(b, 2, 'ready', {
    known: [
      [a.hash, a.id, 1],
      [b.hash, b.id, 2],
    ],
  })
  await tab.hear(lagging)
  t.match(page.state, { status: 'unknown', current: null })
  await tab.clock.advance(3_600_000)
  t.same([tab.documents(), tab.left, page.events], [[], [], []])
})

t.test('a state that is older than the known one changes nothing, whoever repeats it', async t => {
  const tab = createTab()
  const page = tab.open(b)
  tab.serve(a)
  await tab.hear(told(b, 2, 'ready'), told(a, 1, 'ready'), told(b, 2, 'rolling'))
  t.equal(page.state.status, 'current')
  t.same(page.events, [])
})

t.test('a reload by hand during a rollout costs nothing: the offer still comes', async t => {
  const tab = createTab()
  const first = tab.open(a, { auto: true })
  await tab.hear(told(b, 2, 'rolling'))
  t.equal(await first.reload(), true)
  first.stop()
  const second = tab.open(a, { auto: true })
  tab.serve(b)
  await tab.hear(told(b, 2, 'ready'))
  t.same(second.names(), ['update'])
  t.same(tab.left, ['reload', 'reload'], 'by hand, then by itself')
})

t.test(
  'while a cache on the way keeps the old document there is no offer; it comes when the cache is through',
  async t => {
    const tab = createTab()
    const page = tab.open(a, { auto: true })
    tab.serve(a)
    await tab.hear(told(b, 2, 'ready'))
    t.equal(page.state.status, 'rolling')
    t.equal(tab.requests.length, 1)
    for (const ms of [7_000, 5_000, 30_000, 120_000, 600_000, 600_000]) await tab.clock.advance(ms)
    t.equal(tab.documents().length, 9, 'after 1, 2 and 4 s, after 5 s, 30 s, 2 min and then every 10 min')
    t.same([page.names(), tab.left], [['stuck'], []])
    t.equal(page.state.status, 'stuck')
    tab.serve(b)
    await tab.clock.advance(600_000)
    t.same(page.names(), ['stuck', 'update'])
    t.same(tab.left, ['reload'])
  },
)

t.test(
  'an edge that serves the new document once and then the old one again costs one reload at once, not a loop',
  async t => {
    const tab = createTab()
    for (let load = 0; load < 5; load += 1) {
      const page = tab.open(a, { auto: true })
      tab.serve(b)
      await tab.hear(told(b, 2, 'ready'))
      t.equal(page.state.status, 'update')
      page.stop()
    }
    t.same(tab.left, ['reload'])
  },
)

t.test('a rollback to the page that is open withdraws the offer at once', async t => {
  const tab = createTab()
  const page = tab.open(a)
  tab.serve(b)
  await tab.hear(told(b, 2, 'ready'))
  await tab.hear(told(a, 3, 'rolling', { why: 'rollback' }))
  t.same(page.names(), ['update', 'withdrawn'])
  t.equal(page.state.status, 'rolling')
  await tab.hear(told(a, 3, 'ready', { why: 'rollback' }))
  t.equal(page.state.status, 'current')
  t.same(page.names(), ['update', 'withdrawn'])
})

t.test('a page of the version that was rolled back is offered the way back', async t => {
  const tab = createTab()
  const page = tab.open(b)
  tab.serve(a)
  await tab.hear(told(a, 3, 'ready', { why: 'rollback' }))
  t.match(page.state, { status: 'update', rollback: true, target: { id: a.id, revision: 3 } })
})

t.test('a rollback ends a verification that is under way', async t => {
  const tab = createTab()
  const page = tab.open(a)
  const later = createLater<Response>()
  tab.document200 = later.ask
  await tab.hear(told(b, 2, 'ready'))
  await tab.hear(told(a, 3, 'ready'))
  t.equal(tab.requests[0]?.init.signal?.aborted, true)
  later.give(new Response('', { headers: { 'server-timing': serverTiming(b) } }))
  await tab.clock.advance(3_600_000)
  t.same(page.events, [])
  t.equal(tab.documents().length, 1)
})

t.test(
  'the next rollout takes the place of an offer that was not taken, also when its beginning was missed',
  async t => {
    const tab = createTab()
    const page = tab.open(a)
    tab.serve(b)
    await tab.hear(told(b, 2, 'ready'))
    tab.serve(c)
    await tab.hear(told(c, 3, 'ready'))
    t.same(page.names(), ['update', 'withdrawn', 'update'])
    t.match(page.state.target, { id: c.id, revision: 3 })
  },
)

t.test('scaling while an offer stands leaves it alone', async t => {
  const tab = createTab()
  const page = tab.open(a)
  tab.serve(b)
  await tab.hear(told(b, 2, 'ready'))
  await tab.hear(told(b, 2, 'ready', { serial: 99, live: [{ id: b.id, pods: 9 }] }))
  t.same(page.names(), ['update'])
  t.equal(tab.requests.length, 1)
})

t.test('a tab that slept through a rollout knows as soon as it wakes', async t => {
  const tab = createTab()
  const page = tab.open(a)
  await tab.hear(told(a, 1, 'ready'))
  tab.navigator.onLine = false
  tab.socket().end()
  await tab.clock.advance(60_000)
  t.equal(tab.sockets.length, 1, 'nothing is dialled at once while offline')
  tab.serve(b)
  tab.navigator.onLine = true
  tab.window.dispatchEvent(new Event('online'))
  await tab.clock.advance(1_000)
  t.equal(tab.sockets.length, 2)
  await tab.hear(told(b, 2, 'ready'))
  t.same(page.names(), ['update'])
})

t.test('a tab that was offline when it looked looks again when it is online', async t => {
  const tab = createTab()
  const page = tab.open(a)
  await tab.hear(told(b, 2, 'ready'))
  t.equal(page.state.status, 'rolling', 'the fetch failed')
  tab.serve(b)
  tab.window.dispatchEvent(new Event('online'))
  await tab.clock.advance(1_000)
  t.equal(page.state.status, 'update')
})

t.test('a page without any socket learns of it by check()', async t => {
  const tab = createTab()
  const page = tab.open(a, { env: { WebSocket: undefined, EventSource: undefined } })
  await tab.clock.settle()
  t.equal(page.state.connection, 'closed')
  tab.version = () => Response.json(told(b, 2, 'ready', { spreadMs: 30_000 }))
  tab.serve(b)
  t.equal(await page.check(), true)
  t.equal(page.state.status, 'update')
  t.same(
    tab.requests.slice(-2).map(({ url }) => url),
    [`https://shop.example/__spa/version?v=web-${a.hash}`, 'https://shop.example/cart'],
  )
})

t.test('a Deployment that was deleted and made again begins a later epoch, at revision 1', async t => {
  const tab = createTab()
  const page = tab.open(a)
  tab.serve(b)
  const known = [[b.hash, b.id, 1] as const]
  await tab.hear(told(a, 7, 'ready'), told(b, 1, 'ready', { epoch: 't4aaaa-11112222', serial: 1, known }))
  t.same(page.names(), ['update'], 'though it has never heard of the page')
  await tab.hear(told(a, 8, 'ready'))
  t.equal(page.state.status, 'update', 'what the old one still says counts no more')
})

t.test('another Deployment behind the same origin is believed over the present connection', async t => {
  const tab = createTab()
  const green = { name: 'green', hash: 'd4c3b2a1', id: 'd'.repeat(64) }
  const page = tab.open(a)
  tab.serve(green)
  await tab.hear(told(a, 7, 'ready'))
  const known = [green, a].map(({ hash, id }) => [hash, id, 1] as const)
  await tab.hear(told(green, 1, 'ready', { epoch: 't0aaaa-11112222', known }))
  t.match(page.state, { status: 'update', current: a.id, target: { id: green.id } })
  t.same(page.names(), ['update'])
})

t.test('a page of a new canary holds before a sidecar of the other Deployment that lags', async t => {
  const tab = createTab()
  const canary = { name: 'canary', hash: 'd4c3b2a1', id: 'd'.repeat(64) }
  const page = tab.open(canary)
  tab.serve(a)
  await tab.hear(told(canary, 1, 'ready', { known: [[canary.hash, canary.id, 1]] }))
  t.equal(page.state.status, 'current')
  await tab.hear(told(a, 7, 'ready'))
  t.match(page.state, { status: 'unknown', current: null }, 'both are live, but this one has not heard of it')
  t.same([page.events, tab.requests], [[], []])
})

t.test('a page that no state has ever known holds, also before another Deployment', async t => {
  const tab = createTab()
  const green = { name: 'green', hash: 'd4c3b2a1', id: 'd'.repeat(64) }
  const page = tab.open(a, { auto: true })
  tab.serve(green)
  await tab.hear(told(green, 1, 'ready', { known: [[green.hash, green.id, 1]] }))
  t.match(page.state, { status: 'unknown', current: null })
  t.same([page.events, tab.requests], [[], []])
})

t.test(
  'what /__spa/version says of another Deployment counts only where no socket says otherwise',
  async t => {
    const tab = createTab()
    const page = tab.open(a)
    const served = { name: 'green', hash: 'd4c3b2a1', id: 'd'.repeat(64) }
    const known = [served, a].map(({ hash, id }) => [hash, id, 1] as const)
    const green = told(served, 1, 'ready', { known })
    tab.version = () => Response.json(green)
    await tab.hear(told(a, 7, 'ready'))
    await page.check()
    t.equal(page.state.status, 'current')
    tab.navigator.onLine = false
    tab.socket().end()
    await page.check()
    t.match(page.state, { status: 'rolling', current: a.id, target: { id: green.sha256 } }, 'not served yet')
  },
)

t.test('a page that comes back from the back/forward cache dials again and is told', async t => {
  const tab = createTab()
  const page = tab.open(a)
  await tab.hear(told(a, 1, 'ready'))
  tab.window.dispatchEvent(new Event('pagehide'))
  t.equal(tab.socket().isClosed, true)
  t.same(tab.clock.armed(), [], 'nothing is left that could keep it from the cache')
  tab.serve(b)
  tab.window.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }))
  await tab.clock.advance(1_000)
  t.equal(tab.sockets.length, 2)
  await tab.hear(told(b, 2, 'ready'))
  t.match(page.state, { status: 'update', current: a.id })
})

t.test(
  'a duplicated tab has its own page, and no automatic reload that was spent before it was duplicated',
  async t => {
    const tab = createTab()
    tab.open(a, { auto: true })
    tab.serve(b)
    await tab.hear(told(b, 2, 'ready'))
    t.same(tab.left, ['reload'])
    const duplicate = createTab(new Map(tab.stored))
    const page = duplicate.open(a, { auto: true })
    duplicate.serve(b)
    await duplicate.hear(told(b, 2, 'ready'))
    t.equal(page.state.status, 'update')
    t.same(duplicate.left, [])
    await duplicate.clock.advance(3_600_000)
    t.same(duplicate.left, ['reload'], 'but the one for whom that was in vain')
  },
)

t.test('nobody is disturbed while his version is live beside the target', async t => {
  const tab = createTab()
  const page = tab.open(a)
  tab.serve(b)
  const live = [
    { id: b.id, pods: 1 },
    { id: a.id, pods: 9 },
  ]
  await tab.hear(told(b, 2, 'ready', { live }))
  t.equal(page.state.status, 'current')
  await tab.hear(told(b, 2, 'ready', { serial: 22 }))
  t.same(page.names(), ['update'])
})

t.test('a restart of the same bytes is silent', async t => {
  const tab = createTab()
  const page = tab.open(a)
  const hash = '99887766'
  const known = [[a.hash, a.id, 1] as const, [hash, a.id, 2] as const]
  await tab.hear(told({ ...a, hash }, 2, 'ready', { known, why: 'restart' }))
  t.equal(page.state.status, 'current')
  t.same(page.events, [])
})

t.test('a large fleet looks after a random part of the spread', async t => {
  const tab = createTab()
  tab.open(a)
  tab.serve(b)
  await tab.hear(told(b, 2, 'ready', { spreadMs: 20_000 }))
  await tab.clock.advance(9_999)
  t.equal(tab.requests.length, 0)
  await tab.clock.advance(1)
  t.equal(tab.requests.length, 1)
})
