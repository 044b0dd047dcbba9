// An address of its own for a pod, as others see it. What a pod listens on is on free ports of 127.0.0.1 here; behind its address, which Linux
// has without being told, each port leads to where it is: so the console asks a sidecar as it does in a cluster.

import { connect, createServer } from 'node:net'
import type { Server } from 'node:net'

export interface Addresses {
  next(): string
}

/** Begins somewhere in 127.0.0.0/8, so that two demos on one machine do not take each other's pods for their own. */
export function createAddresses(random = Math.random): Addresses {
  const [second, third] = [64 + Math.floor(random() * 128), Math.floor(random() * 256)]
  let last = 0
  return { next: () => `127.${second}.${third}.${(last++ % 254) + 1}` }
}

/** Leads each port of the address to another one of 127.0.0.1. What this machine does not allow is left out. Returns what ends it. */
export function openAddress(address: string, ports: ReadonlyMap<number, number>): () => void {
  const servers: Server[] = []
  for (const [port, to] of ports) {
    const server = createServer(client => {
      const pod = connect(to, '127.0.0.1')
      client.pipe(pod).pipe(client)
      client.on('error', () => pod.destroy())
      pod.on('error', () => client.destroy())
    })
    server.on('error', () => {}) // a Mac has 127.0.0.1 only
    server.listen(port, address)
    servers.push(server)
  }
  return () => {
    for (const server of servers) server.close()
  }
}
