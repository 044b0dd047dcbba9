// The browser's client against real sidecars: two pods of two versions behind one address, as a Service puts them.

import { createServer } from 'node:http'
import { connect, createServer as createBalancer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { clearTimeout, setTimeout } from 'node:timers'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { createSpaReloader } from '../../client/index.ts'
import type { Env, SpaReloader } from '../../client/index.ts'
import { pageOfAnswer } from '../../client/identity.ts'
import type { ReleaseState } from '../../protocol/release.ts'
import { createCurrent } from '../../sidecar/current.ts'
import { createFront } from '../../sidecar/front/front.ts'
import { defaultLimits } from '../../sidecar/front/limits.ts'
import { pageIdentity } from '../../sidecar/identity.ts'
import { createVersionServer } from '../../sidecar/server/server.ts'
import { runDir } from './run-dir.ts'
import { newId, oldId, releaseState } from './state.ts'

const log = () => {}
const old = { hash: '5d9fb7c6b8', id: oldId }
const fresh = { hash: '6c487dcc49', id: newId }
const onOld: Partial<ReleaseState> = {
  serial: 1,
  revision: 6,
  target: { id: oldId, name: 'web:1', hash: old.hash },
  previous: null,
  live: [{ id: oldId, pods: 1 }],
  known: [[old.hash, oldId, 6]],
}

t.test(
  'a tab hears of a rollout from the old pod, verifies it at the new one, and survives the old one',
  async t => {
    const { pods, balancer, tab } = await stage(t)
    pods.old.tell({ ...onOld })
    const reloader = await tab()
    await reached(reloader, () => reloader.state.status === 'current')

    pods.old.tell({
      serial: 2,
      phase: 'rolling',
      live: [
        { id: oldId, pods: 1 },
        { id: newId, pods: 1 },
      ],
    })
    await reached(reloader, () => reloader.state.status === 'rolling')
    pods.fresh.tell({ serial: 3 })
    const offered = once(reloader as unknown as EventTarget, 'update')
    balancer.to(pods.fresh)
    pods.old.tell({ serial: 3 })
    await offered
    t.match(reloader.state, { status: 'update', current: oldId, target: { id: newId }, rollback: false })

    await pods.old.drain()
    await reached(reloader, () => pods.fresh.tabs() === 1 && reloader.state.connection === 'open')
    t.equal(reloader.state.status, 'update', 'the offer outlives its pod')
  },
)

t.test('a tab whose pod is drained before it heard anything learns it by coming back', async t => {
  const { pods, balancer, tab } = await stage(t)
  pods.old.tell({ ...onOld })
  const reloader = await tab()
  await reached(reloader, () => reloader.state.connection === 'open' && reloader.state.status === 'current')
  pods.fresh.tell({ serial: 3 })
  balancer.to(pods.fresh)
  const offered = once(reloader as unknown as EventTarget, 'update')
  await pods.old.drain()
  await offered
  t.equal(reloader.state.target?.id, newId)
})

t.test('a rollback takes the offer back', async t => {
  const { pods, balancer, tab } = await stage(t)
  pods.old.tell({ ...onOld })
  const reloader = await tab()
  await reached(reloader, () => reloader.state.connection === 'open')
  balancer.to(pods.fresh)
  const offered = once(reloader as unknown as EventTarget, 'update')
  pods.old.tell({ serial: 3 })
  pods.fresh.tell({ serial: 3 })
  await offered
  const withdrawn = once(reloader as unknown as EventTarget, 'withdrawn')
  const back = { ...onOld, serial: 4, revision: 8, known: releaseState().known, why: 'rollback' as const }
  pods.old.tell(back)
  await withdrawn
  t.equal(reloader.state.status, 'current')
})

t.test('nobody is offered a version that the way to the app does not serve yet', async t => {
  const { pods, tab } = await stage(t)
  pods.old.tell({ ...onOld })
  const reloader = await tab()
  let offers = 0
  reloader.addEventListener('update', () => (offers += 1))
  pods.old.tell({ serial: 3 }) // and the balancer still leads to the old pod
  await reached(reloader, () => reloader.state.target?.id === newId)
  t.equal(await reloader.check(), false)
  t.equal(offers, 0)
})

async function stage(t: Test) {
  const pods = { old: await startPod(t, old), fresh: await startPod(t, fresh) }
  const balancer = await startBalancer(t, pods.old)
  return { pods, balancer, tab: () => openTab(t, balancer.url) }
}

type Pod = Awaited<ReturnType<typeof startPod>>

async function startPod(t: Test, { hash }: { hash: string }) {
  const app = createServer((_, response) =>
    response.setHeader('Content-Type', 'text/html').end(`<h1>${hash}</h1>`),
  )
  app.listen(0, '127.0.0.1')
  await once(app, 'listening')
  const current = createCurrent('web', log)
  const socketPath = join(runDir(t), 'version.sock')
  const server = createVersionServer({
    socketPath,
    current,
    clientScript: '',
    maxTabs: 100,
    heartbeatMs: 25_000,
    maxAgeMs: 3_600_000,
    expose: 'image',
    log,
  })
  await server.open()
  const front = createFront({
    listen: { address: '127.0.0.1', port: 0 },
    app: { host: '127.0.0.1', port: (app.address() as AddressInfo).port },
    versionSocket: socketPath,
    cache: { maxBytes: 0, maxEntries: 0 },
    maxConnections: 1_000,
    limits: defaultLimits,
    serverTiming: () => pageIdentity('web', hash, current.state()),
    stamp: `web-${hash}`,
    tag: () => `web-${hash}`,
    edits: { forwarded: 'add', revalidate: 'add', missing: 'refuse', page: 'plain' },
    log,
  })
  await front.open()
  t.teardown(async () => {
    await front.close()
    server.close()
    app.close()
    app.closeAllConnections()
  })
  return {
    address: front.address()!,
    tell: (change: Partial<ReleaseState>) => current.offer(releaseState(change)),
    drain: () => server.drain(),
    tabs: () => server.tabs.count().tabs,
  }
}

/** Every new connection goes to the pod that is chosen then. */
async function startBalancer(t: Test, first: Pod) {
  let chosen = first
  const server: Server = createBalancer(client => {
    const pod = connect(chosen.address.port, '127.0.0.1')
    client.pipe(pod).pipe(client)
    client.on('error', () => pod.destroy())
    pod.on('error', () => client.destroy())
    client.on('close', () => pod.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  return { url, to: (pod: Pod) => void (chosen = pod) }
}

async function openTab(t: Test, url: string): Promise<SpaReloader> {
  const page = pageOfAnswer(await fetch(url, { headers: { connection: 'close' } }))
  if (!page) throw new Error('the document does not say who it is')
  const stored = new Map<string, string>()
  const env: Env = {
    window: new EventTarget(),
    document: Object.assign(new EventTarget(), {
      visibilityState: 'visible' as const,
      baseURI: url,
      querySelector: () => null,
    }),
    location: { href: url, reload() {}, assign() {} },
    navigator: { onLine: true },
    performance: undefined,
    WebSocket: WebSocket as unknown as NonNullable<Env['WebSocket']>,
    EventSource: undefined,
    fetch: fetchAnew,
    sessionStorage: {
      getItem: key => stored.get(key) ?? null,
      setItem: (key, value) => void stored.set(key, value),
    },
    setTimeout: (run, ms) => setTimeout(run, ms),
    clearTimeout: timer => clearTimeout(timer as NodeJS.Timeout),
    now: Date.now,
    random: Math.random,
  }
  const reloader = createSpaReloader({ env, version: `${page.name}-${page.hash}` })
  t.teardown(() => reloader.stop())
  return reloader
}

/** On a connection of its own: a kept one goes to the pod that was chosen when it was made. */
function fetchAnew(url: string, init: RequestInit): Promise<Response> {
  const headers = new Headers(init.headers)
  headers.set('connection', 'close')
  return fetch(url, { ...init, headers })
}

/** Resolves when a change of the client's state makes it so. */
function reached(reloader: SpaReloader, isSo: () => boolean): Promise<void> {
  return new Promise(resolve => {
    const stop = reloader.subscribe(() => isSo() && queueMicrotask(done))
    const timer = setInterval(() => isSo() && done(), 20)
    function done(): void {
      clearInterval(timer)
      stop()
      resolve()
    }
  })
}
