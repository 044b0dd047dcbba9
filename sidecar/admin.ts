// The admin port: what the kubelet, Prometheus and the console ask. It is no port of the Service, and it changes nothing: GET and HEAD only.

import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tabsPath } from '../protocol/tabs.ts'
import type { PodTabs } from '../protocol/tabs.ts'
import type { Metrics } from './metrics.ts'

export interface AdminOptions {
  /** Undefined: every address. */
  address: string | undefined
  /** 0: any free one. */
  port: number
  /** Undefined when ready, else the reason why not, in one line. */
  unready(): Promise<string | undefined>
  metrics: Metrics
  tabs(): PodTabs
}

export interface Admin {
  /** Resolves with the port. Rejects when it cannot be listened on. */
  open(): Promise<number>
  close(): void
}

const maxSockets = 64

export function createAdmin({ address, port, unready, metrics, tabs }: AdminOptions): Admin {
  const server = createServer({ maxHeaderSize: 8_192, headersTimeout: 5_000, requestTimeout: 5_000 }, handle)
  server.timeout = 10_000
  const sockets = new Set<Socket>()
  server.on('connection', onConnection)
  return { open, close }

  /** The newest may be the kubelet's. Node's own `maxConnections` would turn it away, for those who came before and say nothing. */
  function onConnection(socket: Socket): void {
    sockets.add(socket.once('close', () => sockets.delete(socket)))
    const [oldest] = sockets
    if (sockets.size > maxSockets) oldest?.destroy()
  }

  function open(): Promise<number> {
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen({ port, host: address }, () => resolve((server.address() as AddressInfo).port))
    })
  }

  function close(): void {
    server.close()
    server.closeAllConnections()
  }

  function handle(request: IncomingMessage, response: ServerResponse): void {
    response.shouldKeepAlive = false // no body that comes along is ever read
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD')
      return send(response, 405, 'GET and HEAD only\n')
    }
    answer(request, response).catch(() => send(response, 500, 'internal error\n'))
  }

  async function answer({ url = '' }: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = ''] = url.split('?')
    switch (path) {
      case '/livez':
        return send(response, 200, 'ok\n')
      case '/readyz': {
        const reason = await unready()
        return reason ? send(response, 503, `${reason}\n`) : send(response, 200, 'ok\n')
      }
      case '/metrics':
        return send(response, 200, await metrics.text(), metrics.contentType)
      case tabsPath:
        return send(response, 200, JSON.stringify(tabs()), 'application/json')
      default:
        return send(response, 404, 'no such resource\n')
    }
  }
}

function send(
  response: ServerResponse,
  status: number,
  body: string,
  type = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) }).end(body)
}
