// Two sockets joined byte for byte: upgrades, and everything that is not HTTP/1.x.
// An idle tab costs two of these ends, so the handlers are shared functions and what differs hangs on the socket: no closures.

import type { Socket } from 'node:net'
import { writeLent } from './lent.ts'

export interface Tunnels {
  /**
   * Joins two sockets that nothing else listens to any more, after sending each the bytes that were held for it. What comes from the
   * server, and `toClient`, is lent. Without `toServer`, what the client sends is dropped, but for its end.
   * Back-pressure and half-closes pass through; a reset on one side becomes a reset on the other.
   */
  join(client: Socket, server: Socket, toClient: Buffer, toServer?: Buffer): void
  /** What waits on each, in bytes, and what ends it. */
  waiting(): Waiting[]
  /** Ends all of them now. */
  close(): void
}

/** What a connection holds that its receivers have not read. `cut` ends it so that nobody takes that for a clean end. */
export interface Waiting {
  bytes: number
  cut(): void
}

/** Of both of its sockets. */
export function waitingBytes(client: Socket, server: Socket | undefined): number {
  return [client, server].reduce(
    (sum, socket) => sum + (socket ? socket.readableLength + socket.writableLength : 0),
    0,
  )
}

const other = Symbol('other')

interface End extends Socket {
  [other]?: End
}

/** `onClose` is called once for each tunnel, when its client's side has gone. */
export function createTunnels(onClose: (client: Socket) => void): Tunnels {
  const clients = new Set<Socket>()
  return { join, waiting, close }

  function join(client: Socket, server: Socket, toClient: Buffer, toServer?: Buffer): void {
    clients.add(client)
    client.on('close', forget)
    connect(client, server, toServer ? pass : drop)
    connect(server, client, passLent)
    if (toServer && toServer.length > 0) server.write(toServer)
    if (toClient.length > 0) writeLent(client, toClient)
    start(client)
    start(server)
  }

  function forget(this: Socket): void {
    clients.delete(this)
    onClose(this)
  }

  function waiting(): Waiting[] {
    return Array.from(clients, (client: End) => ({
      bytes: waitingBytes(client, client[other]),
      cut: () => cut(client),
    }))
  }

  function close(): void {
    for (const client of clients) client.destroy()
  }
}

/** Ends a socket so that its peer does not take it for a clean end. Node resets TCP only, and not before it is connected. */
export function cut(socket: Socket): void {
  if (socket.destroyed) return
  if (socket.remoteFamily === undefined || isEnding(socket)) socket.destroy()
  else socket.resetAndDestroy()
}

/**
 * All is written, and only the end itself is on its way: there is nothing left to cut. libuv does not reset a socket then (EINVAL), and
 * Node would never say that it has closed, so that it counted as open for ever (seen).
 */
function isEnding({ writableEnded, writableFinished, writableLength }: Socket): boolean {
  return writableEnded && !writableFinished && writableLength === 0
}

function connect(end: End, to: Socket, passOn: (this: End, chunk: Buffer) => void): void {
  end[other] = to
  end.on('data', passOn)
  end.on('end', passEnd)
  end.on('error', passError)
  end.on('close', passClose)
}

/** Lets it flow. What it did before it was joined is made up for. */
function start(end: End): void {
  const to = end[other]!
  if (end.errored || (end.destroyed && !end.readableEnded)) cut(to)
  else if (end.readableEnded) to.end()
  else if (to.writableNeedDrain) hold(end, to)
  else end.resume()
}

function pass(this: End, chunk: Buffer): void {
  const to = this[other]!
  if (!to.write(chunk)) hold(this, to)
}

function drop(): void {}

function passLent(this: End, chunk: Buffer): void {
  const to = this[other]!
  if (!writeLent(to, chunk)) hold(this, to)
}

function hold(end: End, to: End): void {
  end.pause()
  to.on('drain', release)
}

function release(this: End): void {
  this.off('drain', release)
  this[other]!.resume()
}

function passEnd(this: End): void {
  this[other]!.end()
}

function passError(this: End): void {
  cut(this[other]!)
}

function passClose(this: End): void {
  const to = this[other]!
  if (!to.destroyed) to.destroySoon()
}
