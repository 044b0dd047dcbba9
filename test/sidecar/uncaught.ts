import { EventEmitter } from 'node:events'
import t from 'tap'
import { surviveErrors } from '../../sidecar/uncaught.ts'

function setUp() {
  const program = new EventEmitter()
  const reasons: unknown[] = []
  let ends = 0
  let time = 0
  surviveErrors(
    program,
    (_, fields) => reasons.push(fields?.reason),
    () => ends++,
    () => time,
  )
  return { reasons, ends: () => ends, fail }

  function fail(afterMs: number, error: unknown = new Error('broken')): void {
    time += afterMs
    program.emit('uncaughtException', error)
  }
}

t.test('single errors are logged and lived with, however many in the long run', async t => {
  const { fail, ends, reasons } = setUp()
  for (let i = 0; i < 50; i++) fail(7_000)
  fail(7_000, 'thrown text')
  t.equal(ends(), 0)
  t.equal(reasons.length, 51)
  t.same([reasons[0], reasons.at(-1)], ['broken', 'thrown text'])
})

t.test('ten within a minute end the process', async t => {
  const { fail, ends } = setUp()
  for (let i = 0; i < 9; i++) fail(1_000)
  t.equal(ends(), 0)
  fail(1_000)
  t.equal(ends(), 1)
})
