// What kube-proxy is to a Service: connections, not requests, are handed out in turn to the ready pods, and an open one stays where it
// is. It understands nothing of what passes.

import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { Server, Socket } from 'node:net'

export interface Balancer {
  /** http://localhost:port */
  url: string
  close(): void
}

export interface BalancerOptions {
  /** The first port to try; when it is taken the next ones are. */
  port: number
  /** The ports of the ready pods, now. */
  endpoints(): number[]
}

const tries = 50

/** Resolves when it listens. Rejects when all ports that it may have are taken. */
export async function startBalancer({ port: first, endpoints }: BalancerOptions): Promise<Balancer> {
  const sockets = new Set<Socket>()
  let turn = 0
  for (let port = first; port < first + tries; port += 1) {
    const servers = await listen(port)
    if (servers) return { url: `http://localhost:${port}`, close: () => close(servers) }
  }
  throw new Error(`the ports from ${first} to ${first + tries - 1} are all taken`)

  function close(servers: Server[]): void {
    for (const server of servers) server.close()
    for (const socket of sockets) socket.destroy()
  }

  /** A browser takes `localhost` for either address, and another program's page must not come up. */
  async function listen(port: number): Promise<Server[] | undefined> {
    const v4 = createServer({ allowHalfOpen: true, noDelay: true }, accept)
    const v6 = createServer({ allowHalfOpen: true, noDelay: true }, accept)
    const [problem, problem6] = [await problemOf(v4, port, '127.0.0.1'), await problemOf(v6, port, '::1')]
    if (!problem && problem6 !== 'EADDRINUSE') return [v4, v6]
    v4.close()
    v6.close()
    return undefined
  }

  function accept(client: Socket): void {
    const ports = endpoints()
    const port = ports[turn++ % ports.length]
    if (port === undefined) return void client.resetAndDestroy() // a Service without endpoints refuses
    const pod = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true })
    join(client, pod)
    join(pod, client)
  }

  function join(from: Socket, to: Socket): void {
    sockets.add(from)
    from.pipe(to)
    from.on('error', () => to.resetAndDestroy())
    from.on('close', () => {
      sockets.delete(from)
      to.destroySoon()
    })
  }
}

/** Starts listening. Returns why it cannot: a machine without IPv6 has no ::1, and needs none. */
async function problemOf(server: Server, port: number, host: string): Promise<string | undefined> {
  try {
    await once(server.listen(port, host), 'listening')
    return undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown'
  }
}
