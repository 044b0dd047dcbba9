import t from 'tap'
import { createLog, reason } from '../../protocol/log.ts'

t.test('a line is one JSON object with its time, its message and its fields', async t => {
  const lines: string[] = []
  const log = createLog({ component: 'sidecar' }, line => lines.push(line))
  log('upstream refused', { code: 'ECONNREFUSED', path: '/a\nb' })
  t.equal(lines.length, 1)
  t.notMatch(lines[0], '\n')
  t.match(JSON.parse(lines[0] ?? ''), {
    time: /^\d{4}-\d\d-\d\dT/,
    message: 'upstream refused',
    component: 'sidecar',
    code: 'ECONNREFUSED',
    path: '/a\nb',
  })
})

t.test('the reason of anything thrown is a text', async t => {
  t.equal(reason(new Error('no')), 'no')
  t.equal(reason(Object.assign(new Error('no'), { code: 'EPIPE' })), 'EPIPE: no')
  t.equal(reason('text'), 'text')
})
