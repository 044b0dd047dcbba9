// How many streams the tabs of this browser have open, all together. To one host a browser opens six connections by HTTP/1.1, for all its tabs, and a
// stream keeps one: with six of them the next tab cannot even load. A lock that each stream holds is what they are counted by: it goes with its tab,
// however that ends. Where locks are not there (they need a secure context), or connections are not scarce (HTTP/2), nobody counts.

/** One connection is left for what else is asked for. */
export const crowdedFrom = 5

interface Crowd {
  /** Counts a stream; returns what takes it back. */
  join(): () => void
  count(): number
  /** `run` is called whenever it has become another one. Returns what stops it. */
  listen(run: () => void): () => void
}

const name = 'spa-reloader-console-stream'
const againMs = 2_000 // a tab that is closed does not say so

export const crowd = createCrowd()

function createCrowd(): Crowd {
  const listeners = new Set<() => void>()
  let count = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  const isPlenty = performance
    .getEntriesByType('navigation') // of a page that the cache had it says nothing
    .some(entry => /^h[23]/.test((entry as PerformanceNavigationTiming).nextHopProtocol))
  const locks = !isPlenty && globalThis.isSecureContext ? navigator.locks : undefined
  const channel = locks && new BroadcastChannel(name)
  channel?.addEventListener('message', () => void look())
  return { join, count: () => count, listen }

  function join(): () => void {
    let leave!: () => void
    const left = new Promise<void>(resolve => (leave = resolve))
    void locks
      ?.request(`${name} ${crypto.randomUUID()}`, () => {
        tell()
        return left
      })
      .finally(tell)
    return leave
  }

  function tell(): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a BroadcastChannel has no target
    channel?.postMessage('')
    void look()
  }

  async function look(): Promise<void> {
    clearTimeout(timer)
    const { held = [] } = (await locks?.query()) ?? {}
    const now = held.filter(lock => lock.name?.startsWith(name)).length
    clearTimeout(timer)
    timer = now >= crowdedFrom ? setTimeout(() => void look(), againMs) : undefined
    if (now === count) return
    count = now
    for (const run of listeners) run()
  }

  function listen(run: () => void): () => void {
    listeners.add(run)
    return () => listeners.delete(run)
  }
}
