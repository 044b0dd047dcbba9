// The socket that brings the state, and brings it back. The reconnect is the delivery path: most tabs sit on a pod that is going away.
// At any moment one timer is armed at most, and what it means follows from the status.

import { parseMessage, probe } from '../protocol/message.ts'
import type { StateMessage } from '../protocol/message.ts'
import { subprotocol } from '../protocol/names.ts'
import { isRefusal, reconnectDelay } from './backoff.ts'
import type { Env, Socket } from './env.ts'
import { createTimer } from './timer.ts'

/** `closed`: waiting to dial again. `off`: it never will. */
export type ConnectionStatus = 'connecting' | 'open' | 'closed' | 'off'

export interface Connection {
  readonly status: ConnectionStatus
  /** The tab may have slept through anything: a socket that looks open is asked, a closed one is dialled within a second. */
  wake(): void
  /** Until it is woken: without an open socket a page can go to the back/forward cache. */
  pause(): void
  /** For good. */
  close(): void
}

export interface Wiring {
  env: Env
  /** Read at each dial, since the page may learn its identity later. */
  url: () => string
  onState: (state: StateMessage) => void
  onStatus: () => void
}

// A dial to a pod whose network has gone hangs for minutes; on a slow line a handshake may take its time.
const dialLimitMs = (failures: number) => Math.min(15_000, 4_000 * 2 ** failures)
const answerLimitMs = 5_000
const stableMs = 10_000
const wakeSpreadMs = 1_000

export function connect({ env, url, onState, onStatus }: Wiring): Connection {
  const timer = createTimer(env)
  let status: ConnectionStatus = 'closed'
  let socket: Socket | undefined
  let failures = 0
  let openedAt = 0
  let heardAt = 0
  let silenceMs = 0
  let refusedUntil = 0

  dial()
  return {
    get status() {
      return status
    },
    wake,
    pause: () => end('closed'),
    close: () => end('off'),
  }

  function dial(): void {
    if (!env.WebSocket) return change('off')
    let dialled: Socket
    try {
      dialled = new env.WebSocket(url(), subprotocol)
    } catch {
      return lost() // forbidden, as ws: is on an https page
    }
    socket = dialled
    timer.arm(dialLimitMs(failures), lost)
    change('connecting')
    dialled.addEventListener('open', () => dialled === socket && opened())
    dialled.addEventListener('message', ({ data }) => dialled === socket && heard(data))
    dialled.addEventListener('error', () => {}) // a close follows, and says as much
    dialled.addEventListener('close', ({ code, reason }) => dialled === socket && lost(code, reason))
  }

  function opened(): void {
    openedAt = heardAt = env.now()
    silenceMs = silenceOf(25_000)
    timer.arm(silenceMs, listen)
    change('open')
  }

  function heard(data: unknown): void {
    heardAt = env.now()
    const message = parseMessage(data)
    if (message?.type !== 'state') return
    silenceMs = silenceOf(message.heartbeat_ms)
    timer.arm(silenceMs, listen)
    onState(message)
  }

  /** While the socket is open. */
  function listen(): void {
    const restMs = heardAt + silenceMs - env.now()
    if (restMs > 0) timer.arm(restMs, listen)
    else lost()
  }

  function ask(): void {
    const askedAt = env.now()
    socket?.send(probe)
    timer.arm(answerLimitMs, () => (heardAt < askedAt ? lost() : listen()))
  }

  /** Also of a dead one that is not closed yet: its close event may take minutes, and is not waited for. */
  function lost(code = 1006, reason = ''): void {
    const isStable = status === 'open' && env.now() - openedAt >= stableMs
    if (isStable) failures = 0
    const delayMs = reconnectDelay(code, reason, failures, env.random)
    if (!isStable) failures += 1
    refusedUntil = isRefusal(code) ? env.now() + delayMs : 0
    end('closed', env.navigator.onLine ? delayMs : undefined) // offline, `online` wakes us
  }

  function wake(): void {
    if (status === 'open') ask()
    if (status === 'closed') timer.arm(Math.max(refusedUntil - env.now(), env.random() * wakeSpreadMs), dial)
  }

  function end(next: ConnectionStatus, redialMs?: number): void {
    const ended = socket
    socket = undefined
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
