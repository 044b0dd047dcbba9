// A real HTTP server whose answers the test gives one by one, and a client configuration for it.

import { KubeConfig } from '@kubernetes/client-node/dist/config.js'
import { once } from 'node:events'
import http from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

export interface Exchange {
  url: URL
  req: IncomingMessage
  body: string
  res: ServerResponse
}

/** Listens on `port` (0: any) and hands each exchange to `answer`. */
export async function serve(answer: (exchange: Exchange) => void, port = 0) {
  const server = http.createServer((req, res) => {
    const url = new URL(req.url ?? '/', 'http://server')
    void text(req).then(body => answer({ url, req, body, res }))
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${address.port}`,
    port: address.port,
    connections: () => connections(server),
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

/** A server whose exchanges wait, in order of arrival, for the test to take and answer them. */
export async function serveByHand(port = 0) {
  const exchanges = createQueue<Exchange>()
  return { ...(await serve(exchanges.push, port)), next: exchanges.next }
}

export function createQueue<T>() {
  const items: T[] = []
  const takers: ((item: T) => void)[] = []
  return { push, next, size: () => items.length }

  function push(item: T): void {
    const take = takers.shift()
    if (take) take(item)
    else items.push(item)
  }

  function next(): Promise<T> {
    const item = items.shift()
    return item === undefined ? new Promise(resolve => takers.push(resolve)) : Promise.resolve(item)
  }
}

export function kubeConfig(
  server: string,
  user: { token?: string; tokenFile?: string } = {},
  caFile?: string,
  proxyUrl?: string,
) {
  const config = new KubeConfig()
  const { token, tokenFile } = user
  config.loadFromClusterAndUser(
    {
      name: 'test',
      server,
      skipTLSVerify: server.startsWith('http:'),
      ...(caFile && { caFile }),
      ...(proxyUrl && { proxyUrl }),
    },
    {
      name: 'tester',
      ...(token && { token }),
      ...(tokenFile && { authProvider: { name: 'tokenFile', config: { tokenFile } } }),
    },
  )
  return config
}

export function json(
  res: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
) {
  res.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(body))
}

/** A server notices a closed connection only after the client has let go of it. */
export async function noConnections(server: { connections(): Promise<number> }): Promise<void> {
  while ((await server.connections()) > 0) await new Promise(resolve => setTimeout(resolve, 5))
}

function connections(server: Server): Promise<number> {
  return new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  )
}
