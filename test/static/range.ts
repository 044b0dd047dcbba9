import t from 'tap'
import { parseRange } from '../../static/range.ts'

t.test('one range of ten bytes (RFC 9110 §14.1.2)', async t => {
  const cases: [value: string, expected: ReturnType<typeof parseRange>][] = [
    ['bytes=0-0', { from: 0, to: 0 }],
    ['bytes=2-4', { from: 2, to: 4 }],
    ['Bytes= 2-4 ', { from: 2, to: 4 }],
    ['bytes=2-', { from: 2, to: 9 }],
    ['bytes=2-99', { from: 2, to: 9 }],
    ['bytes=-3', { from: 7, to: 9 }],
    ['bytes=-99', { from: 0, to: 9 }],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=10-', 'unsatisfiable'],
    ['bytes=99-100', 'unsatisfiable'],
    ['bytes=4-2', undefined],
    ['bytes=-', undefined],
    ['bytes=0-1,3-4', undefined],
    ['bytes=a-b', undefined],
    ['lines=0-1', undefined],
  ]
  for (const [value, expected] of cases) t.same(parseRange(value, 10), expected, value)
  t.equal(parseRange('bytes=-5', 0), 'unsatisfiable')
  t.equal(parseRange('bytes=0-', 0), 'unsatisfiable')
})
