// What goes to a client. The pieces of an answer that come at once, as a changed head and the body behind it, leave in one write: each further
// one costs a system call and a packet, and handing them over together (writev) costs more than to copy a few KiB.

import type { Socket } from 'node:net'
import { lengthOf, writeLent } from './lent.ts'

export interface Outlet {
  /** Takes bytes that are lent. Returns whether the client takes more; of what is gathered that is told by the client's socket only. */
  write(bytes: Buffer): boolean
  /** From now on what is written waits for `release`, which is called before what was lent is gone. */
  gather(): void
  release(): void
  /** Sends a message of bytes that stay as they are. */
  send(parts: readonly Buffer[]): void
  /** What waits for `release` included. */
  readonly bytesWritten: number
}

const maxCopiedBytes = 16 * 1024

export function createOutlet(client: Socket): Outlet {
  const gathered: Buffer[] = []
  let isGathering = false
  return {
    write,
    gather: () => void (isGathering = true),
    release,
    send,
    get bytesWritten() {
      return client.bytesWritten + lengthOf(gathered)
    },
  }

  function write(bytes: Buffer): boolean {
    if (!isGathering) return writeLent(client, bytes)
    gathered.push(bytes)
    return true
  }

  function release(): void {
    isGathering = false
    if (gathered.length > 0) writeLent(client, ...gathered)
    gathered.length = 0
  }

  function send(parts: readonly Buffer[]): void {
    release()
    if (lengthOf(parts) <= maxCopiedBytes) return void writeLent(client, ...parts)
    client.cork()
    for (const part of parts) client.write(part)
    client.uncork()
  }
}
