// Service workers that answer a reload otherwise than they let our look be answered.

import t from 'tap'
import { a, b, c, told } from './fixtures/release.ts'
import { createTab } from './fixtures/tab.ts'
import { createWorkers } from './fixtures/worker.ts'

const hourMs = 3_600_000
const ready = told(b, 2, 'ready', { heartbeatMs: hourMs })

t.test('while a worker installs or waits nothing is offered; once it has come, within a second', async t => {
  for (const state of ['installing', 'waiting'] as const) {
    const tab = createTab()
    const workers = createWorkers()
    tab.navigator.serviceWorker = workers.container
    workers.registration.update = async () => void (workers.registration[state] = {})
    tab.serve(b)
    const page = tab.open(a, { auto: true })
    await tab.hear(ready)
    for (const ms of [5_000, 30_000, 120_000]) await tab.clock.advance(ms)
    t.equal(page.state.status, 'rolling', state)
    await tab.clock.advance(600_000)
    t.equal(page.state.status, 'stuck', `${state}: as behind any cache`)
    workers.registration.update = async () => {}
    workers.registration[state] = null
    workers.container.dispatchEvent(new Event('controllerchange'))
    await tab.clock.advance(1_000)
    t.same([page.names(), tab.left], [['stuck', 'update'], ['reload']], state)
  }
})

t.test('a worker that could not be updated has nothing new: looked past only when it could be', async t => {
  const failures = { fails: () => Promise.reject(new TypeError('bad HTTP response code (502)')), hangs: () => new Promise(() => {}) } // prettier-ignore
  for (const [name, update] of Object.entries(failures)) {
    const tab = createTab()
    const workers = createWorkers()
    tab.navigator.serviceWorker = workers.container
    workers.registration.update = update
    tab.serve(b)
    const page = tab.open(a, { auto: true })
    await tab.hear(ready)
    await tab.clock.advance(5_000)
    t.same([page.state.status, tab.documents(), tab.left, tab.stored.size], ['rolling', [], [], 0], name)
    workers.registration.update = async () => {}
    await tab.clock.advance(30_000)
    t.same([page.names(), tab.left], [['update'], ['reload']], name)
  }
})

t.test('a worker whose script is gone for good ends as stuck; one without a network does not', async t => {
  for (const onLine of [true, false]) {
    const tab = createTab()
    const workers = createWorkers()
    tab.navigator.serviceWorker = workers.container
    tab.navigator.onLine = onLine
    workers.registration.update = () => Promise.reject(new TypeError('bad HTTP response code (404)'))
    const page = tab.open(a)
    await tab.hear(ready)
    await tab.clock.advance(hourMs)
    t.equal(page.state.status, onLine ? 'stuck' : 'rolling')
  }
})

t.test('a worker that comes when all is well, or after the end, moves nothing', async t => {
  const tab = createTab()
  const workers = createWorkers()
  tab.navigator.serviceWorker = workers.container
  const page = tab.open(a)
  await tab.hear(told(a, 1, 'ready'))
  workers.take()
  await tab.clock.advance(1_000)
  t.same(tab.documents(), [])
  workers.registration.waiting = {}
  await tab.hear(ready)
  page.stop()
  workers.take()
  await tab.clock.advance(hourMs)
  t.same(tab.documents(), [])
})

/** A tab that was reloaded for b, which was on offer, and whose worker brought a again. */
async function reloadedInVain() {
  const tab = createTab()
  const workers = createWorkers()
  tab.navigator.serviceWorker = workers.container
  workers.container.controller = {}
  tab.serve(b)
  const first = tab.open(a)
  await tab.hear(ready)
  t.equal(first.state.status, 'update')
  await first.reload()
  first.stop()
  return { tab, workers, open: () => tab.open(a) }
}

t.test('what a reload did not bring behind a worker is stuck, and not offered again', async t => {
  const { tab, open } = await reloadedInVain()
  for (const name of [
    'the page after it',
    'one that was reloaded while it was stuck',
    'the browser’s own reload',
  ]) {
    const page = open()
    await tab.hear(told(b, 2, 'rolling'), ready)
    await tab.clock.advance(hourMs)
    t.same([page.state.status, page.names(), await page.check()], ['stuck', ['stuck'], false], name)
    if (name.startsWith('the page')) await page.reload()
    page.stop()
  }
})

t.test('who stops it on hearing that it is stuck has stopped it', async t => {
  const { tab, open } = await reloadedInVain()
  const page = open()
  page.addEventListener('stuck', () => page.stop())
  await tab.hear(ready)
  await tab.clock.advance(hourMs)
  t.same(page.names(), ['stuck'])
  t.same(tab.clock.armed(), [])
})

t.test('it is offered again once the worker has another version, and another release always is', async t => {
  const news = {
    'another worker': null,
    'Angular’s, since 13': { type: 'VERSION_READY' },
    'Angular’s, up to 12': { type: 'UPDATE_AVAILABLE' },
  }
  for (const [name, message] of Object.entries(news)) {
    const { tab, workers, open } = await reloadedInVain()
    const page = open()
    await tab.hear(ready)
    workers.say({ type: 'NO_NEW_VERSION_DETECTED' })
    workers.say(null)
    await tab.clock.advance(1_000)
    t.same(page.names(), ['stuck'], name)
    if (message) workers.say(message)
    else workers.take()
    await tab.clock.advance(1_000)
    t.same(page.names(), ['stuck', 'update'], name)
    page.stop()
    const next = open()
    await tab.hear(ready)
    t.same(next.names(), ['update'], `${name}: and after a reload that was not for it`)
  }
  const { tab, open } = await reloadedInVain()
  const page = open()
  tab.serve(c)
  await tab.hear(told(c, 3, 'ready'))
  t.same(page.names(), ['update'])
  tab.serve(b)
  await tab.hear(told(b, 4, 'ready'))
  t.same(page.names(), ['update', 'withdrawn', 'update'], 'the same version as another release')
})

t.test(
  'where no worker controls the page, or the reload did bring it, an old page is offered it again',
  async t => {
    const { tab, workers, open } = await reloadedInVain()
    workers.container.controller = null
    const past = open()
    await tab.hear(ready)
    t.same(past.names(), ['update'], 'reloaded past the worker')
    past.stop()
    workers.container.controller = {}
    const again = open()
    await tab.hear(ready)
    t.same(again.names(), ['stuck'])
    await again.reload()
    again.stop()
    const brought = tab.open(b)
    await tab.hear(ready)
    t.same(brought.names(), ['updated'])
    brought.stop()
    const old = open()
    await tab.hear(ready)
    t.same(old.names(), ['update'], 'by the browser’s history')
  },
)

t.test(
  'Angular’s worker is asked for the next version, and looked past only when it has answered',
  async t => {
    const answers = {
      'since 13': { type: 'OPERATION_COMPLETED', nonce: 0.5, result: true },
      'nothing new': { type: 'OPERATION_COMPLETED', nonce: 0.5, result: false },
    }
    for (const [name, answer] of Object.entries(answers)) {
      const tab = createTab()
      const workers = createWorkers('https://shop.example/ngsw-worker.js')
      tab.navigator.serviceWorker = workers.container
      tab.serve(b)
      const page = tab.open(a)
      await tab.hear(ready)
      t.same(workers.done, ['update', { action: 'CHECK_FOR_UPDATES', nonce: 0.5, statusNonce: 0.5 }], name)
      workers.say({ type: 'VERSION_DETECTED', version: { hash: 'f00' } })
      workers.say({ type: 'OPERATION_COMPLETED', nonce: 7, result: true })
      workers.say(null)
      await tab.clock.advance(1_000)
      t.same(tab.documents(), [], `${name}: what the app asked for is no answer`)
      if (name === 'nothing new') workers.say({ type: 'NO_NEW_VERSION_DETECTED', version: { hash: 'f00' } })
      workers.say(answer)
      await tab.clock.settle()
      t.equal(page.state.status, 'update', name)
    }
  },
)

t.test(
  'an answer of Angular’s that may mean that it could not ask counts when it comes a second time',
  async t => {
    const answers = {
      'since 13': { nonce: 0.5, result: false },
      'up to 12': { type: 'STATUS', nonce: 0.5, status: true },
    }
    for (const [name, answer] of Object.entries(answers)) {
      const tab = createTab()
      const workers = createWorkers('https://shop.example/ngsw-worker.js')
      tab.navigator.serviceWorker = workers.container
      tab.serve(b)
      const page = tab.open(a, { auto: true })
      await tab.hear(ready)
      workers.say(answer)
      await tab.clock.settle()
      t.same([page.state.status, tab.documents(), tab.left, tab.stored.size], ['rolling', [], [], 0], name)
      await tab.clock.advance(5_000)
      workers.say(answer)
      await tab.clock.settle()
      t.same([page.names(), tab.left], [['update'], ['reload']], name)
    }
  },
)

t.test(
  'where Angular’s worker downloads for long nothing is offered until a later question is answered',
  async t => {
    const tab = createTab()
    const workers = createWorkers('https://shop.example/shop/ngsw-worker.js?v=2')
    tab.navigator.serviceWorker = workers.container
    workers.registration.update = () => Promise.reject(new TypeError('offline'))
    tab.serve(b)
    const page = tab.open(a)
    await tab.hear(ready)
    await tab.clock.advance(5_000)
    t.same([page.state.status, tab.documents()], ['rolling', []])
    await tab.clock.advance(5_000)
    t.equal(workers.done.length, 2)
    workers.say({ nonce: 0.5 })
    await tab.clock.settle()
    t.equal(page.state.status, 'update')
  },
)

t.test('any other worker is told nothing', async t => {
  const tab = createTab()
  const workers = createWorkers()
  tab.navigator.serviceWorker = workers.container
  tab.serve(b)
  const page = tab.open(a)
  await tab.hear(ready)
  t.same([page.state.status, workers.done], ['update', ['update']])
})

t.test('in a frame where it is forbidden to ask for workers the client starts, and looks', async t => {
  const tab = createTab()
  Object.defineProperty(tab.navigator, 'serviceWorker', {
    get() {
      throw new DOMException('Service worker is disabled because the context is sandboxed', 'SecurityError')
    },
  })
  tab.serve(b)
  const page = tab.open(a)
  await tab.hear(ready)
  t.equal(page.state.status, 'update')
})
