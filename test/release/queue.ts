import { mock } from 'node:test'
import t from 'tap'
import { createQueue } from '../../release/queue.ts'

const log = () => {}
const { timers } = mock
t.beforeEach(() => timers.enable({ apis: ['setTimeout'] }))
t.afterEach(() => timers.reset())

/** What promises do is done. */
const settled = () => new Promise(resolve => setImmediate(resolve))

t.test('many moves in a short while are one call', async t => {
  const calls: string[] = []
  const queue = createQueue({ work: async key => void calls.push(key), gatherMs: 5, log })
  for (let index = 0; index < 100; index += 1) queue.add('web')
  timers.tick(4)
  queue.add('web')
  queue.add('api')
  t.same(calls, [], 'moves are still gathered')
  timers.tick(1)
  t.same(calls, ['web'])
  timers.tick(4)
  t.same(calls, ['web', 'api'])
  await settled()
  timers.tick(60_000)
  t.same(calls, ['web', 'api'])
  await queue.close()
})

t.test('a move while its call is running is worked on after it, never beside it', async t => {
  let running = 0
  let calls = 0
  let go = () => {}
  const gone = new Promise<void>(resolve => (go = resolve))
  const queue = createQueue({
    work: async () => {
      running += 1
      calls += 1
      t.equal(running, 1)
      if (calls === 1) await gone
      running -= 1
    },
    gatherMs: 1,
    log,
  })
  queue.add('web')
  timers.tick(1)
  queue.add('web')
  queue.add('web')
  timers.tick(60_000)
  t.equal(calls, 1)
  go()
  await settled()
  timers.tick(1)
  t.equal(calls, 2)
  await settled()
  timers.tick(60_000)
  t.equal(calls, 2)
  await queue.close()
})

t.test('a failed call is tried again, later and later, and news does not make it hammer', async t => {
  t.intercept(Math, 'random', { value: () => 0.5 })
  const lines: unknown[] = []
  let calls = 0
  let failed = 0
  const queue = createQueue({
    work: async () => {
      calls += 1
      if (calls < 3) throw new Error('503')
    },
    gatherMs: 1,
    log: (message, fields) => lines.push([message, fields?.retry_ms]),
    onFailed: () => (failed += 1),
  })
  queue.add('web')
  timers.tick(1)
  for (const [index, ms] of [500, 1_000].entries()) {
    await settled()
    t.same(lines.at(-1), ['reconcile failed', ms])
    for (let index = 0; index < 50; index += 1) queue.add('web')
    timers.tick(ms - 1)
    t.equal(calls, index + 1, 'not before its turn')
    timers.tick(1)
    t.equal(calls, index + 2)
  }
  await settled()
  t.same([lines.length, failed], [2, 2])
  queue.add('web')
  timers.tick(1)
  t.equal(calls, 4, 'once it has worked, news is worked on at once')
  await queue.close()
})

t.test('close waits for the running call and drops the waiting ones', async t => {
  let isClosed = false
  let go = () => {}
  const gone = new Promise<void>(resolve => (go = resolve))
  const calls: string[] = []
  const queue = createQueue({
    work: key => {
      calls.push(key)
      return gone
    },
    gatherMs: 1,
    log,
  })
  queue.add('web')
  timers.tick(1)
  queue.add('web')
  queue.add('late')
  const closed = queue.close().then(() => (isClosed = true))
  await settled()
  t.notOk(isClosed)
  go()
  await closed
  timers.tick(60_000)
  t.same(calls, ['web'])
})

t.test('what was put off is worked on later, or as soon as it moves', async t => {
  const calls: string[] = []
  const queue = createQueue({ work: async key => void calls.push(key), gatherMs: 1, log })
  queue.later('web', 60_000)
  queue.later('api', 30)
  queue.add('web')
  timers.tick(1)
  t.same(calls, ['web'])
  timers.tick(28)
  t.same(calls, ['web'])
  timers.tick(1)
  t.same(calls, ['web', 'api'])
  await settled()
  timers.tick(60_000)
  t.same(calls, ['web', 'api'])
  await queue.close()
})
