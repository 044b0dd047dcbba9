// What a tab keeps across a reload.

import t from 'tap'
import { brakedMs, count, createMemory, spend, tokenFor } from '../../client/token.ts'

function storage(stored = new Map<string, string>()) {
  return {
    getItem: (key: string) => stored.get(key) ?? null,
    setItem: (key: string, value: string) => void stored.set(key, value),
  }
}

t.test('a reload is spent once for each epoch and revision, and never for an older one', async t => {
  const memory = createMemory(storage())
  t.equal(spend(memory, { epoch: 'one-1', revision: 9 }), true)
  t.equal(spend(memory, { epoch: 'one-1', revision: 9 }), false)
  t.equal(spend(memory, { epoch: 'one-1', revision: 8 }), false)
  t.equal(spend(memory, { epoch: 'one-1', revision: 10 }), true, 'as numbers, not as text')
  t.equal(spend(memory, { epoch: 'two-2', revision: 1 }), true)
})

t.test('after one in vain there is one more, for the very revision', async t => {
  const memory = createMemory(storage())
  const release = (revision: number) => ({ epoch: 'one-1', revision })
  const again = (revision: number) => spend(memory, tokenFor(memory, release(revision), true))
  t.same([again(9), again(9), again(9)], [true, true, false], 'the first is the usual one')
  t.equal(again(8), false)
  t.equal(spend(memory, release(10)), true)
  t.same([again(9), again(10), again(10)], [false, true, false])
})

t.test('nothing is spent where nothing is kept', async t => {
  const refusing = {
    getItem: () => null,
    setItem: () => {
      throw new Error('QuotaExceededError')
    },
  }
  const forgetting = { getItem: () => null, setItem: () => {} }
  const forbidden = {
    getItem: () => {
      throw new Error('SecurityError')
    },
    setItem: () => {},
  }
  const broken = storage(new Map([['spa-reloader:one-1', 'x']]))
  for (const kept of [undefined, refusing, forgetting, forbidden, broken])
    t.equal(spend(createMemory(kept), { epoch: 'one-1', revision: 1 }), false)
})

t.test('after three reloads within 10 minutes the brake holds, and what it held is not counted', async t => {
  const memory = createMemory(storage())
  const minuteMs = 60_000
  const braked = [0, 1, 2, 3, 9.9, 10.1, 10.2, 11.1, 12.1].map(minutes => {
    const left = brakedMs(memory, minutes * minuteMs)
    if (left === 0) count(memory, minutes * minuteMs)
    return Math.round(left / 6_000) / 10
  })
  t.same(braked, [0, 0, 0, 7, 0.1, 0, 0.8, 0, 0])
  t.ok(brakedMs(memory, 5 * minuteMs) > 0, 'a clock that was set back')
  t.equal(brakedMs(createMemory(storage(new Map([['spa-reloader:reloads', 'x y z w']]))), 0), 0)
})
