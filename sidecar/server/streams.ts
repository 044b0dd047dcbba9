// The WebSocket's twin for where WebSockets do not come through: /__spa/events, by server-sent events
// (https://html.spec.whatwg.org/multipage/server-sent-events.html). Each frame of the one is an event of the other.
// uWebSockets.js frees `req` when the handler returns, and `res` when the client has gone: nothing touches it after that.

import { closeCode, closeEvent } from '../../protocol/names.ts'
import { formatClose, heartbeat } from '../../protocol/message.ts'
import { isOwnOrigin, isOwnSite } from './origin.ts'
import { isRead, refuse, refuseMethod, refuseRate } from './resources.ts'
import { kind } from './tabs.ts'
import type { HttpRequest, HttpResponse } from 'uWebSockets.js'
import type { ReleaseState } from '../../protocol/release.ts'
import type { Channel } from './sockets.ts'
import type { Line, Tab, Tabs, TabsOptions } from './tabs.ts'

interface Stream extends Line {
  send(bytes: Buffer): void
}

const type = 'text/event-stream'
const headers = {
  'Content-Type': type,
  'Cache-Control': 'no-store, no-transform', // a proxy that compresses holds back what is too little to be worth it
  'X-Accel-Buffering': 'no', // nginx would collect it
}
const heartbeatEvent = Buffer.from(`data: ${JSON.stringify(heartbeat)}\n\n`)

/** `serve` answers who asks for the stream. */
export function serveStreams(
  tabs: Tabs,
  { current, heartbeatMs }: Pick<TabsOptions, 'current' | 'heartbeatMs'>,
): Channel & { serve(res: HttpResponse, req: HttpRequest): void } {
  const { counters } = tabs
  const streams = new Set<Stream>()
  let unsubscribe: (() => void) | undefined
  let timer: NodeJS.Timeout | undefined

  return { open, close, serve }

  function open(): void {
    unsubscribe = current.subscribe(tell)
    timer = setInterval(beat, heartbeatMs)
  }

  function close(): void {
    unsubscribe?.()
    clearInterval(timer)
  }

  function serve(res: HttpResponse, req: HttpRequest): void {
    if (!isRead(req)) return refuseMethod(res)
    // A page elsewhere that embeds this as an image, say, would take up a tab's place: no browser asks so for anything else. CloudFront may take the field away.
    const accept = req.getHeader('accept')
    if (accept && !accept.includes(type)) return refuse(res, '406 Not Acceptable', `${type} only`)
    const isOwn =
      isOwnSite(req.getHeader('sec-fetch-site')) &&
      isOwnOrigin(req.getHeader('origin'), req.getHeader('host'), req.getHeader('x-forwarded-host'))
    if (!isOwn) {
      counters.refusedOrigin++
      return refuse(res, '403 Forbidden', 'the Origin is not this site')
    }
    const isHead = req.getMethod() === 'head'
    if (!isHead && !tabs.isWithinRate()) return refuseRate(res)
    for (const [name, value] of Object.entries(headers)) res.writeHeader(name, value)
    if (isHead) res.endWithoutBody()
    else
      welcome(createStream(res, tabs.admit(kind.stream, req.getQuery('v'))), req.getHeader('last-event-id'))
  }

  /** The first event comes at once, so that every proxy on the way has something to pass on. */
  function welcome(stream: Stream, lastId: string): void {
    if (!tabs.enter(stream)) return
    streams.add(stream)
    const state = current.state(stream.getUserData().deployment)
    const isNews = state !== undefined && idOf(state) !== lastId
    const first = isNews ? stateEvent(state) : heartbeatEvent
    counters[isNews ? 'sentState' : 'sentHeartbeat']++
    stream.send(Buffer.concat([Buffer.from(retry(3_000, 10_000)), first]))
  }

  function createStream(res: HttpResponse, tab: Tab): Stream {
    const stream: Stream = { getUserData: () => tab, send, end }
    res.onAborted(forget)
    return stream

    /** One that does not read misses no state: it comes back and gets the newest. */
    function send(bytes: Buffer): void {
      let isTaken = true
      res.cork(() => (isTaken = res.write(bytes)))
      if (!isTaken) res.close()
    }

    function end(code: number, reason: string): void {
      forget()
      const bytes = Buffer.from(closing(code, reason))
      res.cork(() => res.end(bytes))
    }

    function forget(): void {
      streams.delete(stream)
      tabs.forget(stream)
    }
  }

  function stateEvent(state: ReleaseState): Buffer {
    return Buffer.from(`id: ${idOf(state)}\ndata: ${tabs.message(state)}\n\n`)
  }

  function tell(state: ReleaseState): void {
    const event = stateEvent(state) // encoded once for all
    const deployment = current.deploymentOf(`${state.name}-`)
    for (const stream of streams) {
      if (stream.getUserData().deployment !== deployment) continue
      counters.sentState++
      stream.send(event)
    }
  }

  function beat(): void {
    counters.sentHeartbeat += streams.size
    for (const stream of streams) stream.send(heartbeatEvent)
  }
}

function idOf({ name, epoch, serial }: ReleaseState): string {
  return `${name}/${epoch}/${serial}`
}

/** An EventSource that is left to itself comes back after a fixed time: each is given another. */
function retry(leastMs: number, mostMs: number): string {
  return `retry: ${Math.round(leastMs + Math.random() * (mostMs - leastMs))}\n`
}

/** What a WebSocket's close frame would say, and when to come back. */
function closing(code: number, reason: string): string {
  return `${comeBack(code, reason)}event: ${closeEvent}\ndata: ${formatClose(code, reason)}\n\n`
}

function comeBack(code: number, reason: string): string {
  if (code === closeCode.draining) return retry(0, (JSON.parse(reason) as { d: number }).d)
  return code === closeCode.full ? retry(30_000, 60_000) : retry(0, 5_000)
}
