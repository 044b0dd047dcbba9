import t from 'tap'
import { createRate } from '../../../sidecar/server/rate.ts'

t.test('so many at once, and so many a second, whenever they come', async t => {
  let now = 1_000
  const isWithin = createRate(10, () => now)
  const taken = (tries: number): number => Array.from({ length: tries }, isWithin).filter(Boolean).length
  t.equal(taken(50), 10)
  now += 99
  t.equal(taken(1), 0)
  now += 1
  t.equal(taken(2), 1)
  now += 350
  t.equal(taken(9), 3, 'and half of the next')
  now += 50
  t.equal(taken(9), 1)
  now += 3_600_000
  t.equal(taken(50), 10, 'an hour of silence saves up no more than a second’s')
})

t.test('over a minute of a flood it is the rate and the first second', async t => {
  let now = 0
  const isWithin = createRate(2_000, () => now)
  let taken = 0
  for (let tries = 0; tries < 600_000; tries++) {
    now = tries / 10
    if (isWithin()) taken++
  }
  t.ok(Math.abs(taken - 61 * 2_000) <= 1, String(taken))
})
