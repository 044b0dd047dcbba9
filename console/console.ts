// The console: what it is asked for, and what answers. Mounted by webhook/main.ts.

import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Log } from '../protocol/log.ts'
import type { Api } from '../release/api.ts'
import { createChannel } from './channel.ts'
import type { Channel } from './channel.ts'
import { createAppEvents } from './deploy/events.ts'
import { deploysOf, latestDeploys, oneDeploy } from './deploy/lists.ts'
import { createLogs, endId, parseAppId, parseDeployId } from './deploy/logs.ts'
import { createFleet } from './fleet.ts'
import { serve } from '../static/serve.ts'
import { createFiles } from '../static/files.ts'
import { pages } from './pages.ts'
import { presentApp } from './present.ts'
import type { Limits } from './reader.ts'
import { createRing } from './ring.ts'
import type { Route } from './routes.ts'
import { openServer, sendJson, sendText } from './server.ts'
import { say, snapshotOf } from './snapshot.ts'
import type { Source } from './source.ts'
import { createTabs } from './tabs/tabs.ts'

export interface ConsoleOptions {
  api: Api
  source: Source
  address?: string
  port: number
  hosts: readonly string[]
  /** The last lines of containers that have ended may be read: there is a right to pods/log. */
  readsOutput?: boolean
  /** Of the program. */
  version: string
  log: Log
  now?(): Date
  gatherMs?: number
  lingerMs?: number
  heartbeatMs?: number
  maxStreams?: number
  limits?: Partial<Limits>
}

export interface Console {
  port: number
  /** Something of this Deployment may have changed; without a name: of all in the namespace. */
  moved(namespace: string, deployment?: string): void
  /** How many event streams are open. */
  streams(): number
  /** Tells readers to come again, to whoever answers then. */
  close(): Promise<void>
}

const keptEvents = 1_000

/** The rest of the policy is in the page, with the hash of its script. */
const pageHeaders = {
  'Content-Security-Policy': "frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
}

/** Resolves when it listens. Rejects when the port is taken. */
export async function openConsole(options: ConsoleOptions): Promise<Console> {
  const { api, source, address = '127.0.0.1', port, hosts, version, log, now = () => new Date() } = options
  const {
    readsOutput = false,
    gatherMs,
    lingerMs,
    heartbeatMs = 15_000,
    maxStreams = 1_024,
    limits,
  } = options
  const ring = createRing(keptEvents, () => randomBytes(4).toString('hex'))
  const tabs = createTabs({
    source,
    onChanged: (namespace, deployment) => fleet.moved(namespace, deployment),
  })
  const fleet = createFleet({
    source,
    log,
    publish: data => events.publish(data),
    tabs,
    onUsed: tabs.start,
    onForgotten() {
      ring.restart()
      tabs.stop()
    },
    ...(gatherMs !== undefined && { gatherMs }),
    ...(lingerMs !== undefined && { lingerMs }),
  })
  const events: Channel = createChannel({
    snapshot: () => snapshotOf(fleet, version, now(), ring.lastId()),
    ring,
    ...(limits && { limits }),
  })
  const logs = createLogs({
    api,
    log,
    now,
    present: (namespace, name) => presentApp(source, namespace, name),
    readsOutput,
    ...(limits && { limits }),
  })
  const appEvents = createAppEvents(api)
  const files = createFiles(
    new Map(Object.entries(pages).map(([path, base64]) => [path, Buffer.from(base64, 'base64')])),
    { pageHeaders },
  )
  let streams = 0
  const heartbeat = setInterval(beat, heartbeatMs).unref()
  const server = await openServer({ address, port, hosts, answer, log })
  return { port: server.port, moved, streams: () => streams, close }

  async function answer(route: Route, request: IncomingMessage, response: ServerResponse): Promise<void> {
    switch (route.name) {
      case 'events':
        return stream(request, response, async () => {
          const release = await fleet.use()
          response.on('close', release)
          if (response.destroyed) release()
          else events.open(response, lastIdOf(request))
        })
      case 'apps':
        return using(() => sendJson(response, `[${fleet.apps().join(',')}]`))
      case 'app':
        return using(() => {
          const app = fleet.app(route.id)
          if (app === undefined) sendText(response, 404, 'no such app')
          else sendJson(response, app)
        })
      case 'app-events': {
        const id = parseAppId(route.id)
        if (!id || !presentApp(source, id.namespace, id.name)) return sendText(response, 404, 'no such app')
        const gone = new AbortController()
        response.on('close', () => gone.abort())
        return sendJson(response, JSON.stringify(await appEvents.read(id, gone.signal)))
      }
      case 'deploys': {
        const app = new URLSearchParams((request.url ?? '').split('?')[1]).get('app')
        const id = app === null ? undefined : parseAppId(app)
        if (app !== null && !id) return sendText(response, 400, 'app must be namespace/name')
        const deploys = id ? await deploysOf(api, source, id) : await latestDeploys(api, source)
        return sendJson(response, JSON.stringify(deploys))
      }
      case 'deploy': {
        const id = parseDeployId(route.id)
        const deploy = id && (await oneDeploy(api, source, id))
        return deploy
          ? sendJson(response, JSON.stringify(deploy))
          : sendText(response, 404, 'no such deployment')
      }
      case 'logs': {
        const id = parseDeployId(route.id)
        if (!id) return sendText(response, 404, 'no such deployment')
        if (lastIdOf(request) === endId) return void response.writeHead(204).end() // a browser then asks no more
        return stream(request, response, async () => {
          if (!(await logs.open(id, response))) sendText(response, 404, 'no such deployment')
        })
      }
      case 'page':
        return serve(files, request, response, targetOf(request, Object.keys(pages)))
      case 'nothing':
        return sendText(response, 404, 'no such resource')
    }
  }

  async function using(act: () => void): Promise<void> {
    const release = await fleet.use()
    try {
      act()
    } finally {
      release()
    }
  }

  async function stream(
    request: IncomingMessage,
    response: ServerResponse,
    open: () => Promise<void>,
  ): Promise<void> {
    if (request.method === 'HEAD')
      return void response.writeHead(200, { 'Content-Type': 'text/event-stream' }).end()
    if (streams >= maxStreams)
      return sendText(response.setHeader('Retry-After', '5'), 503, `there are ${maxStreams} streams already`)
    streams += 1
    response.on('close', () => (streams -= 1))
    await open()
  }

  function beat(): void {
    const data = say({ type: 'heartbeat', payload: { now: now().toISOString() } })
    events.beat(data)
    logs.beat(data)
  }

  function moved(namespace: string, deployment?: string): void {
    fleet.moved(namespace, deployment)
    logs.moved(namespace, deployment)
  }

  async function close(): Promise<void> {
    clearInterval(heartbeat)
    events.close(bye)
    logs.close(bye)
    fleet.close()
    const closed = new Promise<void>(resolve => server.server.close(() => resolve()))
    const timer = setTimeout(() => server.server.closeAllConnections(), 1_000)
    await closed
    clearTimeout(timer)
  }
}

/** A random moment for each, so that they do not come all at once. */
function bye(): string {
  const ms = 1_000 + Math.round(Math.random() * 4_000)
  return `retry: ${ms}\ndata: ${say({ type: 'bye', payload: { retry_ms: ms } })}\n\n`
}

/** Below a proxy's path that is not stripped, what is asked for is the end of it. */
function targetOf({ url = '/' }: IncomingMessage, paths: readonly string[]): string {
  const [path = ''] = url.split('?')
  const found = paths.find(file => path.endsWith(`/${file}`))
  if (found !== undefined) return `/${found}`
  return path.endsWith('/') ? '/' : url
}

function lastIdOf({ headers }: IncomingMessage): string | undefined {
  const id = headers['last-event-id']
  return typeof id === 'string' && id !== '' ? id : undefined
}
