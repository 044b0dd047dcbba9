import t from 'tap'
import { laterMs, pace } from '../../../sidecar/server/pace.ts'

t.test('up to 1,000 tabs are closed at once and are back within 500 ms', async t => {
  for (const tabs of [0, 1, 3, 500, 1_000]) {
    const { batch, withinMs } = pace(tabs)
    t.equal(batch, tabs)
    t.ok(withinMs <= 500 && withinMs >= 200, `${tabs} tabs within ${withinMs} ms`)
  }
})

t.test('never more than 2,000 a second come back', async t => {
  for (const tabs of [400, 1_000, 1_001, 10_000]) {
    const { batch, everyMs, withinMs } = pace(tabs)
    t.ok(everyMs === 0 ? tabs / withinMs <= 2 : batch / everyMs <= 2, `${tabs} tabs`)
  }
  t.ok(laterMs <= 500)
})
