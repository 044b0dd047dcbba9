// The version server: what browsers ask under /__spa/. uWebSockets.js on a unix socket that only the front dials,
// because it is far the lightest per open tab and must never parse an app's traffic (it has its own ideas of HTTP).

import uWS from 'uWebSockets.js'
import { serveResources } from './resources.ts'
import { serveSockets } from './sockets.ts'
import { serveStreams } from './streams.ts'
import { createTabs } from './tabs.ts'
import type { us_listen_socket } from 'uWebSockets.js'
import type { Log } from '../../protocol/log.ts'
import type { Tabs, TabsOptions } from './tabs.ts'

export interface VersionServerOptions extends TabsOptions {
  socketPath: string
  /** The text of /__spa/client.js. */
  clientScript: string
  log: Log
}

export interface VersionServer {
  /** Rejects when the socket's path cannot be listened on. */
  open(): Promise<void>
  isOpen(): boolean
  /** Sends every tab elsewhere; resolves when the last one is closed. Answers go on. */
  drain(): Promise<void>
  /** Ends everything now. */
  close(): void
  tabs: Pick<Tabs, 'count' | 'pages' | 'counters'>
}

const maxPathBytes = 107 // sun_path of unix(7), its closing NUL left out

export function createVersionServer(options: VersionServerOptions): VersionServer {
  const { socketPath, clientScript, current, log } = options
  const app = uWS.App()
  const tabs = createTabs(options)
  const channels = [serveSockets(app, tabs, options), serveStreams(app, tabs, options)]
  let listening: us_listen_socket | undefined
  serveResources(app, clientScript, () => {
    const state = current.state()
    return state && tabs.message(state)
  })
  return { open, isOpen: () => listening !== undefined, drain, close, tabs }

  async function open(): Promise<void> {
    // uWebSockets.js copies the path without looking at its length: a long one ends the process (seen: SIGSEGV).
    if (Buffer.byteLength(socketPath) > maxPathBytes)
      throw new Error(`too long for a unix socket: ${socketPath}`)
    // It replaces a socket that a killed process has left there.
    listening = await new Promise<us_listen_socket | undefined>(resolve => {
      app.listen_unix(socket => resolve(socket || undefined), socketPath)
    })
    if (!listening) throw new Error(`cannot listen on ${socketPath}`)
    tabs.open()
    for (const channel of channels) channel.open()
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
