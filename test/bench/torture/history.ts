import t from 'tap'
import { describe, historyOf } from '../../../bench/torture/history.ts'
import type { History } from '../../../bench/torture/history.ts'

const many = Array.from({ length: 500 }, (_, seed) => historyOf(seed))

t.test('a seed makes one history, and another seed another', async t => {
  t.same(historyOf(7), historyOf(7))
  t.equal(new Set(many.map(history => JSON.stringify(history))).size, many.length)
})

t.test(
  'thirty histories hold every kind of change, every strategy, outages, hurry, and all that visitors do',
  async t => {
    for (const start of [0, 100, 400]) {
      const some = many.slice(start, start + 30)
      const steps = some.flatMap(({ steps }) => steps)
      t.same(
        new Set(steps.map(({ change }) => change.kind)),
        new Set(['rollout', 'rollback', 're-push', 'restart', 'scale', 'kill']),
      )
      t.same(new Set(some.map(({ strategy }) => strategy)), new Set(['gradual', 'at-once', 'recreate']))
      t.same(
        new Set(steps.flatMap(({ whims }) => whims.map(({ kind }) => kind))),
        new Set(['accept', 'refresh', 'away', 'offline']),
      )
      t.ok(steps.some(({ isOutage }) => isOutage))
      t.ok(steps.some(({ hurryMs }) => hurryMs !== undefined))
    }
  },
)

t.test(
  'ten tabs in three engines: some come later, some leave, and nobody acts who is not there',
  async t => {
    for (const { visitors, steps } of many) {
      t.equal(visitors.length, 10)
      t.equal(new Set(visitors.map(({ engine }) => engine)).size, 3)
      for (const { from, until = Infinity } of visitors) t.ok(from < until)
      for (const [index, { whims }] of steps.entries())
        for (const { visitor } of whims) {
          const { from, until = Infinity } = visitors[visitor]!
          t.ok(from <= index && index + 1 < until)
        }
    }
  },
)

t.test(
  'what cannot be told apart by anybody does not happen: a tag that moves while pods of its ReplicaSet are made',
  async t => {
    for (const { steps } of many)
      for (const [index, step] of steps.entries())
        if (step.change.kind === 're-push') {
          t.equal(step.hurryMs, undefined)
          t.equal(steps[index - 1]?.hurryMs, undefined)
        }
  },
)

t.test('a rollback has something to go back to, and the last step is waited for', async t => {
  for (const { steps } of many) {
    const [first] = steps
    t.not(first?.change.kind, 'rollback')
    t.equal(steps.at(-1)?.hurryMs, undefined)
  }
})

t.test('a history is told in one line that begins with its seed', async t => {
  const history: History = {
    seed: 5,
    strategy: 'gradual',
    replicas: 2,
    version: 'one',
    visitors: [],
    steps: [
      { change: { kind: 'rollout', version: 'two' }, isOutage: false, hurryMs: 300, whims: [] },
      { change: { kind: 'rollback' }, isOutage: true, whims: [] },
    ],
  }
  t.equal(
    describe(history),
    'seed 5: 2 replicas, gradual, one; rollout two, 300 ms later; rollback during an outage',
  )
})
