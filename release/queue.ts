// Names whose objects moved, each worked on by one call at a time. Many moves in a short while are one call: the work is
// level-based, so it reads the world when it runs. A failed call is tried again, later and later.

import { reason } from '../protocol/log.ts'
import type { Log } from '../protocol/log.ts'

export interface Queue {
  add(key: string): void
  /** Works on it again after so many milliseconds, or earlier when it moves. */
  later(key: string, ms: number): void
  /** Ends the waiting ones; resolves when the running ones are done. */
  close(): Promise<void>
}

export interface QueueOptions {
  work(key: string): Promise<void>
  /** How long moves are gathered, in milliseconds. */
  gatherMs: number
  log: Log
  /** A call has failed, and will be tried again. */
  onFailed?(): void
}

const firstRetryMs = 500
const maxRetryMs = 30_000

export function createQueue({ work, gatherMs, log, onFailed }: QueueOptions): Queue {
  const waiting = new Map<string, { timer: NodeJS.Timeout; at: number }>()
  const running = new Map<string, Promise<void>>()
  const moved = new Set<string>() // while its call was running
  const failures = new Map<string, number>()
  let closed = false
  return { add, later: schedule, close }

  function add(key: string): void {
    if (running.has(key)) moved.add(key)
    else if (failures.has(key)) {
      // It has its turn already; news must not make it hammer a server that refuses.
    } else schedule(key, gatherMs)
  }

  function schedule(key: string, ms: number): void {
    const at = performance.now() + ms
    const before = waiting.get(key)
    if (closed || (before && before.at <= at)) return
    clearTimeout(before?.timer)
    waiting.set(key, { timer: setTimeout(start, ms, key), at })
  }

  function start(key: string): void {
    waiting.delete(key)
    if (running.has(key)) moved.add(key)
    else running.set(key, run(key))
  }

  async function run(key: string): Promise<void> {
    let delayMs = gatherMs
    try {
      await work(key)
      failures.delete(key)
    } catch (error) {
      const count = (failures.get(key) ?? 0) + 1
      failures.set(key, count)
      delayMs = Math.random() * Math.min(maxRetryMs, firstRetryMs * 2 ** count)
      moved.add(key)
      log('reconcile failed', { key, reason: reason(error), retry_ms: Math.round(delayMs) })
      onFailed?.()
    }
    running.delete(key)
    if (moved.delete(key)) schedule(key, delayMs)
  }

  async function close(): Promise<void> {
    closed = true
    for (const { timer } of waiting.values()) clearTimeout(timer)
    waiting.clear()
    await Promise.all(running.values())
  }
}
