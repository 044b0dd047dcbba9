// Which answers make an offer, and which decide nothing.

import t from 'tap'
import { createLater } from './fixtures/later.ts'
import { a, b, c, serverTiming, told } from './fixtures/release.ts'
import type { Served } from './fixtures/release.ts'
import { createTab } from './fixtures/tab.ts'
import { createWorkers } from './fixtures/worker.ts'

t.test('the document is asked for as a reload would ask, at the address where the page is now', async t => {
  const tab = createTab()
  tab.open(a)
  tab.serve(b)
  tab.location.href = 'https://shop.example/orders/7?tab=2#x'
  await tab.hear(told(b, 2, 'ready'))
  t.match(tab.requests, [
    {
      url: 'https://shop.example/orders/7',
      init: {
        cache: 'no-cache',
        redirect: 'manual',
        credentials: 'same-origin',
        headers: { accept: 'text/html' },
      },
    },
  ])
})

t.test('an answer that is not the target decides nothing, and is asked for again', async t => {
  const headers = { 'server-timing': serverTiming(b) }
  const cases: Record<string, () => Response> = {
    'the network fails': () => Response.error(),
    'a login redirect': () => new Response('', { status: 302, headers: { location: '/login', ...headers } }),
    'a login page that was not injected': () => new Response('<form>'),
    'not allowed': () => new Response('', { status: 401, headers }),
    'not found': () => new Response('', { status: 404, headers }),
    'an error of the app': () => new Response('', { status: 500, headers }),
    'a version in between': () => new Response('', { headers: { 'server-timing': serverTiming(c) } }),
    'another app': () => new Response('', { headers: { 'server-timing': 'spa;desc="other-f00"' } }),
    nonsense: () => new Response('', { headers: { 'server-timing': 'spa;desc="' } }),
  }
  const pages = ['a version in between', 'another app']
  for (const [name, answer] of Object.entries(cases)) {
    const tab = createTab()
    const page = tab.open(a, { auto: true })
    tab.document200 = answer
    await tab.hear(told(b, 2, 'ready'))
    t.equal(page.state.status, 'rolling', name)
    await tab.clock.advance(5_000)
    t.equal(tab.requests.length, pages.includes(name) ? 3 : 2, name)
    t.same([page.events, tab.left], [[], []], name)
    tab.serve(b)
    await tab.clock.advance(30_000)
    t.same(page.names(), ['update'], name)
  }
})

t.test(
  'who balances each request by itself may know the last old pod for some seconds: it is looked for again soon',
  async t => {
    const tab = createTab()
    const page = tab.open(a)
    tab.serve(a)
    await tab.hear(told(b, 2, 'ready'))
    await tab.clock.advance(999)
    t.equal(tab.documents().length, 1)
    for (const ms of [1, 2_000]) await tab.clock.advance(ms)
    t.equal(tab.documents().length, 3)
    tab.serve(b)
    await tab.clock.advance(3_999)
    t.equal(page.state.status, 'rolling')
    await tab.clock.advance(1)
    t.equal(page.state.status, 'update')
    await tab.clock.advance(3_600_000)
    t.equal(tab.documents().length, 4)
  },
)

t.test('an answer that never comes is given up after 10 s', async t => {
  const tab = createTab()
  const page = tab.open(a)
  const later = createLater<Response>()
  tab.document200 = later.ask
  await tab.hear(told(b, 2, 'ready'))
  await tab.clock.advance(10_000)
  t.equal(tab.requests[0]?.init.signal?.aborted, true)
  later.give(Response.error())
  tab.serve(b)
  await tab.clock.advance(5_000)
  t.equal(page.state.status, 'update')
})

t.test('a service worker updates itself first, but is not waited for without end', async t => {
  const tab = createTab()
  const page = tab.open(a)
  tab.serve(a)
  const workers = createWorkers()
  tab.navigator.serviceWorker = workers.container
  workers.registration.update = async () => tab.serve(b)
  await tab.hear(told(b, 2, 'ready'))
  t.equal(page.state.status, 'update')

  const never = () => new Promise<never>(() => {})
  const slow = createTab()
  const other = slow.open(a)
  slow.serve(b)
  slow.navigator.serviceWorker = Object.assign(new EventTarget(), { getRegistration: never })
  await slow.hear(told(b, 2, 'ready'))
  t.same(slow.requests, [])
  await slow.clock.advance(5_000)
  t.equal(other.state.status, 'update')

  const failing = createTab()
  const third = failing.open(a)
  failing.serve(b)
  failing.navigator.serviceWorker = Object.assign(new EventTarget(), {
    getRegistration: () => Promise.reject(new Error('SecurityError')),
  })
  await failing.hear(told(b, 2, 'ready'))
  t.equal(third.state.status, 'update')
})

t.test(
  'check() looks at once, does not look twice at a time, and answers whether there is an offer',
  async t => {
    const tab = createTab()
    const page = tab.open(a)
    tab.serve(a)
    tab.version = () => Response.json(told(b, 2, 'ready', { spreadMs: 30_000 }))
    await tab.hear(told(a, 1, 'ready'))
    t.same(await Promise.all([page.check(), page.check()]), [false, false])
    const documents = () => tab.requests.filter(({ url }) => url === 'https://shop.example/cart').length
    t.equal(documents(), 1)
    tab.serve(b)
    t.equal(await page.check(), true)
    t.equal(documents(), 2)
    t.equal(await page.check(), true)
    t.equal(documents(), 2, 'an offer that stands is not verified again')
    t.same(page.names(), ['update'])
  },
)

t.test('check() on a page that is current, or cannot ask, says no', async t => {
  const tab = createTab()
  const page = tab.open(a)
  t.equal(await page.check(), false)
  tab.version = () => Response.json(told(a, 1, 'ready'))
  t.equal(await page.check(), false)
  t.equal(page.state.status, 'current')
  tab.version = () => new Response('<!doctype html>')
  t.equal(await page.check(), false)
  page.stop()
  tab.version = () => Response.json(told(b, 2, 'ready'))
  tab.serve(b)
  t.equal(await page.check(), false, 'and so does one that was stopped')
})

t.test(
  'whatever stands in the way for 13 minutes: it is stuck, and offered once the target comes through',
  async t => {
    const cases: Record<string, () => Response> = {
      'an old copy in a cache': () => new Response('', { headers: { 'server-timing': serverTiming(a) } }),
      'a login': () => new Response('<form>'),
      'an error': () => new Response('', { status: 502 }),
    }
    for (const [name, answer] of Object.entries(cases)) {
      const tab = createTab()
      const page = tab.open(a, { auto: true })
      tab.document200 = answer
      await tab.hear(told(b, 2, 'ready', { heartbeatMs: 3_600_000 }))
      for (const ms of [5_000, 30_000, 120_000]) await tab.clock.advance(ms)
      t.equal(page.state.status, 'rolling', name)
      await tab.clock.advance(592_000)
      t.equal(page.state.status, 'rolling', `${name}: the quick looks at the beginning do not count`)
      await tab.clock.advance(15_000)
      t.equal(page.state.status, 'stuck', name)
      await tab.clock.advance(1_200_000)
      t.same([page.names(), tab.left], [['stuck'], []], `${name}: said once, and nothing reloads by itself`)
      tab.serve(b)
      tab.document.dispatchEvent(new Event('visibilitychange'))
      await tab.clock.advance(1_000)
      t.same([page.names(), tab.left], [['stuck', 'update'], ['reload']], name)
    }
  },
)

t.test('a network that is down is no cache that keeps the old document', async t => {
  const tab = createTab()
  const page = tab.open(a)
  await tab.hear(told(b, 2, 'ready', { heartbeatMs: 3_600_000 }))
  await tab.clock.advance(7_200_000)
  t.ok(tab.documents().length > 10)
  t.equal(page.state.status, 'rolling')
})

t.test('the next rollout begins anew, and a rollback ends it', async t => {
  for (const next of [told(c, 3, 'ready', { heartbeatMs: 3_600_000 }), told(a, 3, 'ready')]) {
    const tab = createTab()
    const page = tab.open(a)
    tab.serve(a)
    await tab.hear(told(b, 2, 'ready', { heartbeatMs: 3_600_000 }))
    await tab.clock.advance(800_000)
    t.equal(page.state.status, 'stuck')
    await tab.hear(next)
    t.equal(page.state.status, next.sha256 === a.id ? 'current' : 'rolling')
    t.same(page.names(), ['stuck'])
  }
})

t.test(
  'a person who reloads what is stuck asks past the caches on the way; the address stays as it is',
  async t => {
    const tab = createTab()
    const page = tab.open(a)
    tab.serve(a)
    await tab.hear(told(b, 2, 'ready', { heartbeatMs: 3_600_000 }))
    await page.reload()
    t.same(tab.documents().length, 1, 'not before')
    await tab.clock.advance(800_000)
    const before = tab.documents().length
    t.equal(await page.reload(), true)
    t.match(tab.documents().slice(before), [
      {
        url: 'https://shop.example/cart?item=1',
        init: { cache: 'reload', headers: { accept: 'text/html' } },
      },
    ])
    t.same(tab.left, ['reload', 'reload'])
  },
)

const stamped = ({ name, hash }: Served) => `<meta name="spa-version" content="${name}-${hash}">`

t.test('where a CDN takes off Server-Timing, the document fetched says who it is by its <meta>', async t => {
  const cases: [name: string, document: string, isOffered: boolean][] = [
    ['as the front writes it', `<!doctype html><head>${stamped(b)}`, true],
    ['as the app writes it', `<html><META content=web-${b.hash} name=spa-version>`, true],
    ['beside a comment', `<!doctype html><!-- ${stamped(c)} --><head>${stamped(b)}`, true],
    ['in a comment only', `<!doctype html><!-- ${stamped(b)} --><head>`, false],
    ['in a comment without an end', `<!doctype html><!-- ${stamped(b)}`, false],
    ['of another version', `<!doctype html><head>${stamped(c)}`, false],
    ['beyond 16 KiB', `<!doctype html>${' '.repeat(16_384)}${stamped(b)}`, false],
    ['nonsense', '<meta name="spa-version" content="">', false],
    ['nowhere', '<form>', false],
  ]
  for (const [name, document, isOffered] of cases) {
    const tab = createTab()
    const page = tab.open(a)
    tab.document200 = () => new Response(document)
    await tab.hear(told(b, 2, 'ready', { heartbeatMs: 3_600_000 }))
    t.equal(page.state.status, isOffered ? 'update' : 'rolling', name)
    await tab.clock.advance(800_000)
    t.equal(page.state.status, isOffered ? 'update' : 'stuck', `${name}: in the end`)
  }
})

t.test('an error that carries a stamp is no proof, and the header comes before the stamp', async t => {
  const tab = createTab()
  const page = tab.open(a)
  tab.document200 = () => new Response(stamped(b), { status: 404 })
  await tab.hear(told(b, 2, 'ready'))
  t.equal(page.state.status, 'rolling')
  tab.document200 = () => new Response(stamped(b), { headers: { 'server-timing': serverTiming(a) } })
  await tab.clock.advance(5_000)
  t.equal(page.state.status, 'rolling')
})

t.test('of a document without the header no more than 16 KiB is waited for', async t => {
  const tab = createTab()
  const page = tab.open(a)
  let isCancelled = false
  let parts = 0
  tab.document200 = () =>
    new Response(
      new ReadableStream({
        pull: controller => {
          parts += 1
          controller.enqueue(new TextEncoder().encode(' '.repeat(1_024)))
        },
        cancel: () => void (isCancelled = true),
      }),
    )
  await tab.hear(told(b, 2, 'ready'))
  await tab.clock.settle()
  t.equal(isCancelled, true)
  t.ok(parts <= 18, `${parts}`)
  t.equal(page.state.status, 'rolling')
})
