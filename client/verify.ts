// Announce, verify, offer: fetches the page's own document until this browser is served the announced version.
// Everything else that may come back (a login, an error, an old copy from a cache) decides nothing and is tried again later.

import { lagDelay, maxLags, verifyDelay } from './backoff.ts'
import type { Env } from './env.ts'
import { get } from './get.ts'
import { pageOfDocument } from './identity.ts'
import type { Page } from './identity.ts'
import { createTimer } from './timer.ts'
import { updateWorker } from './worker.ts'

export interface Verification {
  /** Fetches after a random part of `spreadMs`, then again and again until it is verified or stopped. */
  start(spreadMs: number): void
  /** Fetches now, unless it is being done. Settles with that attempt. */
  now(): Promise<void>
  /** Fetches within a second if the last attempt was in vain: the network or the person is back, or another service worker has come. */
  hasten(): void
  /** Whether it has looked within 10 s. */
  isFresh(): boolean
  /** Looks whether what was verified holds still: the network may have gone since, or the version. The document has 3 s. Decides nothing. */
  confirm(isVerified: (served: Page | null | undefined) => boolean): Promise<boolean>
  stop(): void
}

export interface Verifying {
  env: Env
  /** Takes the page that was served, null where the answer carried none, undefined without an answer; returns whether that ends it. */
  take: (served: Page | null | undefined) => boolean
  /** It has been answered in vain at once or soon, and after about 5 s, 30 s, 2 min and 10 min. Called once for each start. */
  onStuck: () => void
}

const maxMisses = 5
const maxSpreadMs = 10 * 60_000
const freshMs = 10_000
const confirmLimitMs = 3_000

export function createVerification({ env, take, onStuck }: Verifying): Verification {
  const timer = createTimer(env)
  let failures = 0
  /** Of these, answers. */
  let misses = 0
  /** Looks before these that met another version, and are repeated soon: they decide nothing yet. */
  let lags = 0
  let lookedAt = 0
  let running: { controller: AbortController; done: Promise<void> } | undefined

  return { start, now, hasten, isFresh, confirm, stop }

  function start(spreadMs: number): void {
    stop()
    timer.arm(env.random() * Math.min(spreadMs, maxSpreadMs), () => void now())
  }

  function now(): Promise<void> {
    timer.stop()
    if (!running) {
      const controller = new AbortController()
      running = { controller, done: attempt(controller) }
    }
    return running.done
  }

  function hasten(): void {
    if (failures + lags > 0 && !running) timer.arm(env.random() * 1_000, () => void now())
  }

  function isFresh(): boolean {
    return Math.abs(env.now() - lookedAt) < freshMs
  }

  async function confirm(isVerified: (served: Page | null | undefined) => boolean): Promise<boolean> {
    const isThere = isVerified(await look(env, new AbortController(), false, confirmLimitMs))
    if (isThere) lookedAt = env.now()
    return isThere
  }

  function stop(): void {
    timer.stop()
    running?.controller.abort()
    running = undefined
    failures = misses = lags = 0
  }

  async function attempt(controller: AbortController): Promise<void> {
    const served = await look(env, controller, failures === 0)
    if (running?.controller !== controller) return
    lookedAt = env.now()
    const isDone = take(served)
    if (running?.controller !== controller) return // stopped by who heard of it
    running = undefined
    if (isDone) {
      failures = lags = 0
      return
    }
    if (served && lags < maxLags) return timer.arm(lagDelay(lags++, env.random), () => void now())
    failures += 1
    timer.arm(verifyDelay(failures, env.random), () => void now())
    if (served !== undefined && ++misses === maxMisses) onStuck()
  }
}

/** Null also where a look could not tell what a reload brings, unless it is plain that there is no network. */
async function look(
  env: Env,
  controller: AbortController,
  isFirst: boolean,
  limitMs?: number,
): Promise<Page | null | undefined> {
  if (await updateWorker(env, isFirst)) return fetchDocument(env, controller, limitMs)
  return env.navigator.onLine ? null : undefined
}

/** As a reload would ask: past the browser's own cache (`no-cache`), but not past a CDN's, which `no-store` might be. */
function fetchDocument(
  env: Env,
  controller: AbortController,
  limitMs?: number,
): Promise<Page | null | undefined> {
  const { origin, pathname } = new URL(env.location.href)
  const init: RequestInit = {
    cache: 'no-cache',
    redirect: 'manual',
    credentials: 'same-origin',
    headers: { accept: 'text/html' },
  }
  return get(env, origin + pathname, init, pageOfDocument, controller, limitMs)
}
