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

/**
 * Settles within 5 s, with false where a look could not tell what a reload brings: a worker is coming, it could not be updated (the end of a rollout
 * refuses connections), or Angular's has not said that it is done. `isFirst`: the first look for this release.
 */
export async function updateWorker(env: Env, isFirst: boolean): Promise<boolean> {
  const workers = serviceWorkers(env)
  if (!workers) return true
  const limit = new Promise<false>(resolve => env.setTimeout(() => resolve(false), limitMs))
  try {
    const registration = await Promise.race([workers.getRegistration(), limit])
    if (!registration) return true
    const update = registration.update().then(
      () => true,
      () => false,
    )
    const isUpdated = await Promise.race([update, limit])
    const { installing, waiting, active } = registration
    if (installing || waiting) return false
    if (!active?.scriptURL.includes('/ngsw-worker.js')) return isUpdated
    return await updateAngular(workers, active, limit, env.random(), isFirst)
  } catch {
    return true // it could not be asked: the look will tell
  }
}

/**
 * Angular's script is the same in each release. It downloads the next one when its app asks it to (`SwUpdate.checkForUpdate()`), and says when that is
 * done, with the number that it was given; up to Angular 12 that was called `statusNonce`. What is not `true` may mean that it could not ask (a 503, no
 * network), unless it says as well that there is nothing new, as it does from 14 on: then it counts when it is said once more.
 */
async function updateAngular(
  workers: ServiceWorkers,
  worker: ServiceWorker,
  limit: Promise<false>,
  nonce: number,
  isFirst: boolean,
): Promise<boolean> {
  const listening = new AbortController()
  let isSure = !isFirst
  const answer = new Promise<boolean>(resolve => {
    const hear = (event: Event): void => {
      const { data } = event as MessageEvent<Record<string, unknown> | null>
      if (data?.type === 'NO_NEW_VERSION_DETECTED') isSure = true
      if (data?.nonce === nonce) resolve(isSure || data.result === true)
    }
    workers.addEventListener('message', hear, { signal: listening.signal })
  })
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has no target
  worker.postMessage({ action: 'CHECK_FOR_UPDATES', nonce, statusNonce: nonce })
  const isDone = await Promise.race([answer, limit])
  listening.abort()
  return isDone
}
