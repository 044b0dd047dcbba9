import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createQueue } from '../../release/queue.ts'

const log = () => {}

t.test('many moves in a short while are one call', async t => {
  const calls: string[] = []
  const queue = createQueue({ work: async key => void calls.push(key), gatherMs: 5, log })
  for (let index = 0; index < 100; index += 1) queue.add('web')
  queue.add('api')
  await sleep(50)
  t.same(calls.sort(), ['api', 'web'])
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
  await sleep(20)
  queue.add('web')
  queue.add('web')
  t.equal(calls, 1)
  go()
  await sleep(50)
  t.equal(calls, 2)
  await queue.close()
})

t.test('a failed call is tried again, and news does not make it hammer', async t => {
  const lines: string[] = []
  let calls = 0
  let done = () => {}
  const again = new Promise<void>(resolve => (done = resolve))
  const queue = createQueue({
    work: async () => {
      calls += 1
      if (calls === 1) throw new Error('503')
      done()
    },
    gatherMs: 1,
    log: message => lines.push(message),
  })
  queue.add('web')
  await sleep(10)
  for (let index = 0; index < 50; index += 1) queue.add('web')
  t.equal(calls, 1)
  await again
  t.equal(calls, 2)
  t.same(lines, ['reconcile failed'])
  await queue.close()
})

t.test('close waits for the running call and drops the waiting ones', async t => {
  let done = false
  const calls: string[] = []
  const queue = createQueue({
    work: async key => {
      calls.push(key)
      await sleep(30)
      done = true
    },
    gatherMs: 1,
    log,
  })
  queue.add('web')
  await sleep(10)
  queue.add('late')
  await queue.close()
  t.ok(done)
  await sleep(20)
  t.same(calls, ['web'])
})

t.test('what was put off is worked on later, or as soon as it moves', async t => {
  const calls: string[] = []
  const queue = createQueue({ work: async key => void calls.push(key), gatherMs: 1, log })
  queue.later('web', 60_000)
  queue.later('api', 30)
  queue.add('web')
  await sleep(15)
  t.same(calls, ['web'])
  await sleep(50)
  t.same(calls, ['web', 'api'])
  await queue.close()
})
