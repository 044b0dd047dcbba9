// The console: what it is asked for, and what answers. Mounted by webhook/main.ts.

import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Log } from '../protocol/log.ts'
import { createChannel } from './channel.ts'
import type { Channel } from './channel.ts'
import { createFleet } from './fleet.ts'
import type { Limits } from './reader.ts'
import { createRing } from './ring.ts'
import type { Route } from './routes.ts'
import { openServer, sendJson, sendText } from './server.ts'
import { say, snapshotOf } from './snapshot.ts'
import type { Source } from './source.ts'

export interface ConsoleOptions {
  source: Source
  address?: string
  port: number
  hosts: readonly string[]
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

/** Resolves when it listens. Rejects when the port is taken. */
export async function openConsole(options: ConsoleOptions): Promise<Console> {
  const { source, address = '127.0.0.1', port, hosts, version, log, now = () => new Date() } = options
  const { gatherMs, lingerMs, heartbeatMs = 15_000, maxStreams = 1_024, limits } = options
  const ring = createRing(keptEvents, () => randomBytes(4).toString('hex'))
  const fleet = createFleet({
    source,
    log,
    publish: data => events.publish(data),
    onForgotten: ring.restart,
    ...(gatherMs !== undefined && { gatherMs }),
    ...(lingerMs !== undefined && { lingerMs }),
  })
  const events: Channel = createChannel({
    snapshot: () => snapshotOf(fleet, version, now()),
    ring,
    ...(limits && { limits }),
  })
  let streams = 0
  const heartbeat = setInterval(() => events.beat(beat()), heartbeatMs).unref()
  const server = await openServer({ address, port, hosts, answer, log })
  return { port: server.port, moved: fleet.moved, streams: () => streams, close }

  async function answer(route: Route, request: IncomingMessage, response: ServerResponse): Promise<void> {
    switch (route.name) {
      case 'events':
        return stream(request, response, async () => events.open(response, lastIdOf(request)))
      case 'apps':
        return using(() => sendJson(response, `[${fleet.apps().join(',')}]`))
      case 'app':
        return using(() => {
          const app = fleet.app(route.id)
          if (app === undefined) sendText(response, 404, 'no such app')
          else sendJson(response, app)
        })
      case 'deploys':
      case 'deploy':
      case 'logs':
      case 'page':
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
    let release: (() => void) | undefined
    let isGone = false
    response.on('close', () => {
      isGone = true
      streams -= 1
      release?.()
    })
    release = await fleet.use()
    if (isGone) release()
    else await open()
  }

  function beat(): string {
    return say({ type: 'heartbeat', payload: { now: now().toISOString() } })
  }

  async function close(): Promise<void> {
    clearInterval(heartbeat)
    events.close(bye)
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

function lastIdOf({ headers }: IncomingMessage): string | undefined {
  const id = headers['last-event-id']
  return typeof id === 'string' && id !== '' ? id : undefined
}
