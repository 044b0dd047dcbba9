// One client of an event stream. What it has not taken yet waits in a queue of its own; when that is full it is emptied, and the reader begins anew
// with the present truth once it reads again. One that takes nothing at all for too long is cut off.

import type { ServerResponse } from 'node:http'

export interface ReaderOptions {
  response: ServerResponse
  /** Everything there is now, as frames. */
  snapshot(): Iterable<Buffer>
  /** It is gone, for whatever reason. Called once. */
  onGone(): void
  limits: Limits
}

export interface Limits {
  /** Of what waits for one reader. */
  maxFrames: number
  maxBytes: number
  /** One that takes nothing for so long is cut off. */
  stallMs: number
}

export interface Reader {
  /** Sends a snapshot, and what comes after it. */
  begin(): void
  /** `events`: how many are in the chunk. */
  send(chunk: Buffer, events: number): void
  /** Sends what waits, then a last chunk, and closes behind it. */
  end(chunk: string): void
}

const head = {
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-cache, no-transform', // compression would hold events back
  'X-Accel-Buffering': 'no', // nginx buffers whatever the type is
}
const retryMs = 2_000

export function openReader({ response, snapshot, onGone, limits }: ReaderOptions): Reader {
  let rest: Iterator<Buffer> | undefined
  let queue: { chunk: Buffer; events: number }[] = []
  let waiting = { events: 0, bytes: 0 }
  let isBlocked = false
  let isOver = false
  let last: string | undefined
  let isStale = false // something was left out
  let stall: NodeJS.Timeout | undefined
  response
    .on('close', gone)
    .on('error', () => {})
    .on('drain', drained)
  response.setTimeout(0)
  response.socket?.setNoDelay(true)
  response.writeHead(200, head)
  isBlocked = !response.write(`: ok\nretry: ${retryMs}\n\n`) // something at once: proxies and browsers wait for the first bytes
  return { begin, send, end }

  function begin(): void {
    isStale = false
    queue = []
    waiting = { events: 0, bytes: 0 }
    rest = snapshot()[Symbol.iterator]()
    pump()
  }

  function send(chunk: Buffer, events: number): void {
    if (isOver || last !== undefined) return
    if (!isBlocked && !rest) return write(chunk)
    waiting = { events: waiting.events + events, bytes: waiting.bytes + chunk.length }
    if (waiting.events > limits.maxFrames || waiting.bytes > limits.maxBytes) {
      // Where a snapshot is under way it goes on to its end: begun again each time, it might never come there.
      queue = []
      waiting = { events: 0, bytes: 0 }
      isStale = true
    } else queue.push({ chunk, events })
  }

  function write(chunk: Buffer): void {
    isBlocked = !response.write(chunk)
    if (isBlocked) stall ??= setTimeout(() => response.destroy(), limits.stallMs)
  }

  function pump(): void {
    while (!isBlocked) {
      const chunk = nextChunk()
      if (!chunk) break
      write(chunk)
    }
    if (last === undefined || isBlocked || isOver) return
    isOver = true
    response.end(last)
    stall ??= setTimeout(() => response.destroy(), limits.stallMs)
  }

  function nextChunk(): Buffer | undefined {
    const next = rest?.next()
    if (next && !next.done) return next.value
    rest = undefined
    if (isStale) {
      begin() // comes back here
      return undefined
    }
    const first = queue.shift()
    if (!first) return undefined
    waiting = { events: waiting.events - first.events, bytes: waiting.bytes - first.chunk.length }
    return first.chunk
  }

  function drained(): void {
    clearTimeout(stall)
    stall = undefined
    isBlocked = false
    pump()
  }

  function end(chunk: string): void {
    last = chunk
    pump()
  }

  function gone(): void {
    isOver = isBlocked = true
    clearTimeout(stall)
    queue = []
    rest = undefined
    onGone()
  }
}
