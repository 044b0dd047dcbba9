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
    seconds: 60,
  })
  t.equal(
    adoptionInWords(adoption),
    '100% of 100 tabs show the current version: 50% after 30s, 90% after 1m, all after 1m',
  )
  t.equal(
    adoptionInWords([...adoption, [90, 80, 100]]),
    '80% of 100 tabs show the current version: 50% after 30s',
    'some came back',
  )
})

t.test('there is no curve without two points, and no division by no tabs', async t => {
  t.equal(curveOf([], 1, 1), undefined)
  t.equal(curveOf([[5, 1, 1]], 1, 1), undefined)
  t.equal(adoptionInWords([]), 'Not measured yet')
  t.equal(adoptionInWords([[5, 0, 0]]), 'No tab is open')
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
