import t from 'tap'
import { createDrain } from '../../../sidecar/drain/drain.ts'

/** A front whose app and exchanges end when the test says so. */
function setUp({ drainMs = 600_000, lookMs = 1, lingerMs = 0 } = {}) {
  const done: string[] = []
  let isUp = true
  let endExchanges = () => {}
  const exchanges = new Promise<void>(resolve => (endExchanges = resolve))
  const drain = createDrain({
    front: {
      look: async () => true,
      isListening: () => isUp,
      drain: () => void done.push('front'),
      idle: () => exchanges,
    },
    server: { drain: async () => void done.push('tabs') },
    drainMs,
    lookMs,
    lingerMs,
    log: () => {},
  })
  return { drain, done, endApp: () => (isUp = false), endExchanges }
}

/** Whether it is still waiting after everything that is due has run. */
async function isPending(promise: Promise<void>): Promise<boolean> {
  const later = new Promise<true>(resolve => setTimeout(() => resolve(true), 20))
  return Promise.race([promise.then(() => false), later])
}

t.test('preStop lasts until the app has gone, and ends although exchanges are open', async t => {
  const { drain, done, endApp } = setUp()
  const begun = drain.begin()
  t.same(done, ['front', 'tabs'])
  t.equal(await isPending(begun), true)
  endApp()
  await begun
})

t.test('after SIGTERM the process lasts until the app has gone and the last exchange is over', async t => {
  const { drain, endApp, endExchanges } = setUp()
  const ended = drain.end()
  t.equal(await isPending(ended), true, 'the app listens')
  endApp()
  t.equal(await isPending(ended), true, 'an exchange is open')
  endExchanges()
  await ended
})

t.test('idleness alone ends nothing: while the app listens, new connections may come', async t => {
  const { drain, endExchanges, endApp } = setUp()
  const ended = drain.end()
  endExchanges()
  t.equal(await isPending(ended), true)
  endApp()
  await ended
})

t.test('the time counts from preStop, and nothing begins twice', async t => {
  const { drain, done, endApp } = setUp({ drainMs: 50 })
  await Promise.all([drain.begin(), drain.begin()])
  await drain.end()
  t.same(done, ['front', 'tabs'])
  endApp()
})

t.test('with 0 nothing is drained and nothing waits', async t => {
  const { drain, done } = setUp({ drainMs: 0 })
  await drain.begin()
  await drain.end()
  t.same(done, [])
})

t.test(
  'where the app goes at once the process still lingers: connections that come late are to be refused, not to hang',
  async t => {
    const { drain, endApp, endExchanges } = setUp({ lingerMs: 60 })
    endApp()
    endExchanges()
    const ended = drain.end()
    t.equal(await isPending(ended), true)
    await ended
  },
)
