// A connection beyond the cap: it costs a socket for a few seconds and nothing at the app, and is told to come back.

import type { Socket } from 'node:net'

const waitMs = 5_000 // for a request, and then for the client to read what it is told
const maxTurnedAway = 1_000 // beyond that they are reset at once
const answer =
  'HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'

/** Answers what comes first with 503, and ends it. `open`: those that are not gone yet. */
export function turnAway(client: Socket, open: Set<Socket>): void {
  client.on('error', () => {})
  if (open.size >= maxTurnedAway) return void client.resetAndDestroy()
  open.add(client)
  const timer = setTimeout(() => client.destroy(), waitMs)
  client.on('close', () => {
    clearTimeout(timer)
    open.delete(client)
  })
  client.once('data', () => client.end(answer))
  client.on('end', () => client.destroySoon())
  client.resume()
}
