// What brings the state, and brings it back. The reconnect is the delivery path: most tabs sit on a pod that is going away.
// A ladder: the WebSocket; where that does not come through, the event stream; where neither does, polling. One at a time.
// At any moment one timer is armed at most, and what it means follows from the status.

import { parseMessage } from '../protocol/message.ts'
import type { HeardState } from '../protocol/message.ts'
import { closeCode, path } from '../protocol/names.ts'
import { climbDelay, pollDelay, reconnectDelay } from './backoff.ts'
import type { Env } from './env.ts'
import { get } from './get.ts'
import { navigation } from './identity.ts'
import { dialSocket, dialStream } from './line.ts'
import type { Line } from './line.ts'
import { createTimer } from './timer.ts'

/**
 * `open`: by WebSocket. `events`: by event stream. `polling`: asks every 5 minutes while the page is visible, and when it wakes; tries a better way from time to time.
 * `closed`: waiting to dial again. `off`: it never will.
 */
export type ConnectionStatus = 'connecting' | 'open' | 'events' | 'polling' | 'closed' | 'off'

export interface Connection {
  readonly status: ConnectionStatus
  /**
   * The tab may have slept through anything: a line that looks open is asked, a closed one is dialled within a second.
   * `isElsewhere`: the network may be another one, and let through what the last did not.
   */
  wake(isElsewhere?: boolean): void
  /** Nobody looks at the page any more. */
  hide(): void
  /** Until it is woken: without an open line a page can go to the back/forward cache. */
  pause(): void
  /** For good. */
  close(): void
}

export interface Wiring {
  env: Env
  /** Takes the name of a file below `__spa/`. Read at each dial, since the page may learn its identity later. */
  address: (file: string) => string
  onState: (state: HeardState) => void
  onStatus: () => void
}

// A dial to a pod whose network has gone hangs for minutes; on a slow line a handshake may take its time.
const dialLimitMs = (failures: number) => Math.min(15_000, 4_000 * 2 ** failures)
const answerLimitMs = 5_000
const stableMs = 10_000
const wakeSpreadMs = 1_000
const maxRefusals = 3
const offlineMs = 60_000
/** More than any wait that is kept as a time. */
const maxWaitMs = 3_600_000

const rung = { socket: 0, stream: 1, poll: 2 } as const
const opened = ['open', 'events'] as const

export function connect({ env, address, onState, onStatus }: Wiring): Connection {
  const timer = createTimer(env)
  let status: ConnectionStatus = 'closed'
  let line: Line | undefined
  /** Changes whenever what was begun is over. */
  let turn = 0
  let failures = 0
  let openedAt = 0
  let heardAt = 0
  let silenceMs = 0
  let refusedUntil = 0
  let refusals = 0
  let at: number = rung.socket
  /** Lines of this rung in a row that brought nothing. */
  let misses = 0
  let patience = 2
  let climbAt = 0
  let climbs = 0

  dial()
  return {
    get status() {
      return status
    },
    wake,
    hide,
    pause: () => end('closed'),
    close: () => end('off'),
  }

  function dial(): void {
    if (at > rung.socket && until(climbAt) === 0) stand(rung.socket, 1)
    if (at === rung.socket && !env.WebSocket) stand(rung.stream)
    if (at === rung.stream && !env.EventSource) stand(rung.poll)
    if (at === rung.poll && !env.fetch) return end('off')
    if (at === rung.stream && isScarce()) return end('closed', until(climbAt))
    const isPolling = at === rung.poll || misses >= patience
    timer.stop()
    if (!isPolling || status !== 'polling') change('connecting')
    if (status === 'off') return // stopped by who heard of that
    if (isPolling) void poll()
    else dialLine()
  }

  function dialLine(): void {
    const { WebSocket, EventSource } = env
    const mine = ++turn
    const on = { opened: open, heard, lost }
    openedAt = 0
    heardAt = 0
    // The browser may forbid it, and tell of a failure before this returns.
    timer.arm(dialLimitMs(failures), lost)
    try {
      const dialled =
        at === rung.socket
          ? WebSocket && dialSocket(WebSocket, address(path.ws), on)
          : EventSource && dialStream(EventSource, address(path.events), on)
      if (mine === turn) line = dialled
      else dialled?.close()
    } catch {
      lost()
    }
  }

  function open(): void {
    openedAt = env.now()
    silenceMs = silenceOf(25_000)
    // A stream's first event comes at once: what passes its head only would keep it for ever.
    if (at === rung.socket) timer.arm(silenceMs, lost)
    change(opened[at] ?? 'open')
  }

  function heard(data: unknown): void {
    const message = parseMessage(data)
    heardAt = env.now()
    if (message?.type === 'unknown') return settleForPolling()
    if (message?.type === 'state') silenceMs = silenceOf(message.heartbeat_ms)
    timer.arm(silenceMs, lost)
    if (message?.type === 'state') onState(message)
  }

  /** A stream cannot be asked, but it has to bring the next heartbeat in time. */
  function ask(): void {
    line?.ask?.()
    const restMs = Math.max(openedAt, heardAt) + silenceMs / 2 - env.now()
    timer.arm(line?.ask ? answerLimitMs : Math.min(Math.max(0, restMs), silenceMs), lost) // a clock may be set back
  }

  /**
   * Asks by plain HTTP: on the last rung for the state; before it, whether it is only the rung that does not hold. While the server
   * does not answer at all, the next one would hold no better.
   */
  async function poll(): Promise<void> {
    const mine = ++turn
    const text = await get(env, address(path.version), { cache: 'no-store' }, answer => answer.text())
    if (mine !== turn) return
    const message = parseMessage(text)
    const isProbe = at < rung.poll
    if (!message) {
      if (isProbe) dialLine()
      else lost()
      return
    }
    failures = 0
    if (isProbe) stand(at + 1, patience)
    else timer.arm(Math.min(pollDelay(env.random), until(climbAt)), pollAgain)
    if (!isProbe) change('polling')
    if (message.type === 'state' && mine === turn) onState(message)
    if (isProbe && mine === turn) dial()
  }

  /** Hidden, it only waits for a better rung, or to be woken. */
  function pollAgain(): void {
    const restMs = until(climbAt)
    if (isHidden() && restMs > 0) timer.arm(restMs, pollAgain)
    else dial()
  }

  /** Milliseconds, none when they are more than was ever waited for: the clock was set back. */
  function until(time: number): number {
    const restMs = time - env.now()
    return restMs > maxWaitMs ? 0 : Math.max(0, restMs)
  }

  function isHidden(): boolean {
    return env.document.visibilityState === 'hidden'
  }

  /**
   * Over HTTP/1.1 a browser opens six connections to a host for all its tabs together, and a stream keeps one: a seventh tab would
   * not even load. So a tab that nobody looks at does without, until it is woken. WebKit names no protocol (`''`) where a redirect from another
   * origin led to the page.
   */
  function isScarce(): boolean {
    return isHidden() && /^(http\/1.1)?$/.test(navigation(env)?.nextHopProtocol ?? 'h2')
  }

  function hide(): void {
    const isOver = status === 'closed' || status === 'off'
    if (!isOver && at === rung.stream && isScarce()) end('closed', until(climbAt))
  }

  /** Also of a dead one that is not closed yet: its close event may take minutes, and is not waited for. */
  function lost(code = 1006, reason = ''): void {
    const isOpen = status === 'open' || status === 'events'
    const isStable = isOpen && env.now() - openedAt >= stableMs
    if (isStable) failures = 0
    if (isStable && at === rung.socket) climbs = 0
    const delayMs = reconnectDelay(code, reason, failures, env.random, isHidden())
    if (!isStable) failures += 1
    misses = heardAt || code !== 1006 ? 0 : misses + 1
    refusals = code === closeCode.full ? refusals + 1 : 0
    refusedUntil = code === closeCode.full ? env.now() + delayMs : 0
    if (code === closeCode.policy || refusals >= maxRefusals) return settleForPolling()
    // Offline, `online` wakes us. But Chromium says so for good on some machines that are not (TanStack/query#5714).
    end('closed', env.navigator.onLine ? delayMs : delayMs + offlineMs)
  }

  function wake(isElsewhere = false): void {
    if (isElsewhere) climbAt = 0
    if (status === 'open' || status === 'events') ask()
    if (status === 'closed' || status === 'polling')
      timer.arm(Math.max(until(refusedUntil), env.random() * wakeSpreadMs), dial)
  }

  function settleForPolling(): void {
    refusedUntil = 0
    stand(rung.poll)
    end('closed', env.random() * answerLimitMs)
  }

  function stand(on: number, bears = 2): void {
    if (at === rung.socket) climbAt = env.now() + climbDelay(climbs++, env.random)
    at = on
    misses = 0
    patience = bears
  }

  function end(next: ConnectionStatus, redialMs?: number): void {
    const ended = line
    turn += 1
    line = undefined
    ended?.close()
    timer.stop()
    if (redialMs !== undefined) timer.arm(redialMs, dial)
    change(next)
  }

  function change(next: ConnectionStatus): void {
    if (status === next) return
    status = next
    onStatus()
  }
}

/** Two heartbeats may be late or lost. Kept within what a timer can count, and apart from a busy loop. */
function silenceOf(heartbeatMs: number): number {
  return Math.min(Math.max(2.5 * heartbeatMs, 5_000), 3_600_000)
}
