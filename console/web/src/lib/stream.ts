// One connection for Server-Sent Events. The browser's own EventSource reconnects after a drop, and gives up for good after any answer that
// is not a stream; what it does not do is here: back off, stop where it is not let in, notice silence, rest while nobody looks (after a minute, or
// at once where connections are scarce).

import { crowd, crowdedFrom } from './crowd.ts'

export type StreamState =
  | { kind: 'connecting' }
  | { kind: 'live' }
  /** Dials again at `at`, in milliseconds of the world's clock. */
  | { kind: 'waiting'; at: number }
  | { kind: 'offline' }
  /** Hidden for long: closed until somebody looks. */
  | { kind: 'asleep' }
  /** The answer's status says that asking again is of no use. */
  | { kind: 'refused'; status: number }
  /** Everything has been said. */
  | { kind: 'ended' }

export interface StreamEvent {
  type: string
  payload: unknown
}

export interface StreamHandlers {
  onEvent(event: StreamEvent): void
  onState(state: StreamState): void
}

export interface Stream {
  /** Dials at once, whatever it waits for. */
  retry(): void
  close(): void
}

/** What of an EventSource is used. */
interface Source {
  readonly readyState: number
  addEventListener(type: 'open' | 'error', listener: () => void): void
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void
  close(): void
}

export interface World {
  open(url: string): Source
  /** The status of the answer to a GET; 0 where there is none. */
  probe(url: string): Promise<number>
  now(): number
  random(): number
  /** Returns what takes the timer back. */
  after(ms: number, run: () => void): () => void
  isHidden(): boolean
  /** There are so many streams that another tab might not come through. */
  isCrowded(): boolean
  /** Counts a stream as open; returns what takes it back. */
  join(): () => void
  /** `crowd`: there are more streams, or less. Of document and window: visibilitychange, pagehide, pageshow, online, offline. Returns what stops listening. */
  listen(type: string, run: () => void): () => void
}

const silenceMs = 45_000 // three heartbeats
const restMs = 60_000
const offlineMs = 30_000 // the console is on loopback, mostly, and browsers take themselves for offline that are not
const closed = 2 // EventSource.CLOSED
const idle = (): void => {}

/** Milliseconds until the next attempt after `failures` in a row: anything up to 1 s, then 2 s, … 30 s, so that tabs do not come back all at once. */
export function backoffMs(failures: number, random: () => number): number {
  return Math.min(30_000, 1_000 * 2 ** Math.max(0, failures - 1)) * random()
}

/** Opens a stream of `{"type", "payload"}`; what is no such thing is left out. A `bye` is followed, an `end` closes for good. */
export function openStream(
  url: string,
  { onEvent, onState }: StreamHandlers,
  world: World = browser,
): Stream {
  let source: Source | undefined
  let failures = 0
  let isOver = false
  let wait = idle
  let watchdog = idle
  let rest = idle
  let leave = idle
  let state: StreamState | undefined
  const stops = [
    world.listen('offline', () => {
      hangUp({ kind: 'offline' })
      wait = world.after(offlineMs, wake)
    }),
    world.listen('online', wake),
    world.listen('pagehide', () => hangUp({ kind: 'asleep' })),
    world.listen('pageshow', wake),
    world.listen('crowd', () => {
      if (world.isCrowded()) goToRest()
    }),
    world.listen('visibilitychange', () => {
      restSoon()
      wake()
    }),
  ]
  dial()
  restSoon() // a tab may be opened behind another

  return {
    retry() {
      if (isOver) return
      failures = 0
      dial()
    },
    close: () => end(undefined),
  }

  function dial(): void {
    hangUp({ kind: 'connecting' })
    const mine = world.open(url)
    source = mine
    leave = world.join()
    mine.addEventListener('message', ({ data }) => {
      if (source === mine) receive(data)
    })
    mine.addEventListener('open', () => {
      if (source === mine) listenFor()
    })
    mine.addEventListener('error', () => {
      if (source !== mine) return
      if (mine.readyState === closed) void ask(mine)
      else show({ kind: 'connecting' }) // the browser dials again by itself, and says where it was
    })
    listenFor()
  }

  function receive(data: unknown): void {
    failures = 0
    listenFor()
    show({ kind: 'live' })
    const event = parse(data)
    if (!event) return
    if (event.type === 'bye') return again(retryMs(event.payload) * (0.5 + world.random()))
    onEvent(event)
    if (event.type === 'end') end({ kind: 'ended' })
  }

  /** The browser has given up, and does not say why. */
  async function ask(mine: Source): Promise<void> {
    const status = await world.probe(url)
    if (source !== mine) return
    if (status === 401 || status === 403 || status === 404) hangUp({ kind: 'refused', status })
    else fail()
  }

  function fail(): void {
    failures += 1
    again(backoffMs(failures, world.random))
  }

  function again(ms: number): void {
    hangUp({ kind: 'waiting', at: world.now() + ms })
    wait = world.after(ms, dial)
  }

  function listenFor(): void {
    watchdog()
    watchdog = world.after(silenceMs, fail)
  }

  function wake(): void {
    if (isOver || source || world.isHidden() || state?.kind === 'refused') return
    failures = 0
    dial()
  }

  function restSoon(): void {
    rest()
    if (world.isHidden()) rest = world.after(world.isCrowded() ? 0 : restMs, goToRest)
  }

  function goToRest(): void {
    if (world.isHidden()) hangUp({ kind: 'asleep' })
  }

  function hangUp(next: StreamState): void {
    if (isOver) return
    wait()
    watchdog()
    drop()
    show(next)
  }

  function drop(): void {
    source?.close()
    source = undefined
    leave()
  }

  function end(last: StreamState | undefined): void {
    if (last) hangUp(last)
    isOver = true
    for (const stop of [...stops, wait, watchdog, rest]) stop()
    drop()
  }

  function show(next: StreamState): void {
    if (next.kind === state?.kind && next.kind !== 'waiting') return
    state = next
    onState(next)
  }
}

function retryMs(payload: unknown): number {
  const { retry_ms: ms } = payload as { retry_ms?: unknown }
  return typeof ms === 'number' && ms >= 0 ? Math.min(ms, 30_000) : 1_000
}

function parse(data: unknown): StreamEvent | undefined {
  try {
    const event: unknown = JSON.parse(String(data))
    const isEvent = typeof event === 'object' && event !== null && 'type' in event && 'payload' in event
    return isEvent && typeof event.type === 'string' && typeof event.payload === 'object' && event.payload
      ? (event as StreamEvent)
      : undefined
  } catch {
    return undefined
  }
}

const browser: World = {
  open: url => new EventSource(url),
  async probe(url) {
    const abort = new AbortController()
    try {
      const { status } = await fetch(url, {
        headers: { accept: 'text/event-stream' },
        cache: 'no-store',
        signal: AbortSignal.any([abort.signal, AbortSignal.timeout(10_000)]),
      })
      return status
    } catch {
      return 0
    } finally {
      abort.abort()
    }
  },
  now: () => Date.now(),
  random: () => Math.random(),
  after(ms, run) {
    const timer = setTimeout(run, ms)
    return () => clearTimeout(timer)
  },
  isHidden: () => document.hidden,
  isCrowded: () => crowd.count() >= crowdedFrom,
  join: () => crowd.join(),
  listen(type, run) {
    if (type === 'crowd') return crowd.listen(run)
    const target = type === 'visibilitychange' ? document : window
    target.addEventListener(type, run)
    return () => target.removeEventListener(type, run)
  },
}
