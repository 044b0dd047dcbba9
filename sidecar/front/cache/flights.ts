// After a rollout all tabs ask for the same new assets at once. The first one asks the app, and the others wait for its answer, but never long.

export interface Flight {
  /** What it brought is in the store, or it brought nothing: who waits may look. Harmless when repeated. */
  land(): void
  /** As `land`, and nobody is to wait for this for a while: the app does not let it be stored. */
  pass(): void
}

export interface Flights {
  /** The first to ask gets a flight, the others undefined: they are called back when it lands, or after a while. */
  board(key: string, onLanded: () => void): Flight | undefined
}

const waitMs = 250 // what the first client cannot take in that time, the app may well send twice
const maxWaiting = 1_000
const passMs = 60_000
const maxPassed = 1_000

export function createFlights(): Flights {
  const flying = new Map<string, Set<() => void>>()
  /** What turned out not to be stored: nobody waits for it for a while. */
  const passed = new Map<string, number>()
  return { board }

  function board(key: string, onLanded: () => void): Flight | undefined {
    const until = passed.get(key)
    if (until !== undefined) {
      if (until > Date.now()) return idle
      passed.delete(key)
    }
    const waiting = flying.get(key)
    if (!waiting) {
      const own = new Set<() => void>()
      flying.set(key, own)
      return { land: () => land(key, own), pass: () => pass(key, own) }
    }
    if (waiting.size >= maxWaiting) return idle
    const wake = (): void => {
      clearTimeout(timer)
      waiting.delete(wake)
      onLanded()
    }
    const timer = setTimeout(wake, waitMs)
    waiting.add(wake)
    return undefined
  }

  function land(key: string, own: Set<() => void>): void {
    if (flying.get(key) === own) flying.delete(key)
    for (const wake of own) wake()
  }

  function pass(key: string, own: Set<() => void>): void {
    if (passed.size >= maxPassed) passed.clear()
    passed.set(key, Date.now() + passMs)
    land(key, own)
  }
}

/** For a request that neither waits nor is waited for. */
export const idle: Flight = { land: () => {}, pass: () => {} }
