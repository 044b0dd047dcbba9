import { mock } from 'node:test'
import t from 'tap'
import { createBatch } from '../../sidecar/batch.ts'

t.test(
  'lines are written together: after a tenth of a second, when they are many, and at the end',
  async t => {
    mock.timers.enable({ apis: ['setTimeout'] })
    t.teardown(() => mock.timers.reset())
    const written: string[] = []
    const batch = createBatch(lines => void written.push(lines))
    batch.add('1')
    batch.add('2')
    mock.timers.tick(99)
    t.same(written, [])
    mock.timers.tick(1)
    t.same(written, ['1\n2'])
    for (let n = 0; n < 17; n++) batch.add('x'.repeat(1_024))
    t.equal(written.length, 2)
    batch.flush()
    t.equal(written.slice(1).join('\n').length, 17 * 1_024 + 16)
    mock.timers.tick(1_000)
    batch.flush()
    t.equal(written.length, 3, 'nothing is nothing')
  },
)
