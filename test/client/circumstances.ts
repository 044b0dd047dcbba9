// Browsers that are out of the ordinary: a service worker with old documents, a sandboxed frame, many tabs, no storage.

import t from 'tap'
import { a, b, c, serverTiming, told } from './fixtures/release.ts'
import type { Served } from './fixtures/release.ts'
import { createTab } from './fixtures/tab.ts'
import { createWorkers } from './fixtures/worker.ts'

const hourMs = 3_600_000

t.test(
  'behind a service worker that serves old documents: asked first, stuck in the end, offered once it is through',
  async t => {
    const tab = createTab()
    const order: string[] = []
    let isThrough = false
    const workers = createWorkers()
    tab.navigator.serviceWorker = workers.container
    workers.registration.update = async () => void order.push('update')
    tab.document200 = () => {
      order.push('fetch')
      return new Response('', { headers: { 'server-timing': serverTiming(isThrough ? b : a) } })
    }
    const page = tab.open(a, { auto: true })
    await tab.hear(told(b, 2, 'ready', { heartbeatMs: hourMs }))
    for (const ms of [0, 5_000, 30_000, 120_000]) {
      await tab.clock.advance(ms)
      t.equal(page.state.status, 'rolling', 'not offered until it is served')
    }
    await tab.clock.advance(607_000)
    t.equal(page.state.status, 'stuck')
    t.equal(order.join(' '), 'update fetch '.repeat(8).trim(), 'it may update itself before each look')
    t.same([page.names(), tab.left], [['stuck'], []])
    isThrough = true
    await tab.clock.advance(600_000)
    t.same([page.names(), tab.left], [['stuck', 'update'], ['reload']])
  },
)

/** Runs, and returns what escaped meanwhile: promises that nobody handles end the process otherwise. */
async function escaped(run: () => Promise<void>): Promise<unknown[]> {
  const seen: unknown[] = []
  const note = (error: unknown): void => void seen.push(error)
  process.on('unhandledRejection', note)
  process.on('uncaughtException', note)
  await run()
  process.off('unhandledRejection', note)
  process.off('uncaughtException', note)
  return seen
}

const forbidden = (): never => {
  throw new DOMException('The operation is insecure.', 'SecurityError')
}
const forbiddenStorage = { getItem: forbidden, setItem: forbidden }

t.test(
  'in a sandboxed frame, whose Origin is null, nothing escapes and nothing is tried without end',
  async t => {
    const tab = createTab()
    const statuses: string[] = []
    let most = 0
    const errors = await escaped(async () => {
      const env = {
        sessionStorage: forbiddenStorage,
        performance: undefined,
        fetch: async (url: string, init: RequestInit) => {
          tab.requests.push({ url, init })
          throw new TypeError('Failed to fetch')
        },
      }
      const page = tab.open(null, { auto: true, env })
      page.subscribe(({ status }) => statuses.push(status))
      for (let minutes = 0; minutes < 60; minutes += 1) {
        const { length } = tab.sockets
        for (let seconds = 0; seconds < 60; seconds += 1) {
          for (const socket of tab.sockets) if (!socket.isClosed) socket.end() // 403
          await tab.clock.advance(1_000)
        }
        if (minutes > 0) most = Math.max(most, tab.sockets.length - length)
      }
      t.equal(await page.check(), false)
      page.stop()
      t.same([page.events, tab.left, tab.clock.armed()], [[], [], []])
    })
    t.same(errors, [])
    t.same([...new Set(statuses)], ['unknown'])
    t.ok(most <= 5, `${most} times a minute`)
  },
)

t.test(
  'a frame that may not reload itself is offered the version, and a person’s wish fails where it was made',
  async t => {
    const tab = createTab()
    const errors = await escaped(async () => {
      const page = tab.open(a, { auto: true, env: { sessionStorage: forbiddenStorage } })
      tab.location.reload = forbidden
      tab.serve(b)
      await tab.hear(told(b, 2, 'ready', { heartbeatMs: hourMs }))
      await tab.clock.advance(hourMs)
      t.equal(page.state.status, 'update')
      await t.rejects(page.reload(), { name: 'SecurityError' })
      t.equal(page.state.status, 'update')
    })
    t.same(errors, [])
  },
)

t.test('an automatic reload that the browser forbids is tried once, and nothing escapes', async t => {
  const tab = createTab()
  let tried = 0
  const errors = await escaped(async () => {
    const page = tab.open(a, { auto: true })
    tab.location.reload = () => {
      tried += 1
      forbidden()
    }
    tab.serve(b)
    await tab.hear(told(b, 2, 'ready', { heartbeatMs: hourMs }))
    for (let times = 0; times < 5; times += 1) {
      tab.document.dispatchEvent(new Event('visibilitychange'))
      await tab.clock.advance(60_000)
    }
    t.equal(page.state.status, 'update')
  })
  t.equal(tried, 1)
  t.same(errors, [])
})

t.test(
  'a frame of the same origin, which shares the storage, does not spend the reload of its tab',
  async t => {
    const top = createTab()
    const frame = createTab(top.stored)
    frame.open(a, { auto: true, env: { isFrame: true } })
    top.open(a, { auto: true })
    for (const tab of [frame, top]) {
      tab.serve(b)
      await tab.hear(told(b, 2, 'ready'))
    }
    t.same([frame.left, top.left], [['reload'], ['reload']])
    const second = createTab(top.stored)
    const page = second.open(a, { auto: true, env: { isFrame: true } })
    second.serve(b)
    await second.hear(told(b, 2, 'ready'))
    t.same([page.state.status, second.left], ['update', []], 'another frame of it has none left')
  },
)

t.test('many tabs, each on its own truth: three versions hear the same states', async t => {
  const open = (served: Served) => {
    const tab = createTab()
    tab.serve(b)
    return { tab, page: tab.open(served, { auto: true }) }
  }
  const tabs = [a, b, c].map(open)
  const live = [{ id: b.id, pods: 1 }, { id: c.id, pods: 1 }] // prettier-ignore
  const states = [told(b, 3, 'rolling'), told(b, 3, 'ready', { live }), told(b, 3, 'ready', { serial: 32 })]
  const seen: string[][] = []
  for (const state of states) {
    for (const { tab } of tabs) await tab.hear(state)
    seen.push(tabs.map(({ page }) => page.state.status))
  }
  t.same(seen, [
    ['rolling', 'rolling', 'rolling'],
    ['update', 'current', 'current'],
    ['update', 'current', 'update'],
  ])
  t.same(
    tabs.map(({ tab }) => [tab.left, tab.stored.size > 0]),
    [[['reload'], true], [[], false], [['reload'], true]], // prettier-ignore
    'what one has spent, another has not',
  )
  t.same(
    tabs.map(({ tab }) => tab.documents().length),
    [1, 0, 1],
  )
})

t.test(
  'a page without storage, or whose storage keeps nothing, offers and never reloads by itself',
  async t => {
    const cases = {
      none: undefined,
      forbidden: forbiddenStorage,
      full: { getItem: () => null, setItem: forbidden },
      forgetful: { getItem: () => null, setItem: () => {} },
    }
    for (const [name, sessionStorage] of Object.entries(cases)) {
      const tab = createTab()
      const page = tab.open(a, { auto: true, env: { sessionStorage } })
      for (const [served, revision] of [
        [b, 2],
        [c, 3],
      ] as const) {
        // prettier-ignore
        tab.serve(served)
        await tab.hear(told(served, revision, 'ready', { heartbeatMs: hourMs }))
        await tab.clock.advance(60_000)
        t.equal(page.state.status, 'update', name)
      }
      t.same(tab.left, [], name)
      t.equal(await page.reload(), true, `${name}: a person may`)
      t.same(tab.left, ['reload'], name)
    }
  },
)
