// The open tabs: /__spa/ws. A tab costs about 1 KiB, so nothing here is made per tab: no timer, no closure, numbers only.
// uWebSockets.js calls `open` after `upgrade`; a refusal that the browser's script shall be able to read is a close frame sent there.

import { setTimeout } from 'node:timers/promises'
import { closeCode, path, subprotocol } from '../../protocol/names.ts'
import { heartbeat, probe, stateMessage } from '../../protocol/message.ts'
import { createChange } from './change.ts'
import { isOwnOrigin } from './origin.ts'
import { laterMs, pace } from './pace.ts'
import { createPages } from './pages.ts'
import { refuse } from './resources.ts'
import type { HttpRequest, HttpResponse, TemplatedApp, WebSocket, us_socket_context_t } from 'uWebSockets.js'
import type { ReleaseState } from '../../protocol/release.ts'
import type { Current } from '../current.ts'

export interface TabsOptions {
  current: Current
  maxTabs: number
  heartbeatMs: number
  maxAgeMs: number
  expose: 'image' | 'id'
}

export interface Tabs {
  open(): void
  /** The frame that tells a state now. */
  frame(state: ReleaseState): string
  /** Closes every tab at the pace of pace.ts, and each that comes from now on. Resolves when those that were open are closed. */
  drain(): Promise<void>
  close(): void
  /** Open tabs, and how many of them are clients of the original. */
  count(): { tabs: number; original: number }
  /** Open tabs by the version of the page that they show. */
  pages(): [version: string, tabs: number][]
  counters: Readonly<TabCounters>
}

export interface TabCounters {
  opened: number
  closedDraining: number
  closedFull: number
  closedPolicy: number
  closedMaxAge: number
  refusedOrigin: number
  sentState: number
  sentHeartbeat: number
}

/** Kept for each tab. `until` is by performance.now(), in whole milliseconds: a small integer costs no memory of its own. */
interface Tab {
  standing: (typeof standing)[keyof typeof standing]
  page: number
  until: number
}

const standing = { current: 0, original: 1, full: 2, draining: 3 } as const

const topic = { current: 'c', original: 'o' } as const
const heartbeatFrame = JSON.stringify(heartbeat)
const laterReason = drainReason(laterMs)

const msPerTab = 5
const maxSpreadMs = 30_000

/** Registers `/__spa/ws` on the app. */
export function createTabs(app: TemplatedApp, options: TabsOptions): Tabs {
  const { maxTabs, heartbeatMs, maxAgeMs, expose } = options
  const tabs = new Set<WebSocket<Tab>>() // in the order in which they came
  const pages = createPages()
  const isChange = createChange()
  const counters: TabCounters = {
    opened: 0,
    closedDraining: 0,
    closedFull: 0,
    closedPolicy: 0,
    closedMaxAge: 0,
    refusedOrigin: 0,
    sentState: 0,
    sentHeartbeat: 0,
  }
  let originals = 0
  let isDraining = false
  let unsubscribe: (() => void) | undefined
  const timers: NodeJS.Timeout[] = []

  app.ws<Tab>(`${path.prefix}${path.ws}`, {
    maxPayloadLength: 1_024, // the one message that we take has one byte
    maxBackpressure: 64 * 1_024,
    closeOnBackpressureLimit: 1, // a tab that does not read misses no state: it comes back and gets the newest
    idleTimeout: 56, // uWebSockets.js pings 16 s before that: seen at 40 s, under the 60 s of common proxies
    sendPingsAutomatically: true,
    upgrade,
    open: welcome,
    message: hear,
    close: forget,
  })
  return { open, frame, drain, close, count, pages: pages.counts, counters }

  function open(): void {
    const known = options.current.state()
    if (known) isChange(known)
    unsubscribe = options.current.subscribe(tell)
    timers.push(setInterval(beat, heartbeatMs), setInterval(endOld, Math.min(10_000, maxAgeMs / 20)))
  }

  function close(): void {
    unsubscribe?.()
    for (const timer of timers.splice(0)) clearInterval(timer)
  }

  function upgrade(res: HttpResponse, req: HttpRequest, context: us_socket_context_t): void {
    if (req.getHeader('sec-websocket-version') !== '13') {
      return refuse(res, '426 Upgrade Required', 'WebSocket version 13 only', {
        'Sec-WebSocket-Version': '13',
      })
    }
    if (!isOwnOrigin(req.getHeader('origin'), req.getHeader('host'), req.getHeader('x-forwarded-host'))) {
      counters.refusedOrigin++
      return refuse(res, '403 Forbidden', 'the Origin is not this site')
    }
    const offered = req.getHeader('sec-websocket-protocol').split(',')
    const isCurrent = offered.some(protocol => protocol.trim() === subprotocol)
    const isRefused = isDraining || tabs.size >= maxTabs
    const accepted = isCurrent ? standing.current : standing.original
    const refused = isDraining ? standing.draining : standing.full
    const tab: Tab = {
      standing: isRefused ? refused : accepted,
      page: isRefused ? 0 : pages.enter(req.getQuery('v')),
      until: Math.round(performance.now() + maxAgeMs * (0.9 + 0.2 * Math.random())),
    }
    res.upgrade(tab, req.getHeader('sec-websocket-key'), isCurrent ? subprotocol : '', '', context)
  }

  function welcome(tab: WebSocket<Tab>): void {
    const mine = tab.getUserData().standing
    if (mine === standing.draining) return end(tab, 'closedDraining', closeCode.draining, laterReason)
    if (mine === standing.full) return end(tab, 'closedFull', closeCode.full)
    tabs.add(tab)
    counters.opened++
    if (mine === standing.original) {
      originals++
      tab.subscribe(topic.original)
      return
    }
    tab.subscribe(topic.current)
    sendState(tab)
  }

  function hear(tab: WebSocket<Tab>, message: ArrayBuffer, isBinary: boolean): void {
    const isProbe = !isBinary && Buffer.from(message).toString('latin1') === probe
    // What a client of the original would take for news is not an answer to it.
    if (!isProbe || tab.getUserData().standing !== standing.current)
      return end(tab, 'closedPolicy', closeCode.policy)
    if (options.current.state()) return sendState(tab)
    // Without any answer it would take the connection for dead.
    tab.send(Buffer.from(heartbeatFrame))
    counters.sentHeartbeat++
  }

  function forget(tab: WebSocket<Tab>): void {
    if (!tabs.delete(tab)) return
    const mine = tab.getUserData()
    pages.leave(mine.page)
    if (mine.standing === standing.original) originals--
  }

  function sendState(tab: WebSocket<Tab>): void {
    const state = options.current.state()
    if (!state) return // it comes to all as soon as it is known
    tab.send(Buffer.from(frame(state))) // as bytes: see resources.ts
    counters.sentState++
  }

  /** Encoded once for all. */
  function tell(state: ReleaseState): void {
    const text = Buffer.from(frame(state))
    app.publish(topic.current, text)
    counters.sentState += tabs.size - originals
    if (!isChange(state)) return
    app.publish(topic.original, text)
    counters.sentState += originals
  }

  function frame(state: ReleaseState): string {
    const spreadMs = Math.min(maxSpreadMs, msPerTab * (tabs.size - originals))
    return JSON.stringify(stateMessage(state, { spreadMs, heartbeatMs, expose }))
  }

  function beat(): void {
    app.publish(topic.current, heartbeatFrame)
    counters.sentHeartbeat += tabs.size - originals
  }

  function endOld(): void {
    const now = performance.now()
    for (const tab of tabs) {
      const { until } = tab.getUserData()
      if (until <= now) end(tab, 'closedMaxAge', closeCode.maxAge)
      // The oldest come first, and none ends more than the jitter's width before one that came earlier.
      else if (until > now + 0.2 * maxAgeMs) return
    }
  }

  async function drain(): Promise<void> {
    isDraining = true
    const { batch, everyMs, withinMs } = pace(tabs.size)
    const reason = drainReason(withinMs)
    while (tabs.size > 0) {
      let left = batch
      for (const tab of tabs) {
        if (left-- === 0) break
        end(tab, 'closedDraining', closeCode.draining, reason)
      }
      if (tabs.size > 0) await setTimeout(everyMs)
    }
  }

  function end(tab: WebSocket<Tab>, counter: keyof TabCounters, code: number, reason = ''): void {
    counters[counter]++
    tab.end(code, reason) // calls forget() before it returns
  }

  function count(): { tabs: number; original: number } {
    return { tabs: tabs.size, original: originals }
  }
}

/** What the client does with it: reconnect after a random part of `d` milliseconds. */
function drainReason(withinMs: number): string {
  return JSON.stringify({ d: Math.round(withinMs) })
}
