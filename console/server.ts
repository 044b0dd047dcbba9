// The console's door: GET and HEAD only, on loopback, so that whoever comes in has come through the cluster's own RBAC (`kubectl port-forward`).

import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { reason } from '../protocol/log.ts'
import type { Log } from '../protocol/log.ts'
import { createHostGuard } from './hosts.ts'
import { routeOf } from './routes.ts'
import type { Route } from './routes.ts'

export interface ConsoleServerOptions {
  address: string
  /** 0: any free one. */
  port: number
  /** Names besides the loopback ones that a browser may ask for. */
  hosts: readonly string[]
  /** Answers what is not refused. Its rejection is a 500. */
  answer(route: Route, request: IncomingMessage, response: ServerResponse): Promise<void>
  log: Log
}

/** Resolves when it listens. Rejects when the port is taken. */
export async function openServer(options: ConsoleServerOptions): Promise<{ server: Server; port: number }> {
  const { address, port, hosts, answer, log } = options
  const isOurs = createHostGuard(hosts)
  const server = createServer({ headersTimeout: 10_000, requestTimeout: 20_000 }, (request, response) => {
    request.resume() // no body is ever read
    response.setHeader('X-Content-Type-Options', 'nosniff')
    if (!isOurs(request.headers.host))
      return sendText(
        response,
        421,
        `this name is not one of ours: a variable of the webhook, SPA_CONSOLE_HOSTS, adds it`,
      )
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return sendText(response.setHeader('Allow', 'GET, HEAD'), 405, 'GET and HEAD only')
    const [path = ''] = (request.url ?? '').split('?')
    answer(routeOf(path), request, response).catch((error: unknown) => {
      if (response.destroyed) return // nobody waits any more
      log('console request failed', { code: 'request_failed', path, reason: reason(error) })
      if (!response.headersSent) sendText(response, 500, 'internal error')
      else response.destroy()
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, host: address }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  return { server, port: (server.address() as AddressInfo).port }
}

export function sendJson(response: ServerResponse, json: string): void {
  send(response, 200, json, 'application/json')
}

export function sendText(response: ServerResponse, status: number, text: string): void {
  send(response, status, `${text}\n`, 'text/plain; charset=utf-8')
}

function send(response: ServerResponse, status: number, body: string, type: string): void {
  response
    .writeHead(status, {
      'Content-Type': type,
      'Content-Length': Buffer.byteLength(body),
      'Cache-Control': 'no-store',
    })
    .end(body) // of an answer to HEAD, node leaves the body out
}
