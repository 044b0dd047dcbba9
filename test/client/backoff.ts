// How long a tab waits, at both ends of what chance may bring.

import t from 'tap'
import { lagDelay, reconnectDelay, verifyDelay } from '../../client/backoff.ts'

const range = (code: number, reason: string, failures: number): [least: number, most: number] => [
  reconnectDelay(code, reason, failures, () => 0),
  reconnectDelay(code, reason, failures, () => 1),
]

t.test('each close code has its wait', async t => {
  const cases: [code: number, reason: string, failures: number, least: number, most: number][] = [
    [1006, '', 0, 0, 1_000],
    [1006, '', 1, 0, 2_000],
    [1006, '', 4, 0, 16_000],
    [1006, '', 5, 0, 30_000],
    [1006, '', 2_000, 0, 30_000],
    [1001, '{"d":9}', 0, 0, 1_000],
    [1012, '{"d":250}', 0, 0, 250],
    [1012, '{"d":0}', 0, 0, 0],
    [1012, '{ "why": "x", "d": 250 }', 0, 0, 250],
    [1012, '', 0, 0, 1_000],
    [1012, '{"d":-5}', 0, 0, 1_000],
    [1012, '{"d":99999999999999999999}', 0, 0, 600_000],
    [1012, '{"d":250}', 5, 0, 250],
    [1012, '{"d":0}', 5, 0, 0],
    [1012, '{"d":0}', 6, 0, 30_000],
    [1013, '', 0, 30_000, 60_000],
    [1013, '{"d":5000}', 0, 5_000, 10_000],
    [4001, '', 0, 0, 5_000],
    [4001, '', 2, 0, 5_000],
    [4001, '', 3, 0, 8_000],
    [4001, '', 5, 0, 30_000],
  ]
  for (const [code, reason, failures, least, most] of cases)
    t.same(range(code, reason, failures), [least, most], `${code} ${reason} after ${failures} failures`)
})

t.test('a document is fetched again after about 5 s, 30 s, 2 min, and then every 10 min', async t => {
  const middle = [1, 2, 3, 4, 50].map(failures => verifyDelay(failures, () => 0.5))
  t.same(middle, [5_000, 30_000, 120_000, 600_000, 600_000])
  t.same([verifyDelay(1, () => 0), verifyDelay(1, () => 1)], [3_750, 6_250])
})

t.test('one that was of another version is first fetched again after about 1, 2 and 4 s', async t => {
  t.same(
    [0, 1, 2].map(lags => lagDelay(lags, () => 0.5)),
    [1_000, 2_000, 4_000],
  )
  t.same([lagDelay(0, () => 0), lagDelay(0, () => 1)], [750, 1_250])
})
