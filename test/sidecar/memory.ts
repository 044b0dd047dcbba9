// Short of memory, the front gives up the cheapest first, over real sockets; how much memory is in use is told by the test.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import { join } from 'node:path'
import { mock } from 'node:test'
import t from 'tap'
import { excessOf, pressureOf } from '../../sidecar/front/pressure.ts'
import type { Pressure } from '../../sidecar/front/pressure.ts'
import { createSocketBytes, cgroupFolder } from '../../sidecar/cgroup.ts'
import { createMemory, createUsed, memoryLimit } from '../../sidecar/memory.ts'
import type { Test } from 'tap'
import { answering, get, ok, openFront, rawApp, seen } from './front/stage.ts'

const MiB = 1024 * 1024

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
    used: () => ({ bytes: used, socketBytes: 0 }),
    collect: () => {},
    onChange: (pressure: Pressure) => void told.push(pressure),
    onFull: () => {},
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

t.test('nothing is given up for garbage, and nobody stays shut out for it', async t => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const told: string[] = []
  let [live, garbage, collections] = [50, 45, 0]
  const memory = createMemory({
    limitBytes: 100,
    used: () => ({ bytes: live + garbage, socketBytes: 0 }),
    collect() {
      garbage = 0
      collections++
    },
    onChange: pressure => void told.push(pressure),
    onFull: () => void told.push('full'),
    log: () => {},
  })
  memory.open()
  t.teardown(memory.close)
  mock.timers.tick(250)
  t.same([told, collections], [[], 1])
  live = 85
  mock.timers.tick(250)
  t.same([told, collections], [['high'], 2])
  mock.timers.tick(9_750)
  t.equal(collections, 2, 'it stops everything, so not at each look')
  live = 10
  garbage = 75
  mock.timers.tick(250)
  t.same([told, collections], [['high', 'none'], 3], 'an idle process would never collect it by itself')
})

t.test('as long as nobody is let in, what has to go at once is told at each look', async t => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const excesses: number[] = []
  const pressures: Pressure[] = []
  let used = 95
  const memory = createMemory({
    limitBytes: 100,
    used: () => ({ bytes: used, socketBytes: 0 }),
    collect: () => {},
    onChange: pressure => void pressures.push(pressure),
    onFull: bytes => void excesses.push(bytes),
    log: () => {},
  })
  memory.open()
  t.teardown(memory.close)
  mock.timers.tick(500)
  used = 88
  mock.timers.tick(250)
  used = 84
  mock.timers.tick(500)
  t.same(excesses, [15, 15, 8], 'those who are left have filled it again, below the mark')
  t.same(pressures, ['critical', 'high'])
  t.equal(excessOf('high', 89, 100), 0)
})

t.test('what was freed is not in use, though the C library keeps it', async t => {
  const usage = { rss: 70, heapTotal: 12, heapUsed: 10, external: 3, arrayBuffers: 1 }
  const used = createUsed(
    () => 0,
    () => usage,
  )
  t.equal(used().bytes, 70)
  Object.assign(usage, { rss: 400, heapTotal: 60, external: 280 })
  t.equal(used().bytes, 395)
  Object.assign(usage, { rss: 390, heapTotal: 20, external: 3 })
  t.equal(used().bytes, 78)
  Object.assign(usage, { rss: 60 })
  t.equal(used().bytes, 60, 'never more than is resident')
})

/** A cgroup of version 2 as its files; returns its folder, and what writes them. */
function cgroup(t: Test) {
  const folder = t.testdir({ 'memory.max': `${192 * MiB}\n`, self: '3:cpu:/x\n0::/\n' })
  const set = (current: number, sock: number): void => {
    writeFileSync(join(folder, 'memory.current'), `${current * MiB}\n`)
    writeFileSync(join(folder, 'memory.stat'), `anon 1\nfile 2\nsock ${sock * MiB}\nshmem 3\n`)
  }
  return { folder, set }
}

t.test('what the kernel holds for the sockets is in use too', async t => {
  const { folder, set } = cgroup(t)
  const usage = { rss: 60 * MiB, heapTotal: 10 * MiB, heapUsed: 0, external: 0, arrayBuffers: 0 }
  const used = createUsed(createSocketBytes(192 * MiB, folder), () => usage)
  for (const [current, sock, expected, why] of [
    [160, 90, 150, 'clients that do not read'],
    [145, 90, 145, 'pages of files that count for another container'],
    [143, 90, 60, 'all together far from the limit'],
    [190, 0, 60, 'pages of files, which go when there is need'],
  ] as const) {
    set(current, sock)
    t.equal(used().bytes, expected * MiB, why)
  }
  set(160, 90)
  t.equal(used().socketBytes, 90 * MiB)
  t.equal(createSocketBytes(undefined, folder)(0), 0, 'without a limit')
})

t.test('the cgroup is the container’s own, and not that of the machine', async t => {
  const { folder } = cgroup(t)
  const self = (text: string): string => {
    writeFileSync(join(folder, 'self'), text)
    return join(folder, 'self')
  }
  t.equal(cgroupFolder(folder, self('0::/\n')), join(folder, '/'))
  t.equal(cgroupFolder(folder, self('0::/kubepods/pod1/c1\n')), folder, 'mounted as the root')
  mkdirSync(join(folder, 'kubepods/c1'), { recursive: true })
  writeFileSync(join(folder, 'kubepods/c1/memory.max'), 'max\n')
  t.equal(cgroupFolder(folder, self('0::/kubepods/c1\n')), join(folder, 'kubepods/c1'))
  rmSync(join(folder, 'memory.max'))
  t.equal(cgroupFolder(folder, self('0::/\n')), undefined, 'a machine has no limit')
  t.equal(cgroupFolder(folder, self('4:memory:/x\n')), undefined, 'version 1')
})

t.test('those on whom the most waits are cut, tunnels too, and the others go on', async t => {
  const part = Buffer.alloc(64 * 1024)
  const app = await rawApp(t, (socket, got) => {
    const pour = (head: string, bytes: number): void => {
      socket.write(head)
      for (let n = 0; n < bytes; n += part.length) socket.write(part)
    }
    socket.on('data', () => {
      const text = got.text()
      if (text.includes('/tunnel')) pour('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n', 16 * MiB)
      else if (text.includes('/slow'))
        pour(`HTTP/1.1 200 OK\r\nContent-Length: ${16 * MiB}\r\n\r\n`, 16 * MiB)
      else socket.write(ok('x'))
    })
  })
  const { front, dial, logged } = await openFront(t, app.port)
  const reader = dial()
  reader.write(get('/'))
  await reader.until('\r\n\r\nx')
  front.shed(1)
  t.equal(front.counters.shed, 0, 'on whom nothing waits is not cut')
  for (const request of [get('/slow'), get('/tunnel', 'Upgrade: x', 'Connection: Upgrade')]) {
    const slow = dial()
    slow.socket.pause()
    slow.write(request)
    // What the kernel holds is not ours: it takes a while until something waits in the front.
    for (const before = front.counters.shed; front.counters.shed === before; front.shed(1))
      await new Promise(resolve => setTimeout(resolve, 10))
    slow.socket.resume()
    await slow.ended // libuv tells its reader of an end where the kernel had a reset behind the last bytes
    t.ok(slow.bytes().length < 16 * MiB, 'it is cut in the middle')
  }
  t.equal(front.counters.shed, 2)
  t.match(
    logged.filter(({ code }) => code === 'connections_shed'),
    [{ connections: 1 }, { connections: 1 }],
  )
  reader.write(get('/again'))
  await reader.until(/x[^]*\r\n\r\nx/)
})

t.test('of what waits in the kernel each is taken to have its part', async t => {
  const app = await rawApp(t, () => {})
  const { front, dial } = await openFront(t, app.port)
  const head = `${get('/').slice(0, -2)}X: ${'x'.repeat(60 * 1024)}`
  for (let n = 0; n < 4; n++) dial().write(head)
  while (front.counters.open < 4) await seen()
  await new Promise(resolve => setTimeout(resolve, 50))
  front.shed(10 * MiB, 40 * MiB)
  t.equal(front.counters.shed, 1)
})

t.test('who sends a head and never its end is cut too', async t => {
  const app = await rawApp(t, () => {})
  const { front, dial } = await openFront(t, app.port)
  const head = `${get('/').slice(0, -2)}X: ${'x'.repeat(60 * 1024)}`
  const slow = dial()
  slow.write(head)
  for (const deadline = Date.now() + 5_000; front.counters.shed === 0 && Date.now() < deadline; front.shed(1))
    await new Promise(resolve => setTimeout(resolve, 10))
  t.equal(front.counters.shed, 1)
  t.equal(await slow.ended, 'reset')
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
