// The version server: what browsers ask under /__spa/. uWebSockets.js on a unix socket that only the front dials,
// because it is far the lightest per open tab and must never parse an app's traffic (it has its own ideas of HTTP).

import uWS from 'uWebSockets.js'
import { serveResources } from './resources.ts'
import { serveSockets } from './sockets.ts'
import { serveStreams } from './streams.ts'
import { createTabs } from './tabs.ts'
import type { ListenOptions, us_listen_socket } from 'uWebSockets.js'
import type { Log } from '../../protocol/log.ts'
import type { Tabs, TabsOptions } from './tabs.ts'

export interface VersionServerOptions extends TabsOptions {
  /** Where to listen: a unix socket's path, or a TCP port, there on every address if none is given. */
  listen: string | TcpPort
  /** The text of /__spa/client.js. */
  clientScript: string
  log: Log
}

export interface TcpPort {
  port: number
  address: string | undefined
}

export interface VersionServer {
  /** Rejects when it cannot listen there. */
  open(): Promise<void>
  isOpen(): boolean
  /** Sends every tab elsewhere; resolves when the last one is closed. Answers go on. */
  drain(): Promise<void>
  /** Sends elsewhere the tabs that are open now, but for clients of the original. Others may come. */
  move(): Promise<void>
  /** Ends everything now. */
  close(): void
  tabs: Pick<Tabs, 'count' | 'pages' | 'counters'>
}

/** Not to be shared with another process (LIBUS_LISTEN_EXCLUSIVE_PORT; its name is only in the types). */
const exclusive: ListenOptions = 1
const maxPathBytes = 107 // sun_path of unix(7), its closing NUL left out

export function createVersionServer(options: VersionServerOptions): VersionServer {
  const { listen, clientScript, current: states, standalone, log } = options
  const app = uWS.App()
  const tabs = createTabs(options)
  const streams = serveStreams(tabs, options)
  const channels = [serveSockets(app, tabs, options), streams]
  let listening: us_listen_socket | undefined
  serveResources(app, clientScript, versionOf, streams.serve, standalone !== undefined)
  return { open, isOpen: () => listening !== undefined, drain, move: tabs.move, close, tabs }

  function versionOf(page: string | undefined): string | undefined {
    const state = states.state(states.deploymentOf(page))
    return state && tabs.message(state)
  }

  async function open(): Promise<void> {
    const isPath = typeof listen === 'string'
    listening = await (isPath ? listenOnPath(listen) : listenOnPort(listen))
    if (!listening) throw new Error(`cannot listen on ${isPath ? listen : `port ${listen.port}`}`)
    tabs.open()
    for (const channel of channels) channel.open()
  }

  async function listenOnPath(socketPath: string): Promise<us_listen_socket | undefined> {
    // uWebSockets.js copies the path without looking at its length: a long one ends the process (seen: SIGSEGV).
    if (Buffer.byteLength(socketPath) > maxPathBytes)
      throw new Error(`too long for a unix socket: ${socketPath}`)
    // It replaces a socket that a killed process has left there.
    return new Promise(resolve => {
      app.listen_unix(socket => resolve(socket || undefined), socketPath)
    })
  }

  function listenOnPort({ port, address }: TcpPort): Promise<us_listen_socket | undefined> {
    return new Promise(resolve => {
      const done = (socket: us_listen_socket | false): void => resolve(socket || undefined)
      if (address) app.listen(address, port, done)
      else app.listen(port, exclusive, done)
    })
  }

  async function drain(): Promise<void> {
    const { tabs: open } = tabs.count()
    log('draining tabs', { tabs: open })
    await tabs.drain()
  }

  function close(): void {
    listening = undefined
    for (const channel of channels) channel.close()
    tabs.close()
    app.close()
  }
}
