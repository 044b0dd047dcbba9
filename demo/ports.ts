// Ports for what has an address of its own in a cluster and shares 127.0.0.1 here. Never ephemeral ones: between asking for
// such a port and listening on it, the kernel may give it to one of our many connections.

import { once } from 'node:events'
import { createServer } from 'node:net'

export interface Ports {
  /** Resolves with a port that nobody listens on, each one once. */
  next(): Promise<number>
}

const first = 16_000
const last = 29_999 // below NodePorts (30000) and Linux' ephemeral ports (32768)

/** Begins somewhere, so that two demos on one machine seldom try the same. */
export function createPorts(random = Math.random): Ports {
  let port = first + Math.floor(random() * (last - first))
  return { next }

  async function next(): Promise<number> {
    for (;;) {
      port = port === last ? first : port + 1
      const candidate = port // others may ask meanwhile
      if (await isFree(candidate)) return candidate
    }
  }
}

/** The port that people know, where nobody has it. */
export async function firstFree(wanted: number, ports: Ports): Promise<number> {
  return (await isFree(wanted)) ? wanted : ports.next()
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}
