// The open tabs, WebSockets and event streams alike: how many may come, what each is counted as, when it has to go.
// A tab costs about 1 KiB, so what is kept for each is a few numbers.

import { setTimeout } from 'node:timers/promises'
import { closeCode } from '../../protocol/names.ts'
import { originalMessage, stateMessage } from '../../protocol/message.ts'
import { laterMs, pace } from './pace.ts'
import { createPages } from './pages.ts'
import { createRate } from './rate.ts'
import type { ReleaseState } from '../../protocol/release.ts'
import type { States } from '../states.ts'

export interface TabsOptions {
  current: States
  maxTabs: number
  /** Handshakes a second, of WebSockets and event streams alike. */
  maxHandshakes: number
  /** Whether memory is too short for another tab. */
  isShortOfMemory?: () => boolean
  heartbeatMs: number
  maxAgeMs: number
  expose: 'image' | 'id'
  /** As the original: a WebSocket is opened on any path, and from pages of any Origin that this admits. */
  standalone?: { isAdmitted(origin: string, host: string, forwardedHost: string): boolean }
}

/** A tab's connection, whatever carries it: uWebSockets.js' own WebSocket is one. */
export interface Line {
  getUserData(): Tab
  /** Closes it. `forget` is called before this returns. */
  end(code: number, reason: string): void
}

/** `until` is by performance.now(), in whole milliseconds: a small integer costs no memory of its own. */
export interface Tab {
  kind: (typeof kind)[keyof typeof kind]
  /** The close code with which it is sent away as soon as it has come; 0: it may stay. */
  refusal: number
  page: number
  until: number
  /** Whose state it is told, where there are several Deployments. */
  deployment: string | undefined
}

/** `original`: a client of the original, by WebSocket, which is told of changes only. */
export const kind = { socket: 0, stream: 1, original: 2 } as const

export interface Tabs {
  open(): void
  /** Whether one more handshake is within what is taken a second. */
  isWithinRate(): boolean
  /** Takes how it comes and the `v` of its query. What comes out is kept with its connection. */
  admit(kind: Tab['kind'], version: string | undefined): Tab
  /** Returns whether it stays; otherwise it has been told why and closed. */
  enter(line: Line): boolean
  forget(line: Line): void
  end(line: Line, counter: keyof TabCounters, code: number, reason?: string): void
  /** The message that tells a state now; to clients of the original, where another version is ready. */
  message(state: ReleaseState, to?: 'original'): string
  /** Closes every tab at the pace of pace.ts, and each that comes from now on. Resolves when those that were open are closed. */
  drain(): Promise<void>
  /** Closes at the same pace those that are open now, but for clients of the original, which would not come back. Others may come. */
  move(): Promise<void>
  close(): void
  count(): TabCount
  /** Open tabs by the version of the page that they show. */
  pages(): [version: string, tabs: number][]
  counters: TabCounters
}

/** `tabs`: all; of these `streams` are event streams, and `original` are clients of the original. */
export type TabCount = Record<'tabs' | 'streams' | 'original', number>

export interface TabCounters {
  opened: number
  closedDraining: number
  closedSwitched: number
  closedFull: number
  closedPolicy: number
  closedMaxAge: number
  refusedOrigin: number
  refusedRate: number
  sentState: number
  sentHeartbeat: number
}

const msPerTab = 5
const maxSpreadMs = 30_000

export function createTabs({
  current,
  maxTabs,
  maxHandshakes,
  heartbeatMs,
  maxAgeMs,
  expose,
  isShortOfMemory,
}: TabsOptions): Tabs {
  const lines = new Set<Line>() // in the order in which they came
  const counts = { [kind.socket]: 0, [kind.stream]: 0, [kind.original]: 0 }
  const pages = createPages()
  const counters: TabCounters = {
    opened: 0,
    closedDraining: 0,
    closedSwitched: 0,
    closedFull: 0,
    closedPolicy: 0,
    closedMaxAge: 0,
    refusedOrigin: 0,
    refusedRate: 0,
    sentState: 0,
    sentHeartbeat: 0,
  }
  const rate = createRate(maxHandshakes)
  let isDraining = false
  let timer: NodeJS.Timeout | undefined
  return {
    open,
    isWithinRate,
    admit,
    enter,
    forget,
    end,
    message,
    drain,
    move,
    close,
    count,
    pages: pages.counts,
    counters,
  }

  function open(): void {
    timer = setInterval(endOld, Math.min(10_000, maxAgeMs / 20))
  }

  function close(): void {
    clearInterval(timer)
  }

  function isWithinRate(): boolean {
    const isTaken = rate()
    if (!isTaken) counters.refusedRate++
    return isTaken
  }

  function admit(kind: Tab['kind'], version: string | undefined): Tab {
    const isFull = lines.size >= maxTabs || isShortOfMemory?.() === true
    const refusal = isDraining ? closeCode.draining : isFull ? closeCode.full : 0
    return {
      kind,
      refusal,
      page: refusal ? 0 : pages.enter(version),
      until: Math.round(performance.now() + maxAgeMs * (0.9 + 0.2 * Math.random())),
      deployment: current.deploymentOf(version),
    }
  }

  function enter(line: Line): boolean {
    const { kind, refusal } = line.getUserData()
    if (refusal === closeCode.draining) end(line, 'closedDraining', refusal, drainReason(laterMs))
    else if (refusal) end(line, 'closedFull', refusal)
    if (refusal) return false
    lines.add(line)
    counts[kind]++
    counters.opened++
    return true
  }

  function forget(line: Line): void {
    if (!lines.delete(line)) return
    const { kind, page } = line.getUserData()
    counts[kind]--
    pages.leave(page)
  }

  function end(line: Line, counter: keyof TabCounters, code: number, reason = ''): void {
    counters[counter]++
    line.end(code, reason)
  }

  function message(state: ReleaseState, to?: 'original'): string {
    const { tabs, original } = count()
    const spreadMs = Math.min(maxSpreadMs, msPerTab * (tabs - original))
    const build = to === 'original' ? originalMessage : stateMessage
    return JSON.stringify(build(state, { spreadMs, heartbeatMs, expose }))
  }

  function endOld(): void {
    const now = performance.now()
    for (const line of lines) {
      const { kind: its, until } = line.getUserData()
      if (its === kind.original) continue // it would not come back
      if (until <= now) end(line, 'closedMaxAge', closeCode.maxAge)
      // The oldest come first, and none ends more than the jitter's width before one that came earlier.
      else if (until > now + 0.2 * maxAgeMs) return
    }
  }

  function drain(): Promise<void> {
    isDraining = true
    return sendAway([...lines], 'closedDraining')
  }

  function move(): Promise<void> {
    const leaving = [...lines].filter(line => line.getUserData().kind !== kind.original)
    return sendAway(leaving, 'closedSwitched')
  }

  async function sendAway(leaving: Line[], counter: keyof TabCounters): Promise<void> {
    const { batch, everyMs, withinMs } = pace(leaving.length)
    const reason = drainReason(withinMs)
    while (leaving.length > 0) {
      for (const line of leaving.splice(0, batch))
        if (lines.has(line)) end(line, counter, closeCode.draining, reason)
      if (leaving.length > 0) await setTimeout(everyMs)
    }
  }

  function count(): TabCount {
    return { tabs: lines.size, streams: counts[kind.stream], original: counts[kind.original] }
  }
}

/** What the client does with it: reconnect after a random part of `d` milliseconds. */
function drainReason(withinMs: number): string {
  return JSON.stringify({ d: Math.round(withinMs) })
}
