// Times, numbers, curves and keys.

import t from 'tap'
import { adoptionInWords, curveOf } from '../../../console/web/src/lib/adoption.ts'
import { age, count, duration, percent } from '../../../console/web/src/lib/format.ts'
import { commandOf } from '../../../console/web/src/lib/keys.ts'

t.test('ages have one unit, durations two', async t => {
  const cases: [ms: number, age: string, duration: string][] = [
    [-5_000, '0s', '0s'],
    [0, '0s', '0s'],
    [999, '0s', '0s'],
    [59_999, '59s', '59s'],
    [60_000, '1m', '1m'],
    [72_000, '1m', '1m 12s'],
    [11_100_000, '3h', '3h 5m'],
    [90_000_000, '1d', '1d 1h'],
    [86_400_000 * 40, '40d', '40d'],
  ]
  for (const [ms, short, long] of cases) t.same([age(ms), duration(ms)], [short, long], `${ms}`)
})

t.test('shares are never said to be all or nothing as long as they are not', async t => {
  t.same(
    [percent(0, 10), percent(1, 1_000), percent(999, 1_000), percent(10, 10), percent(1, 3), percent(0, 0)],
    ['0%', '1%', '99%', '100%', '33%', '–'],
  )
  t.same([count(1, 'tab'), count(1_204, 'tab'), count(0, 'pod')], ['1 tab', '1,204 tabs', '0 pods'])
})

t.test('the curve fills its box, and says in words what it shows', async t => {
  const adoption: [number, number, number][] = [
    [0, 0, 100],
    [30, 50, 100],
    [60, 100, 100],
  ]
  t.same(curveOf(adoption, 600, 100), {
    line: 'M0 100L300 50L600 0',
    area: 'M0 100L300 50L600 0L600 100L0 100Z',
    from: 0,
    to: 60,
  })
  t.equal(
    adoptionInWords({ adoption, current: 100, total: 100 }),
    '100% of 100 tabs show the current version: 50% after 30s, 90% after 1m, all after 1m',
  )
  t.equal(
    adoptionInWords({ adoption: [...adoption, [90, 80, 100]], current: 80, total: 100 }),
    '80% of 100 tabs show the current version: 50% after 30s',
    'some came back',
  )
})

t.test('what the first sample of younger pods has already was reached nobody knows when', async t => {
  const late: [number, number, number][] = [
    [259_200, 200, 200],
    [259_260, 200, 200],
  ]
  t.equal(
    adoptionInWords({ adoption: late, current: 200, total: 200 }),
    '100% of 200 tabs show the current version',
  )
  t.equal(curveOf(late, 600, 100)?.from, 259_200)
  t.equal(
    adoptionInWords({ adoption: [[259_200, 120, 200], [259_260, 200, 200]], current: 200, total: 200 }), // prettier-ignore
    '100% of 200 tabs show the current version: 90% after 3d, all after 3d',
  )
})

t.test('how it stands is what is counted now, whatever the last sample was', async t => {
  const adoption: [number, number, number][] = [
    [0, 0, 100],
    [60, 100, 100],
  ]
  t.equal(adoptionInWords({ adoption, current: 30, total: 120 }), '25% of 120 tabs show the current version')
  t.equal(
    adoptionInWords({ adoption: [[0, 0, 10]], current: 12, total: 12 }),
    '100% of 12 tabs show the current version',
    'when is not known',
  )
})

t.test('until the rollout is finished, how many have come to the new version already', async t => {
  t.equal(
    adoptionInWords({ adoption: [[0, 0, 1_204]], current: 12, total: 1_204 }, 'rolling'),
    '12 of 1,204 tabs show the new version',
  )
})

t.test('there is no curve without two points, and no division by no tabs', async t => {
  t.equal(curveOf([], 1, 1), undefined)
  t.equal(curveOf([[5, 1, 1]], 1, 1), undefined)
  t.equal(adoptionInWords({ adoption: [], current: 0, total: 1 }), '0% of 1 tab shows the current version')
  t.equal(adoptionInWords({ adoption: [[5, 0, 0]], current: 0, total: 0 }), 'No tab is open')
  t.equal(curveOf([[0, 0, 0], [1, 0, 0]], 10, 10)?.line, 'M0 0L10 0') // prettier-ignore
})

t.test('keys do nothing while somebody writes, nor with a modifier', async t => {
  const press = (key: string, tagName = 'BODY', change = {}) =>
    commandOf(
      { key, ctrlKey: false, metaKey: false, altKey: false, isComposing: false, ...change },
      { tagName, isContentEditable: false },
    )
  t.same(
    ['/', 'j', 'k', 'Enter', '?', 'f', 'p', 'x'].map(key => press(key)),
    ['filter', 'down', 'up', 'open', 'help', 'follow', 'pause', undefined],
  )
  for (const tagName of ['INPUT', 'TEXTAREA', 'SELECT']) t.equal(press('j', tagName), undefined, tagName)
  for (const change of [{ ctrlKey: true }, { metaKey: true }, { altKey: true }, { isComposing: true }])
    t.equal(press('f', 'BODY', change), undefined)
  t.equal(press('Enter', 'A'), undefined, 'a link opens itself')
  t.equal(press('j', 'A'), 'down')
})
