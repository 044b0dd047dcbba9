// A connection beyond the cap: it costs a socket for a few seconds and nothing at the app, and is told to come back.
// All but the kubelet's: told by its probes that the app is ill, it would end the app because we are full.

import type { Socket } from 'node:net'

const waitMs = 5_000 // for a request, and then for the client to read what it is told
const maxTurnedAway = 1_000 // beyond that they are reset at once
const answer =
  'HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'
const probe = /^GET [^]*\r\nUser-Agent: kube-probe\//i

export interface TurningAway {
  /** Those that are not gone yet. */
  open: Set<Socket>
  /** Takes back one that turns out to be a probe, with what it has sent; returns whether there is room for it. */
  takeBack(client: Socket, first: Buffer): boolean
}

/** Answers what comes first with 503, and ends it. */
export function turnAway(client: Socket, { open, takeBack }: TurningAway): void {
  client.on('error', () => {})
  if (open.size >= maxTurnedAway) return void client.resetAndDestroy()
  open.add(client)
  const timer = setTimeout(() => client.destroy(), waitMs)
  client.on('close', forget)
  client.on('end', end)
  client.once('data', (first: Buffer) => {
    client.off('end', end)
    if (probe.test(first.toString('latin1')) && takeBack(client, first)) return forget()
    client.on('end', end)
    client.end(answer)
  })
  client.resume()

  function forget(): void {
    clearTimeout(timer)
    open.delete(client)
  }

  function end(): void {
    client.destroySoon()
  }
}
