// Short of memory, the front gives up the cheapest first, over real sockets; how much memory is in use is told by the test.

import { totalmem } from 'node:os'
import { mock } from 'node:test'
import t from 'tap'
import { pressureOf } from '../../sidecar/front/pressure.ts'
import type { Pressure } from '../../sidecar/front/pressure.ts'
import { createMemory, memoryLimit } from '../../sidecar/memory.ts'
import { answering, get, ok, openFront } from './front/stage.ts'

t.test('what is given up comes back a margin lower than it went', async t => {
  const steps: [used: number, pressure: Pressure][] = [
    [0.79, 'none'],
    [0.8, 'high'],
    [0.76, 'high'],
    [0.74, 'none'],
    [0.9, 'critical'],
    [0.86, 'critical'],
    [0.84, 'high'],
    [0.89, 'high'],
    [0.95, 'critical'],
    [0.5, 'none'],
  ]
  let pressure: Pressure = 'none'
  for (const [used, expected] of steps) {
    pressure = pressureOf(pressure, used)
    t.equal(pressure, expected, `${used}`)
  }
})

t.test('the limit is the one that is given, else the container’s, else there is none', async t => {
  const MiB = 1024 * 1024
  t.equal(memoryLimit(96, 192 * MiB), 96 * MiB)
  t.equal(memoryLimit(undefined, 192 * MiB), 192 * MiB)
  t.equal(memoryLimit(0, 192 * MiB), undefined)
  for (const unlimited of [0, 2 ** 64, totalmem() + 1]) t.equal(memoryLimit(undefined, unlimited), undefined)
})

t.test('each change is told and logged once, and without a limit there is none', async t => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const told: string[] = []
  let used = 0
  const options = {
    usedBytes: () => used,
    onChange: (pressure: Pressure) => void told.push(pressure),
    log: (message: string) => void told.push(message),
  }
  const memory = createMemory({ ...options, limitBytes: 100 })
  const without = createMemory({ ...options, limitBytes: undefined })
  memory.open()
  without.open()
  t.teardown(memory.close)
  for (used of [10, 85, 85, 95, 95, 10, 10]) mock.timers.tick(1_000)
  t.same(
    told,
    ['high', 'critical', 'none'].flatMap(pressure => ['memory pressure', pressure]),
  )
})

t.test('first the cache goes, then new connections are refused, and what runs goes on', async t => {
  const asset = ok('x', 'Cache-Control: max-age=31536000, immutable')
  const app = await answering(t, () => asset)
  const { front, dial } = await openFront(t, app.port)
  const client = dial()
  let asked = 0
  const ask = async (): Promise<void> => {
    client.write(get('/index-BpZ1z3aQ.js'))
    const answers = new RegExp(`(?:HTTP/1\\.1 200 [^]*?\\r\\n\\r\\nx){${++asked}}`)
    await client.until(answers)
  }
  await ask()
  t.equal(front.cached().entries, 1)

  front.press('high')
  t.match(front.cached(), { entries: 0, bytes: 0 })
  await ask()
  t.equal(front.cached().entries, 0, 'nothing is kept')
  const other = dial()
  other.write(get('/'))
  await other.until('\r\n\r\nx')

  front.press('critical')
  await ask()
  const late = dial()
  late.write(get('/'))
  t.match(await late.until('\r\n\r\n'), /^HTTP\/1\.1 503 Service Unavailable\r\nRetry-After: 1\r\n/)
  t.match(front.counters, { turnedAway: 0, turnedAwayMemory: 1 })

  front.press('none')
  await ask()
  t.equal(front.cached().entries, 1)
  const next = dial()
  next.write(get('/'))
  await next.until('\r\n\r\nx')
})
