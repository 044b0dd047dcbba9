// The sidecar as a process, before a real app, bundled as the image has it.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { createServer, get as httpGet } from 'node:http'
import { join } from 'node:path'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import t from 'tap'
import { WebSocket } from 'ws'
import { parseMessage } from '../../protocol/message.ts'
import { bundle } from './bundle.ts'
import { podAddress, podEnvironment } from './pod-environment.ts'
import { runDir } from './run-dir.ts'
import { newId, releaseState } from './state.ts'
import { createVolume } from './volume.ts'
import type { IncomingMessage, RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import type { HeardState } from '../../protocol/message.ts'

const script = 'export {}\n'
const dist = t.testdir({ 'client.js': script })
await bundle(dist, { sidecar: 'sidecar/main.ts', drain: 'sidecar/drain/main.ts' })

const page: RequestListener = (_, response) => response.setHeader('Content-Type', 'text/html').end('<h1>')

let pods = 0

/** Of the environment; what depends on the app's port is told it. */
type Change = Record<string, string> | ((port: number) => Record<string, string>)

/** A pod with an address of its own: an app in this process, and the sidecar as another. */
async function startPod(t: Test, change: Change = {}, handle = page, openFiles?: number) {
  const address = podAddress(++pods)
  const dir = runDir(t)
  const volume = createVolume(join(dir, 'pod'))
  volume.write(JSON.stringify(releaseState({ serial: 1 })))
  const app = createServer({ keepAliveTimeout: 60_000 }, handle)
  app.listen(0, address)
  await once(app, 'listening')
  t.teardown(endApp)
  const { port } = app.address() as AddressInfo
  const env = {
    ...podEnvironment(dir, address, port),
    ...(typeof change === 'function' ? change(port) : change),
  }
  const sidecar = run(t, 'sidecar', env, openFiles)
  await sidecar.says('sidecar started')
  return { address, app, volume, env, sidecar, endApp, get, admin, tab, preStop }

  function endApp(): void {
    app.close()
    app.closeAllConnections()
  }

  function get(path: string): Promise<Answer> {
    return fetchText(`http://${address}:14020${path}`)
  }

  function admin(path: string): Promise<Answer> {
    return fetchText(`http://${address}:14021${path}`)
  }

  function tab(headers: Record<string, string> = {}) {
    return openTab(`ws://${address}:14020/shop/__spa/ws?v=web-6c487dcc49`, headers)
  }

  function preStop() {
    return run(t, 'drain', { SPA_RUN_DIR: dir })
  }
}

function run(t: Test, program: string, env: Record<string, string>, openFiles?: number) {
  const limit = openFiles ? `ulimit -n ${openFiles};` : ''
  const command = [process.execPath, join(dist, `${program}.js`)]
  const child = spawn('sh', ['-c', `${limit} exec "$@"`, 'sh', ...command], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: string[] = []
  let wake = () => {}
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on('line', line => {
      lines.push(line)
      wake()
    })
  }
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string)
  t.teardown(() => void child.kill('SIGKILL'))
  return { child, lines, ended, says }

  async function says(message: string): Promise<void> {
    const isSaid = () => lines.some(line => line.includes(`"message":"${message}"`))
    void ended.then(() => wake())
    while (!isSaid()) {
      if (child.exitCode !== null) throw new Error(`ended without saying ${message}:\n${lines.join('\n')}`)
      await new Promise<void>(resolve => (wake = resolve))
    }
  }
}

interface Answer {
  status: number
  headers: IncomingMessage['headers']
  body: string
}

async function fetchText(url: string): Promise<Answer> {
  const request = httpGet(url, { agent: false })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  let body = ''
  for await (const chunk of response.setEncoding('utf8')) body += String(chunk)
  return { status: response.statusCode!, headers: response.headers, body }
}

function openTab(url: string, headers: Record<string, string>) {
  const socket = new WebSocket(url, ['spa-reloader.v1'], { headers })
  const messages: HeardState[] = []
  let wake = () => {}
  socket.on('message', (data: Buffer) => {
    messages.push(parseMessage(String(data)) as HeardState)
    wake()
  })
  const closed = once(socket, 'close').then(([code, reason]) => ({
    code: Number(code),
    reason: String(reason),
  }))
  closed.catch(() => {})
  return { socket, closed, next }

  async function next(): Promise<HeardState> {
    while (messages.length === 0) await new Promise<void>(resolve => (wake = resolve))
    return messages.shift()!
  }
}

/** Whether it is still waiting after so long. That something has ended is waited for instead. */
const isPending = (promise: Promise<unknown>, ms: number) =>
  Promise.race([promise.then(() => false), new Promise<true>(resolve => setTimeout(() => resolve(true), ms))])

t.test('with capture env, an app that has not moved is left alone, and the pod is ready', async t => {
  const { address, sidecar, admin } = await startPod(t, port => ({
    SPA_CAPTURE: 'env',
    SPA_FRONT_PORT: String(port),
    SPA_APP_PORT: '14022',
  }))
  await sidecar.says('the app does not heed PORT: nothing passes the sidecar')
  const front = sidecar.lines.map(line => /"port":(\d+)/.exec(line)?.[1]).find(Boolean)
  t.match((await fetchText(`http://${address}:${front}/`)).body, '<h1>', 'the app itself')
  t.equal((await admin('/readyz')).status, 200)
  t.match((await admin('/metrics')).body, /^spa_reloader_front_passive 1$/m)
})

t.test('the metrics tell what is in memory, and how often it was asked for', async t => {
  const { get, admin } = await startPod(t, {}, (_, response) =>
    response.setHeader('Cache-Control', 'max-age=31536000, immutable').end('export {}'),
  )
  t.match((await admin('/metrics')).body, /^spa_reloader_front_cached_entries 0$/m)
  await get('/assets/index-BpZ1z3aQ.js')
  await get('/assets/index-BpZ1z3aQ.js')
  const { body } = await admin('/metrics')
  t.match(body, /^spa_reloader_front_cached_entries 1$/m)
  t.match(body, /^spa_reloader_front_cached_bytes [1-9]\d+$/m)
  t.match(body, /^spa_reloader_front_cache_hits_total 1$/m)
  t.match(body, /^spa_reloader_front_cache_misses_total 1$/m)
  t.match(body, /^spa_reloader_front_refused_total\{why="head_time"\} 0$/m)
})

t.test('a process near the end of its memory lets nobody new in, says so, and tells its metrics', async t => {
  const { sidecar, get, admin } = await startPod(t, { SPA_MEMORY_MIB: '20' })
  await sidecar.says('memory pressure')
  t.equal((await get('/')).status, 503)
  const { body } = await admin('/metrics')
  t.match(body, /^spa_reloader_memory_limit_bytes 20971520$/m)
  t.match(body, /^spa_reloader_memory_pressure 2$/m)
  t.match(body, /^spa_reloader_front_turned_away_total\{why="memory"\} 1$/m)
})

t.test('with the access log each answer is one line, also the last before the end', async t => {
  const { sidecar, get } = await startPod(t, { SPA_ACCESS_LOG: 'json', SPA_DRAIN_SEC: '0' })
  await get('/one?secret')
  await sidecar.says('answer')
  await get('/two')
  sidecar.child.kill('SIGTERM')
  await sidecar.ended
  const lines = sidecar.lines.filter(line => line.includes('"access"'))
  t.match(
    lines.map(line => JSON.parse(line) as object),
    [{ message: 'answer', method: 'GET', path: '/one', status: 200, from: 'app' }, { path: '/two' }],
  )
  t.match(lines[0], /^\{"time":"[^"]+Z","message":"answer"/)
  t.notMatch(lines.join(), 'secret')
})

t.test('a process that may open few files lowers its connection cap, says so, and serves', async t => {
  const { sidecar, get, address } = await startPod(t, {}, page, 512)
  const line = sidecar.lines.find(line => line.includes('connection cap lowered')) ?? '{}'
  t.match(JSON.parse(line), { code: 'connections_lowered', from: 10_000, to: 128, openFiles: 512 })
  t.equal((await get('/')).status, 200)
  const held = Array.from({ length: 128 }, () => connect(14_020, address))
  t.teardown(() => held.forEach(socket => socket.destroy()))
  await Promise.all(held.map(socket => once(socket, 'connect')))
  t.equal((await get('/')).status, 503)
})

t.test('a wrong environment ends it at once with one line that names the variable', async t => {
  const given = {
    SPA_MODE: 'sidecar',
    SPA_NAMESPACE: 'shop',
    SPA_NAME: 'web',
    SPA_HASH: 'a',
    SPA_POD_IP: '127.0.0.1',
  }
  const { lines, ended } = run(t, 'sidecar', given)
  t.equal(await ended, 1)
  t.equal(lines.length, 1)
  t.match(lines[0], /SPA_APP_PORT/)
})

t.test('a port that is taken ends it with one line', async t => {
  const { env } = await startPod(t)
  const { lines, ended } = run(t, 'sidecar', { ...env, SPA_FRONT_PORT: '14022', SPA_RUN_DIR: runDir(t) })
  t.equal(await ended, 1)
  t.match(lines.at(-1), /EADDRINUSE/)
})

t.test('SIGTERM while it starts ends it at once', async t => {
  // Its start lasts as long as reading the script does.
  mkdirSync(join(dist, 'held'))
  copyFileSync(join(dist, 'sidecar.js'), join(dist, 'held', 'sidecar.js'))
  const pipe = join(dist, 'held', 'client.js')
  execFileSync('mkfifo', [pipe])
  const { child, ended, lines } = run(t, 'held/sidecar', {
    SPA_MODE: 'sidecar',
    SPA_NAMESPACE: 'shop',
    SPA_NAME: 'web',
    SPA_HASH: '6c487dcc49',
    SPA_POD_IP: '127.0.0.1',
    SPA_APP_PORT: '1',
    SPA_RUN_DIR: runDir(t),
  })
  const held = await open(pipe, 'w') // waits for its reader
  child.kill('SIGTERM')
  await held.close()
  t.equal(await ended, 0)
  t.same(lines, [])
})

t.test('started before an app, everything answers, and a swap of the file reaches a tab', async t => {
  const { get, admin, tab, volume, sidecar } = await startPod(t)
  t.match(await admin('/readyz'), { status: 200 })
  t.match(await get('/'), {
    status: 200,
    body: '<h1>',
    headers: { 'server-timing': `spa;desc="web-6c487dcc49", spa-id;desc="${newId}"` },
  })
  t.match(await get('/shop/__spa/client.js'), { status: 200, body: script })
  t.match(parseMessage((await get('/__spa/version')).body), { serial: 1 })

  const { next } = tab()
  t.match(await next(), { type: 'state', serial: 1, phase: 'ready' })
  volume.write(JSON.stringify(releaseState({ serial: 2, revision: 8, phase: 'rolling' })))
  t.match(await next(), { serial: 2, phase: 'rolling' })

  const { body } = await admin('/metrics')
  t.match(body, /^spa_reloader_build_info\{version="1\.2\.3"\} 1$/m)
  t.match(body, /^spa_reloader_tabs\{page="web-6c487dcc49"\} 1$/m)
  const pages = [['web-6c487dcc49', 1]]
  t.match(JSON.parse((await admin('/tabs')).body), { total: 1, unnamed: 0, pages, history: { revision: 8 } })
  t.match(body, /^spa_reloader_release_serial 2$/m)
  t.match(body, /^spa_reloader_release_revision 8$/m)
  t.match(body, /^spa_reloader_release_ready 0$/m)
  t.match(body, /^spa_reloader_messages_sent_total\{type="state"\} 2$/m)
  t.match(body, /^spa_reloader_front_requests_total 1$/m)
  t.match(body, /^process_resident_memory_bytes \d+$/m)

  const [line = '{}'] = sidecar.lines.filter(line => line.includes('"sidecar started"'))
  t.comment(line)
})

t.test('bad input is refused or survived, and good input goes on', async t => {
  const { get, admin, tab, volume, sidecar } = await startPod(t)
  const good = tab()
  await good.next()

  volume.write('{"name":"web",')
  await sidecar.says('release file malformed')
  volume.write(JSON.stringify(releaseState({ name: 'api', serial: 9 })))
  await sidecar.says('release state of another deployment refused')

  const foreign = tab({ Origin: 'https://evil.example' }).socket
  const [error] = (await once(foreign, 'error')) as [Error]
  t.match(error.message, /403/)

  const huge = tab()
  await huge.next()
  huge.socket.send('x'.repeat(1 << 20))
  await huge.closed

  volume.write(JSON.stringify(releaseState({ serial: 2 })))
  t.match(await good.next(), { serial: 2 })
  t.equal((await get('/')).status, 200)
  t.match((await admin('/metrics')).body, /^spa_reloader_feed_errors_total\{feed="downward"\} 1$/m)
})

t.test('without a file there is no state, and traffic passes', async t => {
  const { get, admin } = await startPod(t, { SPA_POD_DIR: '/nowhere' })
  t.match(await admin('/readyz'), { status: 200 })
  t.match(await get('/'), { status: 200, headers: { 'server-timing': 'spa;desc="web-6c487dcc49"' } })
  t.equal((await get('/__spa/version')).status, 503)
})

t.test('killed and started again in the same pod, it serves again', async t => {
  const { sidecar, env, get } = await startPod(t)
  sidecar.child.kill('SIGKILL')
  await sidecar.ended
  await run(t, 'sidecar', env).says('sidecar started')
  t.equal((await get('/')).status, 200)
  t.equal((await get('/__spa/version')).status, 200)
})

t.test(
  'plain container: preStop sends tabs away and lasts as long as the app, SIGTERM then ends it',
  async t => {
    const { sidecar, tab, get, preStop, endApp } = await startPod(t)
    const { next, closed } = tab()
    await next()
    const hook = preStop()
    t.match(await closed, { code: 1012, reason: /^\{"d":\d+\}$/ })
    t.match(await get('/'), { status: 200, headers: { connection: 'close' } }, 'who comes late is served')
    t.equal(await isPending(hook.ended, 400), true, 'the app is there')
    endApp()
    t.equal(await hook.ended, 0)
    t.equal(await isPending(sidecar.ended, 400), true, 'only SIGTERM ends it')
    sidecar.child.kill('SIGTERM')
    t.equal(await sidecar.ended, 0)
  },
)

t.test('preStop sends event streams away too, and no connection of theirs holds up the end', async t => {
  const { sidecar, preStop, endApp, address } = await startPod(t, { SPA_DRAIN_SEC: '3600' })
  const asked = httpGet(`http://${address}:14020/__spa/events`, {
    headers: { Accept: 'text/event-stream' },
    agent: false,
  })
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  let text = ''
  answer.on('data', chunk => (text += String(chunk)))
  await once(answer, 'data')
  const hook = preStop()
  await once(answer, 'end')
  t.match(text, /\nevent: close\ndata: \{"code":1012,"reason":"\{\\"d\\":\d+\}"\}\n\n$/)
  endApp()
  t.equal(await hook.ended, 0)
  sidecar.child.kill('SIGTERM')
  t.equal(await sidecar.ended, 0)
})

t.test(
  'plain container: SIGTERM while the app serves sends tabs away and waits for the last answer',
  async t => {
    let answer = () => {}
    const { sidecar, tab, get, app, address } = await startPod(t, {}, (request, response) => {
      if (request.url === '/slow') answer = () => response.end('whole')
      else response.end('quick')
    })
    const { next, closed } = tab()
    await next()
    const asked = once(app, 'request')
    const slow = fetchText(`http://${address}:14020/slow`)
    await asked
    sidecar.child.kill('SIGTERM')
    t.match(await closed, { code: 1012 })
    t.match(await get('/'), { status: 200, body: 'quick' })
    app.close() // it accepts no more, and finishes what it has begun
    await sidecar.says('front stopped listening')
    t.equal(await isPending(sidecar.ended, 400), true)
    answer()
    t.match(await slow, { status: 200, body: 'whole' })
    t.equal(await sidecar.ended, 0)
  },
)

t.test('native sidecar: SIGTERM comes after the app has exited and ends it soon', async t => {
  const { sidecar, tab, preStop, endApp } = await startPod(t, { SPA_DRAIN_SEC: '3600' })
  const { next, closed } = tab()
  await next()
  const hook = preStop()
  t.match(await closed, { code: 1012 })
  endApp()
  await hook.ended
  sidecar.child.kill('SIGTERM')
  t.equal(await sidecar.ended, 0)
})

t.test('an app that never goes is waited for as long as draining may take', async t => {
  const { sidecar, preStop } = await startPod(t, { SPA_DRAIN_SEC: '1' })
  const hook = preStop()
  t.equal(await hook.ended, 0)
  t.equal(await isPending(sidecar.ended, 200), true)
  sidecar.child.kill('SIGTERM')
  t.equal(await sidecar.ended, 0)
})

t.test('with 0 seconds preStop returns and SIGTERM ends it at once', async t => {
  const { sidecar, tab, preStop, get } = await startPod(t, { SPA_DRAIN_SEC: '0' })
  const { next, closed } = tab()
  await next()
  t.equal(await preStop().ended, 0)
  t.notOk(
    (await get('/')).headers.connection === 'close' && sidecar.lines.some(line => line.includes('draining')),
  )
  sidecar.child.kill('SIGTERM')
  t.equal(await sidecar.ended, 0)
  t.equal((await closed).code, 1006)
})

t.test('preStop without a sidecar fails and says why', async t => {
  const { ended, lines } = run(t, 'drain', { SPA_RUN_DIR: '/nowhere' })
  t.equal(await ended, 1)
  t.match(lines, [/cannot begin draining: ENOENT/])
})
