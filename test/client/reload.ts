// Leaving the page: by a person's wish, and by itself.

import t from 'tap'
import { parseServerTiming } from '../../client/identity.ts'
import { createLater } from './fixtures/later.ts'
import { a, b, c, serverTiming, told } from './fixtures/release.ts'
import type { Guard } from '../../client/index.ts'
import { createTab } from './fixtures/tab.ts'
import type { Tab } from './fixtures/tab.ts'
import { createWorkers } from './fixtures/worker.ts'

/** A page that would reload by itself, has an update on offer, and something that is not saved. */
async function withUnsavedWork() {
  const tab = createTab()
  let isSaved = false
  const page = tab.open(a, { auto: true })
  page.guard(() => isSaved)
  tab.serve(b)
  await tab.hear(told(b, 2, 'ready', { heartbeatMs: 3_600_000 }))
  return { tab, page, begin: () => void (isSaved = false), save: () => void (isSaved = true) }
}

function refuse(): boolean {
  throw new Error('a guard broke')
}

t.test('a person is asked by every guard, and by none with force', async t => {
  const tab = createTab()
  const page = tab.open(a)
  t.equal(await page.reload(), true)
  const remove = page.guard(async () => false)
  t.equal(await page.reload(), false)
  t.equal(await page.reload({ force: true }), true)
  remove()
  page.guard(({ status }) => status === 'unknown')
  t.equal(await page.reload(), true)
  const removeVague = page.guard((() => 'yes') as unknown as Guard)
  t.equal(await page.reload(), false, 'anything but true means: not now')
  removeVague()
  page.guard(refuse)
  t.equal(await page.reload(), false, 'a guard that breaks means: not now')
  t.same(tab.left, ['reload', 'reload', 'reload'])
})

t.test('a reload goes to where the person wanted to go', async t => {
  const tab = createTab()
  const page = tab.open(a)
  await page.reload({ url: '/orders?x=1#y' })
  t.same(tab.left.splice(0), ['https://shop.example/orders?x=1#y'])
  await page.reload({ url: '#bottom' })
  t.same(
    tab.left.splice(0),
    ['https://shop.example/cart?item=1#bottom', 'reload'],
    'a fragment loads nothing',
  )
  await page.reload({ url: '/cart?item=1#top' })
  t.same(tab.left.splice(0), ['reload'])
  for (const url of ['https://evil.example/', '//evil.example/', 'javascript:alert(1)', 'data:text/html,x'])
    await t.rejects(page.reload({ url, force: true }), TypeError, url)
  t.same(tab.left, [])
})

t.test('the page after the reload says that it is updated, once', async t => {
  const tab = createTab()
  const first = tab.open(a)
  tab.serve(b)
  await tab.hear(told(b, 2, 'ready'))
  await first.reload()
  await tab.hear(told(b, 2, 'ready', { serial: 22 }))
  t.same(first.names(), ['update'], 'the page that is being left says nothing')
  first.stop()

  const second = tab.open(b)
  t.same(second.names(), [], 'not before it knows what it is')
  await tab.hear(told(b, 2, 'ready', { serial: 22 }))
  t.same(second.names(), ['updated'])
  t.match(second.events[0]?.state, { status: 'current', current: b.id })
  await tab.hear(told(b, 2, 'ready', { serial: 23 }))
  t.same(second.names(), ['updated'])
  second.stop()

  const third = tab.open(b)
  await tab.hear(told(b, 2, 'ready', { serial: 23 }))
  t.same(third.names(), [])
})

t.test('a reload that did not bring the target, or was for nothing, is no update', async t => {
  const tab = createTab()
  const first = tab.open(a)
  await tab.hear(told(b, 2, 'rolling'))
  await first.reload()
  const second = tab.open(a)
  await tab.hear(told(b, 2, 'rolling'))
  await second.reload({ force: true })
  const third = tab.open(c)
  await tab.hear(told(c, 3, 'ready'))
  t.same([...second.names(), ...third.names()], [])

  await third.reload()
  const fourth = tab.open(c)
  await tab.hear(told(c, 3, 'ready'))
  t.same(fourth.names(), [])
})

t.test(
  'what was told while a stuck page asked past the caches counts for what its reload is for',
  async t => {
    const tab = createTab()
    tab.document200 = () => new Response('<form>')
    const page = tab.open(a)
    await tab.hear(told(b, 2, 'ready', { heartbeatMs: 3_600_000 }))
    await tab.clock.advance(20 * 60_000)
    t.equal(page.state.status, 'stuck')
    const later = createLater<Response>()
    tab.document200 = url => (url.endsWith('?item=1') ? later.ask() : new Response('<form>'))
    const leaving = page.reload()
    await tab.clock.settle()
    await tab.hear(told(c, 3, 'ready'))
    later.give(new Response('<form>'))
    await leaving
    page.stop()
    const next = tab.open(c)
    await tab.hear(told(c, 3, 'ready'))
    t.same(next.names(), ['updated'])
  },
)

t.test('a page does not reload by itself unless it is told to', async t => {
  const tab = createTab()
  const page = tab.open(a)
  tab.serve(b)
  await tab.hear(told(b, 2, 'ready'))
  t.equal(page.state.status, 'update')
  t.same(tab.left, [])
})

t.test('a page reloads by itself once, for each rollout', async t => {
  const tab = createTab()
  tab.open(a, { auto: true })
  tab.serve(b)
  await tab.hear(told(b, 2, 'ready'))
  t.same(tab.left, ['reload'])
  tab.document.dispatchEvent(new Event('visibilitychange'))
  await tab.hear(told(b, 2, 'ready', { serial: 22 }))
  t.same(tab.left, ['reload'])
  tab.serve(c)
  await tab.hear(told(c, 3, 'ready'))
  t.same(tab.left, ['reload', 'reload'])
})

t.test('the token is written before the page is left', async t => {
  const tab = createTab()
  let written: string[] = []
  tab.open(a, { auto: true })
  tab.location.reload = () => void (written = [...tab.stored.keys()])
  tab.serve(b)
  await tab.hear(told(b, 2, 'ready'))
  const keys = ['t3k9x1-d3f1c2aa', 'reloads', 'awaited', 'tried']
  t.same(
    written,
    keys.map(key => `spa-reloader:${key}`),
  )
})

t.test('nothing reloads by itself without storage', async t => {
  const tab = createTab()
  const page = tab.open(a, { auto: true, env: { sessionStorage: undefined } })
  tab.serve(b)
  await tab.hear(told(b, 2, 'ready'))
  t.equal(page.state.status, 'update')
  t.same(tab.left, [])
  t.equal(await page.reload(), true, 'a person may')
})

t.test('what stands in the way of an automatic reload only puts it off', async t => {
  const cases: Record<string, (tab: Tab, stands: boolean) => void> = {
    offline: (tab, stands) => (tab.navigator.onLine = !stands),
  }
  for (const [name, set] of Object.entries(cases)) {
    const tab = createTab()
    const page = tab.open(a, { auto: true })
    tab.serve(b)
    set(tab, true)
    await tab.hear(told(b, 2, 'ready'))
    t.equal(page.state.status, 'update', name)
    t.same(tab.left, [], name)
    set(tab, false)
    tab.document.dispatchEvent(new Event('visibilitychange'))
    await tab.clock.settle()
    t.same(tab.left, ['reload'], name)
  }
})

t.test('unsaved work keeps the page until it is saved', async t => {
  const { tab, save } = await withUnsavedWork()
  t.same(tab.left, [])
  save()
  tab.document.dispatchEvent(new Event('visibilitychange'))
  await tab.clock.settle()
  t.same(tab.left, ['reload'])
})

t.test('guards that said no are asked again while the offer stands, and not after it', async t => {
  const tab = createTab()
  let asked = 0
  let isSaved = false
  const page = tab.open(a, { auto: true })
  page.guard(() => {
    asked += 1
    return isSaved
  })
  tab.serve(b)
  await tab.hear(told(b, 2, 'ready', { heartbeatMs: 3_600_000 }))
  await tab.clock.advance(60_000)
  t.equal(asked, 4)
  await tab.hear(told(a, 3, 'ready', { heartbeatMs: 3_600_000 }))
  await tab.clock.advance(60_000)
  t.equal(asked, 4, 'there is no offer any more')
  t.same(tab.left, [])

  tab.serve(c)
  await tab.hear(told(c, 4, 'ready', { heartbeatMs: 3_600_000 }))
  isSaved = true
  await tab.clock.advance(19_999)
  t.same(tab.left, [])
  await tab.clock.advance(1)
  t.same(tab.left, ['reload'])
  await tab.clock.advance(600_000)
  t.equal(asked, 7, 'before and after it looked again; once it was allowed, nobody is asked any more')
})

t.test('a page that lost its last guard reloads, unless another took its place at once', async t => {
  const tab = createTab()
  const page = tab.open(a, { auto: true })
  const remove = page.guard(() => false)
  tab.serve(b)
  await tab.hear(told(b, 2, 'ready'))
  remove()
  const removeNext = page.guard(() => false)
  await tab.clock.advance(0)
  t.same(tab.left, [])
  remove()
  await tab.clock.advance(0)
  t.same(tab.left, [])
  removeNext()
  await tab.clock.advance(0)
  t.same(tab.left, ['reload'])
})

t.test('removing a guard does not wake what was stopped, or never reloads by itself', async t => {
  for (const auto of [true, false]) {
    const tab = createTab()
    const page = tab.open(a, { auto })
    const remove = page.guard(() => false)
    tab.serve(b)
    await tab.hear(told(b, 2, 'ready'))
    if (auto) page.stop()
    const armed = tab.clock.armed()
    if (auto) t.same(armed, [], 'nor does the next asking outlive the end')
    remove()
    t.same(tab.clock.armed(), armed)
    await tab.clock.advance(0)
    t.same(tab.left, [])
  }
})

t.test('an offer that comes while a guard thinks about another is not forgotten', async t => {
  for (const answer of [false, true]) {
    const tab = createTab()
    const later = createLater<boolean>()
    let asked = 0
    const page = tab.open(a, { auto: true })
    page.guard(() => {
      asked += 1
      return later.ask()
    })
    tab.serve(b)
    await tab.hear(told(b, 2, 'ready'))
    tab.serve(c)
    await tab.hear(told(c, 3, 'ready'))
    t.equal(asked, 1, 'a guard that thinks is not asked twice')
    later.give(answer)
    await tab.clock.settle()
    t.equal(asked, 2, 'what it said was about the other')
    t.same(tab.left, [])
    later.give(true)
    await tab.clock.settle()
    t.same(tab.left, ['reload'])
  }
})

t.test('an offer that is withdrawn while a guard thinks is not reloaded for, and not spent', async t => {
  const tab = createTab()
  const later = createLater<boolean>()
  const page = tab.open(a, { auto: true })
  page.guard(later.ask)
  tab.serve(b)
  await tab.hear(told(b, 2, 'ready'))
  await tab.hear(told(a, 3, 'rolling'))
  later.give(true)
  await tab.clock.settle()
  t.same(page.names(), ['update', 'withdrawn'])
  t.same([tab.left, tab.stored.size], [[], 0])
})

t.test('what was stopped says nothing more, and leaves no timer and no socket', async t => {
  const tab = createTab()
  const page = tab.open(a, { auto: true })
  let changes = 0
  page.subscribe(() => (changes += 1))
  await tab.hear(told(b, 2, 'ready', { spreadMs: 1_000 }))
  const counted = changes
  page.stop()
  t.equal(changes, counted + 1, 'a last state')
  t.equal(page.state.connection, 'off')
  const before = changes
  t.same(tab.clock.armed(), [])
  t.equal(tab.socket().isClosed, true)
  tab.serve(b)
  tab.socket().say(told(b, 2, 'ready', { serial: 99 }))
  tab.window.dispatchEvent(new Event('online'))
  tab.document.dispatchEvent(new Event('visibilitychange'))
  page.stop()
  await tab.clock.advance(3_600_000)
  t.equal(changes, before)
  t.same([page.events, tab.left, tab.requests, tab.sockets.length], [[], [], [], 1])
})

t.test('an answer that comes after the end is not heard', async t => {
  const tab = createTab()
  const later = createLater<Response>()
  const page = tab.open(a)
  tab.version = later.ask
  tab.serve(b)
  const checked = page.check()
  await tab.clock.settle()
  page.stop()
  const { state } = page
  later.give(Response.json(told(b, 2, 'ready')))
  t.equal(await checked, false)
  t.equal(page.state, state)
  t.same(tab.clock.armed(), [])
})

t.test('a page that is stopped from within its own events stays stopped', async t => {
  for (const status of ['connecting', 'open', 'closed']) {
    const tab = createTab()
    const page = tab.open(a)
    page.subscribe(({ connection }) => connection === status && page.stop())
    await tab.clock.settle()
    if (tab.sockets[0]) tab.socket().open()
    if (tab.sockets[0]) tab.socket().end()
    await tab.clock.advance(3_600_000)
    t.equal(page.state.connection, 'off', status)
    t.ok(tab.sockets.length <= 1, status)
    t.same(tab.clock.armed(), [], status)
  }
})

t.test('who stops it on hearing a state hears of no offer, and none that is withdrawn', async t => {
  for (const status of ['update', 'rolling']) {
    const tab = createTab()
    const page = tab.open(a)
    tab.serve(b)
    if (status === 'rolling') await tab.hear(told(b, 2, 'ready'))
    const before = page.names()
    page.addEventListener('state', ({ detail }) => detail.status === status && page.stop())
    if (status === 'rolling') await tab.hear(told(a, 3, 'rolling'))
    else await tab.hear(told(b, 2, 'ready'))
    t.equal(page.state.connection, 'off', status)
    t.same(page.names(), before, status)
  }
})

t.test(
  'subscribers get the state at once and after each change, and the same object while nothing changes',
  async t => {
    const tab = createTab()
    const page = tab.open(a)
    const seen: string[] = []
    const unsubscribe = page.subscribe(({ status, connection }) => seen.push(`${connection} ${status}`))
    await tab.hear(told(b, 2, 'rolling'))
    const { state } = page
    await tab.hear(told(b, 2, 'rolling', { serial: 29, live: [] }))
    t.equal(page.state, state)
    unsubscribe()
    await tab.hear(told(b, 2, 'ready'))
    t.same(seen, ['connecting unknown', 'open unknown', 'open rolling'])
  },
)

t.test('a guard that never answers has said no after 10 s, and is asked again', async t => {
  const tab = createTab()
  let asked = 0
  const page = tab.open(a, { auto: true })
  page.guard(() => {
    asked += 1
    return asked === 1 ? new Promise<boolean>(() => {}) : true
  })
  tab.serve(b)
  await tab.hear(told(b, 2, 'ready', { heartbeatMs: 3_600_000 }))
  await tab.clock.advance(29_999)
  t.equal(asked, 1)
  t.same(tab.left, [])
  await tab.clock.advance(1)
  t.equal(asked, 3)
  t.same(tab.left, ['reload'])
})

t.test('a person may think for as long as it takes', async t => {
  const tab = createTab()
  const later = createLater<boolean>()
  const page = tab.open(a)
  page.guard(later.ask)
  const reloaded = page.reload()
  await tab.clock.advance(3_600_000)
  later.give(true)
  t.equal(await reloaded, true)
})

t.test('three automatic reloads in 10 minutes are enough, whatever is rolled out', async t => {
  const tab = createTab()
  for (let revision = 2; revision <= 6; revision += 1) {
    const page = tab.open(a, { auto: true })
    tab.serve(b)
    await tab.hear(told(b, revision, 'ready'))
    t.equal(page.state.status, 'update', 'the offer is made all the same')
    page.stop()
    await tab.clock.advance(60_000)
  }
  t.same(tab.left, ['reload', 'reload', 'reload'])
  await tab.clock.advance(8 * 60_000)
  tab.open(a, { auto: true })
  await tab.hear(told(b, 6, 'ready'))
  t.equal(tab.left.length, 4, 'none was spent by the ones that did not happen')
})

t.test('a page that stays open after the brake held reloads when it is over', async t => {
  const tab = createTab()
  const page = tab.open(a, { auto: true })
  for (let revision = 2; revision <= 5; revision += 1) {
    tab.serve(b)
    await tab.hear(told(b, revision, 'ready', { heartbeatMs: 3_600_000 }))
    await tab.clock.advance(60_000)
  }
  t.equal(page.state.status, 'update')
  t.equal(tab.left.length, 3)
  await tab.clock.advance(6 * 60_000 - 1)
  t.equal(tab.left.length, 3)
  await tab.clock.advance(1)
  t.equal(tab.left.length, 4)
  await tab.clock.advance(3_600_000)
  t.equal(tab.left.length, 4)
})

t.test(
  'what was verified long ago is looked at again before a page reloads by itself: never into the void',
  async t => {
    const { tab, save } = await withUnsavedWork()
    await tab.clock.advance(60_000)
    t.equal(tab.documents().length, 1, 'while the guards refuse there is nothing to look for')
    tab.document200 = () => Response.error() // a VPN that broke down: the browser goes on saying that it is online
    save()
    await tab.clock.advance(60_000)
    t.ok(tab.documents().length > 1, 'it has looked')
    t.same([tab.left, tab.stored.size], [[], 0])
    tab.serve(b)
    await tab.clock.advance(120_000)
    t.same(tab.left, ['reload'])
  },
)

t.test('a laptop that slept while the version was rolled back does not reload when it wakes', async t => {
  const { tab, page, save } = await withUnsavedWork()
  tab.serve(a)
  save()
  tab.clock.sleep(8 * 3_600_000)
  tab.document.dispatchEvent(new Event('visibilitychange'))
  await tab.clock.settle()
  t.same([tab.left, tab.stored.size], [[], 0])
  await tab.hear(told(a, 3, 'ready', { heartbeatMs: 3_600_000 }))
  await tab.clock.advance(3_600_000)
  t.same([page.state.status, tab.left], ['current', []])
})

t.test(
  'a document that does not come within 3 s keeps the page: somebody may have begun to work on it',
  async t => {
    const { tab, save } = await withUnsavedWork()
    await tab.clock.advance(19_000)
    const later = createLater<Response>()
    tab.document200 = later.ask
    save()
    await tab.clock.advance(1_000 + 2_999)
    t.same(tab.documents().at(-1)?.init.signal?.aborted, false)
    await tab.clock.advance(1)
    t.same(tab.documents().at(-1)?.init.signal?.aborted, true)
    t.same([tab.left, tab.stored.size], [[], 0])
  },
)

t.test('what is begun while the document is looked at again keeps the page, and is not taken', async t => {
  const { tab, begin, save } = await withUnsavedWork()
  await tab.clock.advance(19_000)
  const later = createLater<Response>()
  tab.document200 = later.ask
  save()
  await tab.clock.advance(1_000)
  begin()
  later.give(new Response('', { headers: { 'server-timing': serverTiming(b) } }))
  await tab.clock.advance(19_999)
  t.same([tab.left, tab.stored.size], [[], 0])
  save()
  tab.serve(b)
  await tab.clock.advance(1)
  t.same(tab.left, ['reload'], 'asked again as after any no')
})

t.test('a service worker that is slow to update itself only puts an automatic reload off', async t => {
  const tab = createTab()
  const workers = createWorkers()
  tab.navigator.serviceWorker = workers.container
  workers.registration.update = () => new Promise(resolve => tab.clock.setTimeout(() => resolve({}), 3_200))
  let isSaved = false
  tab.open(a, { auto: true }).guard(() => isSaved)
  tab.serve(b)
  await tab.hear(told(b, 2, 'ready', { heartbeatMs: 3_600_000 }))
  await tab.clock.advance(60_000)
  isSaved = true
  await tab.clock.advance(30_000)
  t.same(tab.left, ['reload'])
})

t.test('a page that is prerendered connects when it is shown, and cannot reload before', async t => {
  const tab = createTab()
  tab.document.prerendering = true
  const page = tab.open(a, { auto: true })
  tab.serve(b)
  await tab.clock.advance(60_000)
  tab.document.dispatchEvent(new Event('visibilitychange'))
  tab.window.dispatchEvent(new Event('online'))
  await tab.clock.advance(60_000)
  t.same([tab.sockets, tab.sources, tab.requests], [[], [], []])
  tab.document.prerendering = false
  tab.document.dispatchEvent(new Event('prerenderingchange'))
  await tab.hear(told(b, 2, 'ready'))
  t.equal(tab.sockets.length, 1)
  t.same(page.names(), ['update'])
  t.same(tab.left, ['reload'])
})

t.test('waking with a token that is spent counts for nothing', async t => {
  const tab = createTab()
  tab.open(a, { auto: true })
  tab.serve(b)
  await tab.hear(told(b, 2, 'ready'))
  for (let times = 0; times < 5; times += 1) {
    tab.document.dispatchEvent(new Event('visibilitychange'))
    await tab.clock.settle()
  }
  tab.serve(c)
  await tab.hear(told(c, 3, 'ready'))
  t.same(tab.left, ['reload', 'reload'])
})

/** A tab whose reloads bring the old document, though each look brings the new one: who balances requests knows both pods. */
async function loadInVain(tab: Tab, ms: number, hearMs = 0) {
  const page = tab.open(a, { auto: true })
  tab.serve(b)
  await tab.clock.advance(hearMs)
  await tab.hear(told(b, 2, 'ready', { heartbeatMs: 3_600_000 }))
  await tab.clock.advance(ms)
  return page
}

t.test('a reload that brought the old version is done once more, 20 s later, and never again', async t => {
  const tab = createTab()
  const first = await loadInVain(tab, 60_000)
  t.same(tab.left, ['reload'], 'the page has not gone: nothing is known to be in vain')
  first.stop()
  const second = await loadInVain(tab, 19_999)
  t.equal(second.state.status, 'update')
  tab.document.dispatchEvent(new Event('visibilitychange'))
  await tab.clock.settle()
  t.same(tab.left, ['reload'], 'not before it is 20 s old')
  const before = tab.documents().length
  await tab.clock.advance(1)
  t.same(tab.left, ['reload', 'reload'])
  t.equal(tab.documents().length, before + 1, 'after another look')
  await tab.clock.advance(3_600_000)
  second.stop()
  for (let load = 0; load < 5; load += 1) {
    const page = await loadInVain(tab, 3_600_000)
    t.equal(page.state.status, 'update', 'the offer is made all the same')
    page.stop()
  }
  t.same(tab.left, ['reload', 'reload'])
})

t.test('documents that alternate: the second reload waits for a look that brings the new one', async t => {
  const tab = createTab()
  const first = await loadInVain(tab, 0)
  first.stop()
  const second = await loadInVain(tab, 15_000, 200)
  tab.serve(a)
  await tab.clock.advance(8_000)
  t.same(tab.left, ['reload'])
  tab.serve(b)
  await tab.clock.advance(5_000)
  t.same(tab.left, ['reload', 'reload'])
  second.stop()
  tab.open(b, { auto: true })
  await tab.hear(told(b, 2, 'ready'))
  const next = tab.open(b, { auto: true })
  tab.serve(c)
  await tab.hear(told(c, 3, 'ready'))
  t.equal(next.state.status, 'update')
  t.equal(tab.left.length, 3, 'the next release has its own')
})

t.test('an old document that the browser brings back reloads by itself again, once each time', async t => {
  const tab = createTab()
  tab.open(a, { auto: true })
  tab.serve(b)
  await tab.hear(told(b, 2, 'ready'))
  tab.open(b, { auto: true })
  await tab.hear(told(b, 2, 'ready'))
  t.same(tab.left, ['reload'], 'the tab is at b')
  const entry = { serverTiming: parseServerTiming(serverTiming(a)), type: 'back_forward' }
  const performance = { getEntriesByType: () => [entry] as unknown as PerformanceEntryList }
  for (const reloads of [2, 3]) {
    const page = tab.open(null, { auto: true, env: { performance } })
    await tab.hear(told(b, 2, 'ready'))
    await tab.clock.advance(3_600_000)
    t.equal(tab.left.length, reloads)
    page.stop()
  }
  const page = tab.open(a, { auto: true })
  await tab.hear(told(b, 2, 'ready'))
  await tab.clock.advance(60_000)
  t.equal(tab.left.length, 4, 'a reload of that in vain is done once more')
  page.stop()
})

t.test('a page out of the back/forward cache may reload for what its tab has reloaded for', async t => {
  const tab = createTab()
  const old = tab.open(a, { auto: true })
  await tab.hear(told(a, 1, 'ready'))
  tab.window.dispatchEvent(new Event('pagehide'))
  tab.stored.set('spa-reloader:t3k9x1-d3f1c2aa', '2')
  tab.serve(b)
  tab.window.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }))
  await tab.clock.advance(1_000)
  await tab.hear(told(b, 2, 'ready'))
  t.same(tab.left, ['reload'])
  await tab.clock.advance(3_600_000)
  t.same(tab.left, ['reload'], 'once')
  old.stop()
  const none = tab.open(a, { auto: true, env: { sessionStorage: undefined } })
  tab.window.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }))
  await tab.hear(told(b, 2, 'ready'))
  await tab.clock.advance(60_000)
  t.same([tab.left, none.state.status], [['reload'], 'update'])
})

t.test('what a clock says makes no third reload, and neither does a duplicated tab', async t => {
  for (const jump of [-3_600_000, -5_000, 0, 3_600_000]) {
    const tab = createTab()
    for (let load = 0; load < 4; load += 1) {
      const page = await loadInVain(tab, 0)
      tab.clock.sleep(jump)
      tab.document.dispatchEvent(new Event('visibilitychange'))
      await tab.clock.advance(1_200_000)
      page.stop()
    }
    t.equal(tab.left.length, 2, `${jump}`)
    const twin = createTab(new Map(tab.stored))
    await loadInVain(twin, 3_600_000)
    t.same(twin.left, [])
  }
})

t.test(
  'a reload that brought the new version, or that a service worker answered, is not done again',
  async t => {
    const tab = createTab()
    const first = await loadInVain(tab, 0)
    first.stop()
    const second = tab.open(b, { auto: true })
    await tab.hear(told(b, 2, 'ready'))
    t.same(second.names(), ['updated'])
    second.stop()
    await loadInVain(tab, 3_600_000)
    t.same(tab.left, ['reload'])

    const controlled = createTab()
    const before = await loadInVain(controlled, 0)
    before.stop()
    controlled.navigator.serviceWorker = Object.assign(createWorkers().container, { controller: {} })
    await loadInVain(controlled, 3_600_000)
    t.same(controlled.left, ['reload'])
  },
)
