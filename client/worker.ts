// Service workers. Those of Workbox and Angular answer navigations, and let a `fetch` of the same document through to the network: then our look
// is served the new version, and a reload the worker's old one. So before each look the worker may update itself, and until it has, none is taken.

import type { Env, ServiceWorker, ServiceWorkers } from './env.ts'

const limitMs = 5_000

/** Undefined where there are none, and in a sandboxed frame, where it is forbidden to ask. */
export function serviceWorkers({ navigator }: Env): ServiceWorkers | undefined {
  try {
    return navigator.serviceWorker
  } catch {
    return undefined
  }
}

/** Whether a worker may have answered the request for this page. */
export function isControlled(env: Env): boolean {
  return !!serviceWorkers(env)?.controller
}

/** Whether this is Angular's word that it has another version now: the second, up to Angular 12. */
export function isRenewal(event: Event): boolean {
  const { data } = event as MessageEvent<{ type?: unknown } | null>
  return data?.type === 'VERSION_READY' || data?.type === 'UPDATE_AVAILABLE'
}

/** Settles within 5 s, with false where a look could not tell what a reload brings: a worker is coming, or Angular's has not said that it is done. */
export async function updateWorker(env: Env): Promise<boolean> {
  const workers = serviceWorkers(env)
  if (!workers) return true
  const limit = new Promise<false>(resolve => env.setTimeout(() => resolve(false), limitMs))
  try {
    const registration = await Promise.race([workers.getRegistration(), limit])
    if (!registration) return true
    await Promise.race([registration.update().catch(() => {}), limit]) // offline, or its script is gone
    const { installing, waiting, active } = registration
    if (installing || waiting) return false
    return (
      !active?.scriptURL.includes('/ngsw-worker.js') ||
      (await updateAngular(workers, active, limit, env.random()))
    )
  } catch {
    return true // it could not be asked: the look will tell
  }
}

/**
 * Angular's script is the same in each release. It downloads the next one when its app asks it to (`SwUpdate.checkForUpdate()`), and says when that is
 * done, with the number that it was given; up to Angular 12 that was called `statusNonce`.
 */
async function updateAngular(
  workers: ServiceWorkers,
  worker: ServiceWorker,
  limit: Promise<false>,
  nonce: number,
): Promise<boolean> {
  const listening = new AbortController()
  const answer = new Promise<true>(resolve => {
    const hear = (event: Event): void => {
      if ((event as MessageEvent<{ nonce?: unknown } | null>).data?.nonce === nonce) resolve(true)
    }
    workers.addEventListener('message', hear, { signal: listening.signal })
  })
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has no target
  worker.postMessage({ action: 'CHECK_FOR_UPDATES', nonce, statusNonce: nonce })
  const isDone = await Promise.race([answer, limit])
  listening.abort()
  return isDone
}
