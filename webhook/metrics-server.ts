// Prometheus' door, apart from the API server's: GET /metrics in the clear.

import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { Registry } from 'prom-client'

/** Rejects when the port cannot be listened on. */
export function serveMetrics(registry: Registry, port: number): Promise<Server> {
  const server = createServer((request, response) => {
    request.resume()
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404).end()
      return
    }
    registry.metrics().then(
      text => response.writeHead(200, { 'Content-Type': registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    )
  })
  return new Promise((resolve, reject) => server.once('error', reject).listen(port, () => resolve(server)))
}
