// The static mode as a process, bundled as the image has it, alone and as the app behind a real sidecar.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { get as httpGet } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { freePort, startProgram } from '../../cluster/process.ts'
import { until } from '../../cluster/wait.ts'
import { bundle } from '../bundle.ts'
import { podAddress, podEnvironment } from '../pod-environment.ts'
import { runDir } from '../run-dir.ts'
import { releaseState } from '../state.ts'
import { createVolume } from '../volume.ts'

const page = '<!doctype html><title>shop</title>'
const script = 'start()'
const dist = t.testdir({ 'client.js': 'export {}\n' })
await bundle(dist, { sidecar: 'sidecar/main.ts' })

t.test('it serves the folder, and nothing else', async t => {
  const { get, said } = await startStatic(t)
  t.match(await get('/'), { status: 200, body: page, headers: { 'cache-control': 'no-cache' } })
  t.match(await get('/orders/17', { accept: 'text/html' }), { status: 200, body: page })
  t.match(await get('/_app/immutable/start.js'), {
    status: 200,
    body: script,
    headers: { 'cache-control': /immutable/ },
  })
  t.match(await get('/_app/immutable/gone.js'), { status: 404, headers: { 'cache-control': 'no-store' } })
  t.match(await get('/__spa/version'), { status: 404 })
  t.match(said('static started'), { version: '1.2.3', files: 2, bytes: page.length + script.length })
})

t.test('below a base path, which an Ingress has left in place', async t => {
  const { get } = await startStatic(t, { SPA_BASE_PATH: '/shop/' })
  t.match(await get('/shop/'), { status: 200, body: page })
  t.match(await get('/shop'), { status: 301, headers: { location: './shop/' } })
  t.match(await get('/'), { status: 404 })
})

t.test('a folder that is not what it should be stops the start, and the reason is one line', async t => {
  const root = t.testdir({ empty: {}, large: { 'index.html': page, 'large.bin': 'x'.repeat(1024 * 1024) } })
  for (const [folder, why] of [
    ['empty', /^SPA_ROOT: .*empty has no index\.html, among 0 files$/],
    ['large', /^SPA_ROOT: .*large has more than 1 MiB of files$/],
    ['gone', /^SPA_ROOT: ENOENT/],
  ] as const) {
    const { program, said } = run(t, {
      SPA_ROOT: join(root, folder),
      SPA_ROOT_MIB: '1',
      SPA_PORT: `${await freePort()}`,
    })
    await t.rejects(program.failed, folder)
    t.match(said('sidecar cannot start'), { code: 'start_failed', reason: why }, folder)
  }
})

t.test('at the end it still answers who comes, and asks everybody to go elsewhere', async t => {
  const { get, program, said } = await startStatic(t)
  const ended = program.stop('SIGTERM')
  const answer = await until('an answer that closes', async () => {
    const its = await get('/', { connection: 'keep-alive' })
    return its.headers.connection === 'close' && its
  })
  t.match(answer, { status: 200, body: page })
  await ended
  t.ok(said('static ended'))
})

t.test('behind the front its pages say what they are, and a missing asset stays missing', async t => {
  const address = podAddress(1)
  const { port } = await startStatic(t, { SPA_LISTEN_ADDRESS: address })
  const dir = runDir(t)
  createVolume(join(dir, 'pod')).write(JSON.stringify(releaseState()))
  const sidecar = run(t, podEnvironment(dir, address, port))
  await Promise.race([until('the sidecar', () => sidecar.said('sidecar started')), sidecar.program.failed])
  const get = (path: string, headers = {}) => fetchText(`http://${address}:14020${path}`, headers)
  const first = await until('the app behind it', () => get('/', { accept: 'text/html' }))
  t.match(first, { status: 200, body: page, headers: { 'server-timing': /spa;desc="web-6c487dcc49"/ } })
  const again = await get('/', { accept: 'text/html', 'if-none-match': first.headers.etag })
  t.match(again, { status: 200, body: page }, 'a page comes whole')
  for (let i = 0; i < 3; i++) {
    const { status, body } = await get('/_app/immutable/start.js', { 'sec-fetch-dest': 'script' })
    t.same([status, body], [200, script])
  }
  const gone = await get('/_app/immutable/gone.js', { accept: '*/*', 'sec-fetch-dest': 'script' })
  t.match(gone, { status: 404, body: 'not found\n', headers: { 'cache-control': 'no-store' } })
  t.match(await get('/__spa/version'), { status: 200 })
})

async function startStatic(t: Test, env: Record<string, string> = {}) {
  const root = t.testdir({ 'index.html': page, _app: { immutable: { 'start.js': script } } })
  const port = await freePort()
  const host = env.SPA_LISTEN_ADDRESS ?? '127.0.0.1'
  const its = run(t, { SPA_ROOT: root, SPA_PORT: `${port}`, SPA_LISTEN_ADDRESS: host, ...env })
  await Promise.race([until('the start', () => its.said('static started')), its.program.failed])
  return {
    ...its,
    port,
    get: (path: string, headers = {}) => fetchText(`http://${host}:${port}${path}`, headers),
  }
}

function run(t: Test, env: Record<string, string>) {
  const dir = mkdtempSync(join(tmpdir(), 'spa-static-'))
  const log = join(dir, 'log')
  const program = startProgram(process.execPath, [join(dist, 'sidecar.js')], { log, env })
  t.teardown(async () => {
    await program.stop()
    rmSync(dir, { recursive: true, force: true })
  })
  return { program, said }

  /** The line of the log with that message. */
  function said(message: string): Record<string, unknown> | undefined {
    const line = readFileSync(log, 'utf8')
      .split('\n')
      .find(text => text.includes(`"message":"${message}"`))
    return line === undefined ? undefined : (JSON.parse(line) as Record<string, unknown>)
  }
}

async function fetchText(url: string, headers: Record<string, string>) {
  const request = httpGet(url, { agent: false, headers })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  let body = ''
  for await (const chunk of response.setEncoding('utf8')) body += String(chunk)
  return { status: response.statusCode, headers: response.headers, body }
}
