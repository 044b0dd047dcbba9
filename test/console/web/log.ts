// The log's rules: what is kept, what is shown, how it reads, and who decides whether it follows.

import t from 'tap'
import { plain, spansOf } from '../../../console/web/src/lib/ansi.ts'
import { followsAfter } from '../../../console/web/src/lib/follow.ts'
import { createLogRing } from '../../../console/web/src/lib/log-ring.ts'
import { blocksOf, isLineShown, marked, written } from '../../../console/web/src/lib/log-view.ts'
import { sampleLine } from '../sample.ts'

const lines = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => sampleLine(from + i))

t.test('of 50,000 lines the last 5,000 are kept, and the others counted', async t => {
  const ring = createLogRing()
  for (let from = 0; from < 50_000; from += 500) ring.add(lines(from, from + 500))
  t.equal(ring.rows().length, 5_000)
  t.equal(ring.skipped(), 45_000)
  t.equal(ring.rows()[0]?.line.id, 'line-45000')
  t.equal(ring.rows()[0]?.number, 45_000)
  t.equal(ring.has('line-44999'), false)
})

t.test('one batch may be longer than all that is kept', async t => {
  const ring = createLogRing(10)
  ring.add(lines(0, 25))
  t.same([ring.rows().length, ring.skipped(), ring.rows()[0]?.line.id], [10, 15, 'line-15'])
  ring.add(lines(25, 27))
  t.same([ring.rows().length, ring.skipped(), ring.rows()[0]?.number], [10, 17, 17])
})

t.test(
  'a line that is told again stays in its place, with what is true now; also three of the same moment are three',
  async t => {
    const ring = createLogRing(10)
    ring.add([0, 1, 2].map(n => sampleLine(n, { at: '2026-11-28T02:00:00Z', text: 'the same' })))
    const before = ring.rows()
    ring.add([sampleLine(1, { count: 7 }), sampleLine(3)])
    t.same(
      ring.rows().map(({ number, line }) => [number, line.id, line.count]),
      [
        [0, 'line-0', 1],
        [1, 'line-1', 7],
        [2, 'line-2', 1],
        [3, 'line-3', 1],
      ],
    )
    t.equal(before.length, 3, 'a pause looks at what it looked at')
  },
)

t.test('a row stays in its block while others are dropped before it', async t => {
  const ring = createLogRing(120)
  ring.add(lines(0, 120))
  const blockOf = (id: string) =>
    blocksOf(ring.rows()).find(({ rows }) => rows.some(({ line }) => line.id === id))?.id
  t.equal(blockOf('line-110'), 2)
  ring.add(lines(120, 180))
  t.equal(blockOf('line-110'), 2)
  t.same(
    blocksOf(ring.rows()).map(({ id, rows }) => [id, rows.length]),
    [
      [1, 40],
      [2, 50],
      [3, 30],
    ],
  )
})

t.test('level and text narrow it', async t => {
  const shown = (
    text: string,
    level: 'info' | 'warning' | 'error',
    line = sampleLine(1, { level: 'warning', text: 'Probe \u001b[1mfailed' }),
  ) => isLineShown(line, { text, level })
  t.ok(shown('', 'info'))
  t.ok(shown('probe FAILED', 'warning'), 'whatever colours are between')
  t.ok(shown('pod web', 'info'))
  t.notOk(shown('', 'error'))
  t.notOk(shown('other', 'info'))
})

t.test('what is looked for is marked wherever it is', async t => {
  t.same(marked('aXbxa', 'x'), ['a', 'X', 'b', 'x', 'a'])
  t.same(marked('abc', ''), ['abc'])
  t.same(marked('abc', 'abc'), ['', 'abc', ''])
})

t.test('a file has a line for each, in UTC, without colours', async t => {
  t.equal(
    written(sampleLine(0, { level: 'error', text: '\u001b[31mno\u001b[0m', count: 3 })),
    '2026-11-28T02:00:00.000Z error   Pod web-6c487dcc49-x2x7k: no (3 times)',
  )
})

t.test('only its reader turns following off or on', async t => {
  const cases: [isFollowing: boolean, fromPx: number, toPx: number, byReader: boolean, expected: boolean][] =
    [
      [true, 1_000, 900, false, true], // lines dropped at the top, or a window made larger
      [true, 1_000, 900, true, false],
      [true, 1_000, 998, true, true], // the end, but for a fraction
      [false, 500, 700, true, false],
      [false, 500, 1_000, true, true],
      [false, 500, 1_000, false, false], // the list became shorter by a filter
      [true, 500, 700, true, true],
    ]
  for (const [isFollowing, fromPx, toPx, byReader, expected] of cases)
    t.equal(
      followsAfter(isFollowing, { fromPx, toPx, endPx: 1_000, byReader }),
      expected,
      `${isFollowing} ${fromPx} ${toPx} ${byReader}`,
    )
})

t.test('colours become classes: 16, 256, true', async t => {
  t.same(spansOf('a\u001b[31mb\u001b[1;92mc\u001b[0md'), [
    { text: 'a', classes: [] },
    { text: 'b', classes: ['fg-1'] },
    { text: 'c', classes: ['fg-10', 'bold'] },
    { text: 'd', classes: [] },
  ])
  t.same(spansOf('\u001b[38;5;196mr\u001b[38;2;0;250;10;4mg\u001b[24;39mx\u001b[48;5;20my'), [
    { text: 'r', classes: ['fg-1'] },
    { text: 'g', classes: ['fg-2', 'underline'] },
    { text: 'x', classes: [] },
    { text: 'y', classes: [] },
  ])
  t.same(spansOf('\u001b[mplain'), [{ text: 'plain', classes: [] }])
})

t.test('what a terminal would obey is left out, what it would show stays', async t => {
  t.equal(
    plain('\u001b]8;;http://evil\u0007link\u001b]8;;\u001b\\ \u001b[2Kand\u0000 text\tx'),
    'link and text\tx',
  )
  t.equal(plain('<script>alert(1)</script>'), '<script>alert(1)</script>')
  t.equal(plain('10%\r50%\r100%\n'), '100%', 'a line that overwrites itself')
  t.equal(plain('a\r\nb\r\n'), 'a\nb')
  t.equal(plain('50%\rdone\nnext'), 'done\nnext')
})
