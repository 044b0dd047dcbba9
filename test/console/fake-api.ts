// The console's API without a cluster, below any path: it says what the test has put in, to every page that asks, as protocol/console.ts has it.

import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'
import { brotliCompressSync } from 'node:zlib'
import type {
  ConsoleApp,
  ConsoleAppEvent,
  ConsoleDeploy,
  ConsoleEvent,
  ConsoleInstance,
  DeployLogEvent,
  DeployLogLine,
} from '../../protocol/console.ts'

export interface FakeApi {
  /** Of the page, with a slash at its end. */
  url: string
  apps: Map<string, ConsoleApp>
  instances: Map<string, ConsoleInstance>
  deploys: Map<string, ConsoleDeploy>
  /** By the id of the app. */
  events: Map<string, ConsoleAppEvent[]>
  /** Keeps it, and tells it. */
  putApp(app: ConsoleApp): void
  putInstance(instance: ConsoleInstance): void
  dropInstance(id: string): void
  putDeploy(deploy: ConsoleDeploy): void
  say(deploy: string, lines: DeployLogLine[]): void
  end(deploy: string): void
  /** Connections of `/api/events` now. */
  readers(): number
  /** Ends all connections, and answers everything below /api with this status from now on; undefined: as usual. */
  refuse(status: number | undefined): void
  /** Ends all streams. */
  cut(): void
  close(): Promise<void>
}

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
}
const pages = join(import.meta.dirname, '../../dist/console')

/** Takes the path that the pages are below, with a slash at both ends, and how long a line of an event stream is silent. */
export async function startFakeApi(base = '/', port = 0): Promise<FakeApi> {
  const apps = new Map<string, ConsoleApp>()
  const instances = new Map<string, ConsoleInstance>()
  const deploys = new Map<string, ConsoleDeploy>()
  const events = new Map<string, ConsoleAppEvent[]>()
  const logs = new Map<string, DeployLogLine[]>()
  const readers = new Set<ServerResponse>()
  const logReaders = new Map<string, Set<ServerResponse>>()
  let refused: number | undefined

  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://fake')
    if (!pathname.startsWith(base)) return void response.writeHead(404).end()
    const path = pathname.slice(base.length)
    if (!path.startsWith('api/')) return file(path, response)
    if (refused) return void response.writeHead(refused).end()
    const parts = path.split('/').slice(1).map(decodeURIComponent)
    if (parts[0] === 'events') return fleet(response)
    if (parts[0] === 'deploys' && parts[2] === 'logs') return log(parts[1] ?? '', response)
    if (parts[0] === 'deploys' && parts.length === 1) {
      const app = searchParams.get('app')
      return json(
        response,
        [...deploys.values()].filter(deploy => !app || deploy.app === app),
      )
    }
    if (parts[0] === 'apps' && parts[2] === 'events') return json(response, events.get(parts[1] ?? '') ?? [])
    response.writeHead(404).end()
  })
  await once(server.listen(port, '127.0.0.1'), 'listening')

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${base}`,
    apps,
    instances,
    deploys,
    events,
    readers: () => readers.size,
    putApp(app) {
      apps.set(app.id, app)
      tell({ type: 'app_status', payload: app })
    },
    putInstance(instance) {
      instances.set(instance.id, instance)
      tell({ type: 'instance_status', payload: instance })
    },
    dropInstance(id) {
      instances.delete(id)
      tell({ type: 'instance_gone', payload: { id } })
    },
    putDeploy(deploy) {
      deploys.set(deploy.id, deploy)
      tellLog(deploy.id, { type: 'deploy_status', payload: deploy })
    },
    say(deploy, lines) {
      logs.set(deploy, [...(logs.get(deploy) ?? []), ...lines])
      tellLog(deploy, { type: 'deploy_log', payload: lines })
    },
    end(id) {
      const deploy = deploys.get(id)
      if (deploy) tellLog(id, { type: 'end', payload: { status: deploy.status } })
    },
    refuse(status) {
      refused = status
      cut()
    },
    cut,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }

  function fleet(response: ServerResponse): void {
    begin(response)
    readers.add(response)
    response.on('close', () => readers.delete(response))
    write(response, { type: 'reset', payload: { version: '1', now: new Date().toISOString() } })
    for (const payload of batches([...apps.values()])) write(response, { type: 'apps', payload })
    for (const payload of batches([...instances.values()])) write(response, { type: 'instances', payload })
    write(response, { type: 'ready', payload: {} })
  }

  function log(id: string, response: ServerResponse): void {
    const deploy = deploys.get(id)
    if (!deploy) return void response.writeHead(404).end()
    begin(response)
    const all = logReaders.get(id) ?? new Set()
    logReaders.set(id, all.add(response))
    response.on('close', () => all.delete(response))
    write(response, { type: 'reset', payload: { deploy } })
    for (const payload of batches(logs.get(id) ?? [])) write(response, { type: 'deploy_log', payload })
    if (deploy.status === 'complete' || deploy.status === 'superseded')
      write(response, { type: 'end', payload: { status: deploy.status } })
  }

  function tell(event: ConsoleEvent): void {
    for (const reader of readers) write(reader, event)
  }

  function tellLog(id: string, event: DeployLogEvent): void {
    for (const reader of logReaders.get(id) ?? []) write(reader, event)
  }

  function cut(): void {
    for (const response of [...readers, ...[...logReaders.values()].flatMap(all => [...all])])
      response.destroy()
  }
}

function file(path: string, response: ServerResponse): void {
  const name = normalize(path) === '.' ? 'index.html' : normalize(path)
  const at = join(pages, name)
  const type = types[extname(name)]
  if (!type || !existsSync(at)) return void response.writeHead(404).end()
  const isPage = name === 'index.html'
  response.writeHead(200, {
    'content-type': type,
    'content-encoding': 'br',
    'x-content-type-options': 'nosniff',
    ...(isPage && { 'content-security-policy': "frame-ancestors 'none'" }),
  })
  response.end(brotliCompressSync(readFileSync(at)))
}

function begin(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache, no-transform' })
  response.write(': ok\nretry: 200\n\n')
}

function write(response: ServerResponse, event: ConsoleEvent | DeployLogEvent): void {
  response.write(`data: ${JSON.stringify(event)}\n\n`)
}

function json(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

function batches<T>(all: T[]): T[][] {
  return Array.from({ length: Math.ceil(all.length / 500) }, (_, i) => all.slice(i * 500, (i + 1) * 500))
}
