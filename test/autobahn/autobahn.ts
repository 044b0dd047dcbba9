// The Autobahn testsuite's WebSocket cases: an app's echo server and the version server, each alone and through the front.
// The front must not change a verdict. `SPA_AUTOBAHN=*` runs all cases, those that measure speed and compression too.

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual, promisify } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocketServer } from 'ws'
import { httpApp, openFront } from '../sidecar/front/stage.ts'
import { startVersionServer } from '../sidecar/server/version-server.ts'

const cache =
  process.env.SPA_TEST_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'spa-reloader')
const wstest = join(cache, 'autobahn-25.10.1/bin/wstest')

/** By case: how the server behaved, and how it closed. */
type Verdicts = Record<string, { behavior: string; behaviorClose: string }>

t.test('an app’s echo server behaves through the front as it does alone', async t => {
  const { port: alone, server } = await httpApp(t, (_, res) => res.end())
  const sockets = new WebSocketServer({ server, perMessageDeflate: true })
  sockets.on('connection', socket => {
    socket.on('message', (data: Buffer, isBinary) => socket.send(data, { binary: isBinary }))
    socket.on('error', () => {})
  })
  const { port, front } = await openFront(t, alone)
  const cases = process.env.SPA_AUTOBAHN ? [process.env.SPA_AUTOBAHN] : cheap
  const verdicts = await run(t, { alone: `ws://127.0.0.1:${alone}`, front: `ws://127.0.0.1:${port}` }, cases)
  compare(t, verdicts.alone, verdicts.front)
  const failed = Object.entries(verdicts.front).filter(
    ([, { behavior }]) => !/^(?:OK|NON-STRICT|INFORMATIONAL)$/.test(behavior),
  )
  t.same(failed, [], 'and all cases pass')
  t.match(front.counters, { unframed: 0, malformed: 0, opaque: 0 })
})

t.test('the version server, which takes no messages, behaves through the front as it does alone', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'autobahn-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const socketPath = join(folder, 'v.sock')
  await startVersionServer(t, { listen: socketPath, maxTabs: 1_000 })
  const wire = createServer(client => {
    const server = connect(socketPath)
    client.on('error', () => server.destroy()).on('close', () => server.destroy())
    server.on('error', () => client.destroy()).on('close', () => client.destroy())
    client.pipe(server).pipe(client)
  }).listen(0, '127.0.0.1')
  await once(wire, 'listening')
  t.teardown(() => wire.close())
  const alone = (wire.address() as AddressInfo).port
  const app = await httpApp(t, (_, res) => res.end())
  const { port } = await openFront(t, app.port, { versionSocket: socketPath })
  const path = '/__spa/ws'
  const verdicts = await run(
    t,
    { alone: `ws://127.0.0.1:${alone}${path}`, front: `ws://127.0.0.1:${port}${path}` },
    cheap,
  )
  compare(t, verdicts.alone, verdicts.front)
})

const cheap = ['1.*', '2.*', '3.*', '4.*', '5.*', '6.*', '7.*', '10.*']

function compare(t: Test, alone: Verdicts, front: Verdicts): void {
  t.ok(Object.keys(alone).length > 200, `${Object.keys(alone).length} cases`)
  t.same(front, alone)
  const counts: Record<string, number> = {}
  for (const { behavior } of Object.values(front)) counts[behavior] = (counts[behavior] ?? 0) + 1
  t.comment(`${Object.keys(front).length} cases: ${JSON.stringify(counts)}`)
}

/** The suite gives each answer a second: where a slow machine may have made the difference it is asked again. */
async function run(
  t: Test,
  servers: Record<'alone' | 'front', string>,
  cases: string[],
): Promise<{ alone: Verdicts; front: Verdicts }> {
  const { alone, front } = await runOnce(t, servers, cases)
  for (let again = 0; again < 3; again++) {
    const doubted = Object.keys(front).filter(name => !isDeepStrictEqual(front[name], alone[name]))
    if (doubted.length === 0 || doubted.length > 20) break
    t.comment(`asked again: ${doubted.join(', ')}`)
    const second = await runOnce(t, servers, doubted)
    Object.assign(alone, second.alone)
    Object.assign(front, second.front)
  }
  return { alone, front }
}

async function runOnce(t: Test, servers: Record<string, string>, cases: string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'autobahn-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const spec = join(folder, 'spec.json')
  writeFileSync(
    spec,
    JSON.stringify({
      outdir: folder,
      servers: Object.entries(servers).map(([agent, url]) => ({ agent, url })),
      cases,
      'exclude-cases': [],
      'exclude-agent-cases': {},
    }),
  )
  await promisify(execFile)(wstest, ['-m', 'fuzzingclient', '-s', spec], { cwd: folder, maxBuffer: 1 << 28 })
  const index = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')) as Record<string, Verdicts>
  return { alone: verdictsOf(index.alone), front: verdictsOf(index.front) }
}

function verdictsOf(index: Verdicts = {}): Verdicts {
  return Object.fromEntries(
    Object.entries(index).map(([name, { behavior, behaviorClose }]) => [name, { behavior, behaviorClose }]),
  )
}
