// The version WebSocket: /__spa/ws. No closure and no timer is made for a tab.
// uWebSockets.js calls `open` after `upgrade`; a refusal that the browser's script shall be able to read is a close frame sent there.

import { closeCode, path, subprotocol } from '../../protocol/names.ts'
import { heartbeat, probe } from '../../protocol/message.ts'
import { createChange } from './change.ts'
import { isOwnOrigin } from './origin.ts'
import { refuse, refuseRate } from './resources.ts'
import { kind } from './tabs.ts'
import type { HttpRequest, HttpResponse, TemplatedApp, WebSocket, us_socket_context_t } from 'uWebSockets.js'
import type { ReleaseState } from '../../protocol/release.ts'
import type { Tab, Tabs, TabsOptions } from './tabs.ts'

export interface Channel {
  open(): void
  close(): void
}

const topic = { current: 'c', original: 'o' } as const
const heartbeatFrame = JSON.stringify(heartbeat)

/** Registers the path on the app. */
export function serveSockets(
  app: TemplatedApp,
  tabs: Tabs,
  { current, heartbeatMs, standalone }: Pick<TabsOptions, 'current' | 'heartbeatMs' | 'standalone'>,
): Channel {
  const { counters } = tabs
  const changes = new Map<string, ReturnType<typeof createChange>>() // by Deployment
  const isAdmitted = standalone?.isAdmitted ?? isOwnOrigin
  let unsubscribe: (() => void) | undefined
  let timer: NodeJS.Timeout | undefined

  app.ws<Tab>(standalone ? '/*' : `${path.prefix}${path.ws}`, {
    maxPayloadLength: 1_024, // the one message that we take has one byte
    maxBackpressure: 64 * 1_024,
    closeOnBackpressureLimit: 1, // a tab that does not read misses no state: it comes back and gets the newest
    idleTimeout: 56, // uWebSockets.js pings 16 s before that: seen at 40 s, under the 60 s of common proxies
    sendPingsAutomatically: true,
    upgrade,
    open: welcome,
    message: hear,
    close: tabs.forget,
  })
  return { open, close }

  function open(): void {
    for (const known of current.all()) isChange(known)
    unsubscribe = current.subscribe(tell)
    timer = setInterval(beat, heartbeatMs)
  }

  function close(): void {
    unsubscribe?.()
    clearInterval(timer)
  }

  function upgrade(res: HttpResponse, req: HttpRequest, context: us_socket_context_t): void {
    if (req.getHeader('sec-websocket-version') !== '13') {
      return refuse(res, '426 Upgrade Required', 'WebSocket version 13 only', {
        'Sec-WebSocket-Version': '13',
      })
    }
    if (!isAdmitted(req.getHeader('origin'), req.getHeader('host'), req.getHeader('x-forwarded-host'))) {
      counters.refusedOrigin++
      return refuse(res, '403 Forbidden', 'the Origin is not this site')
    }
    if (!tabs.isWithinRate()) return refuseRate(res)
    const offered = req.getHeader('sec-websocket-protocol').split(',')
    const isCurrent = offered.some(protocol => protocol.trim() === subprotocol)
    const tab = tabs.admit(isCurrent ? kind.socket : kind.original, req.getQuery('v'))
    res.upgrade(tab, req.getHeader('sec-websocket-key'), isCurrent ? subprotocol : '', '', context)
  }

  function welcome(socket: WebSocket<Tab>): void {
    if (!tabs.enter(socket)) return
    if (socket.getUserData().kind === kind.original) {
      socket.subscribe(topic.original)
      return
    }
    socket.subscribe(topic.current)
    const { deployment } = socket.getUserData()
    if (deployment !== undefined) socket.subscribe(topicOf(deployment))
    sendState(socket)
  }

  function hear(socket: WebSocket<Tab>, message: ArrayBuffer, isBinary: boolean): void {
    const isProbe = !isBinary && Buffer.from(message).toString('latin1') === probe
    // What a client of the original would take for news is not an answer to it.
    if (!isProbe || socket.getUserData().kind === kind.original)
      return tabs.end(socket, 'closedPolicy', closeCode.policy)
    if (current.state(socket.getUserData().deployment)) return sendState(socket)
    // Without any answer it would take the connection for dead.
    socket.send(Buffer.from(heartbeatFrame))
    counters.sentHeartbeat++
  }

  function sendState(socket: WebSocket<Tab>): void {
    const state = current.state(socket.getUserData().deployment)
    if (!state) return // it comes to all as soon as it is known
    socket.send(Buffer.from(tabs.message(state))) // as bytes: see resources.ts
    counters.sentState++
  }

  /** Encoded once for all. */
  function tell(state: ReleaseState): void {
    const told = topicOf(current.deploymentOf(`${state.name}-`))
    counters.sentState += app.numSubscribers(told)
    app.publish(told, Buffer.from(tabs.message(state)))
    if (!isChange(state)) return
    counters.sentState += tabs.count().original
    app.publish(topic.original, Buffer.from(tabs.message(state, 'original')))
  }

  function isChange(state: ReleaseState): boolean {
    const known = changes.get(state.name) ?? createChange()
    changes.set(state.name, known)
    return known(state)
  }

  function beat(): void {
    app.publish(topic.current, heartbeatFrame)
    counters.sentHeartbeat += currentTabs()
  }

  function currentTabs(): number {
    const { tabs: all, streams, original } = tabs.count()
    return all - streams - original
  }
}

/** Beside the one topic of all, where there are several Deployments, one for each. */
function topicOf(deployment: string | undefined): string {
  return deployment === undefined ? topic.current : `${topic.current}/${deployment}`
}
