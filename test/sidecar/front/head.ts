import t from 'tap'
import { edit, field, fields, hasToken, parseLines } from '../../../sidecar/front/head.ts'
import type { Head } from '../../../sidecar/front/head.ts'

function head(...lines: string[]): Head {
  const bytes = Buffer.from([...lines, '', ''].join('\r\n'), 'latin1')
  const parsed = parseLines(bytes, 0)
  if (!parsed) throw new Error(`malformed: ${lines.join('|')}`)
  return { bytes, lines: parsed }
}

t.test('a field is found by its name whatever its case, and trimmed', async t => {
  const message = head('A: 1', 'X-Two:\t two \t', 'x-TWO: three', 'Empty:')
  t.equal(field(message, 'x-two'), 'two')
  t.same(fields(message, 'x-two'), ['two', 'three'])
  t.equal(field(message, 'empty'), '')
  t.equal(field(message, 'x-tw'), undefined)
})

t.test('a token is found in any of the lines', async t => {
  const message = head('Connection: keep-alive , X', 'connection: Upgrade')
  t.ok(hasToken(message, 'connection', 'upgrade'))
  t.ok(hasToken(message, 'connection', 'keep-alive'))
  t.notOk(hasToken(message, 'connection', 'keep'))
})

t.test('an edit changes the lines it is told to, and no other byte', async t => {
  const message = head('hOst:  x', 'Range: bytes=0-', 'Cookie: caf\xe9; a=b', 'RANGE: bytes=1-', 'Last:')
  t.equal(
    edit(message, ['range'], 'Added: 1\r\n').toString('latin1'),
    'hOst:  x\r\nCookie: caf\xe9; a=b\r\nLast:\r\nAdded: 1\r\n\r\n',
  )
  t.equal(edit(message, [], '').toString('latin1'), message.bytes.toString('latin1'))
  t.equal(edit(head('Range: 1'), ['range'], '').toString(), '\r\n')
})

t.test('malformed lines are not lines', async t => {
  for (const line of [
    'a',
    ': b',
    'a : b',
    ' a: b',
    '\ta: b',
    'a: \0',
    'a: b\rc',
    'a: b\nc: d',
    'a(: b',
    'ä: b',
    'a: \x7f',
    'a\t: b',
  ]) {
    t.equal(
      parseLines(Buffer.from(`Host: x\r\n${line}\r\n\r\n`, 'latin1'), 0),
      undefined,
      JSON.stringify(line),
    )
  }
})
