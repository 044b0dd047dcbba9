// What browsers are told: the newest state of one Deployment, or of each of several.

import { compareStates } from '../protocol/release.ts'
import type { ReleaseState } from '../protocol/release.ts'

export interface States {
  /** The newest state, or undefined while none has been heard. Where there are several Deployments, of that one. */
  state(deployment?: string): ReleaseState | undefined
  /** The newest of each Deployment. */
  all(): ReleaseState[]
  /**
   * Whose state a page is told that says it is `<Deployment>-<hash>`. Undefined where there is only one to tell; '' where the page does
   * not say.
   */
  deploymentOf(page: string | undefined): string | undefined
  /** Calls the listener with each newer state from now on. Returns what ends that. */
  subscribe(listener: (state: ReleaseState) => void): () => void
}

export interface SeveralStates extends States {
  /** Takes a state; an older or equal one of the same Deployment is dropped. */
  offer(state: ReleaseState): void
}

/** The states of several Deployments: each page is told the one that it names. */
export function createSeveralStates(): SeveralStates {
  const listeners = new Set<(state: ReleaseState) => void>()
  const newest = new Map<string, ReleaseState>()
  return {
    state: (deployment = '') => newest.get(deployment),
    all: () => [...newest.values()],
    deploymentOf: page => page?.replace(/-[^-]*$/, '') ?? '',
    offer,
    subscribe,
  }

  function offer(state: ReleaseState): void {
    const last = newest.get(state.name)
    if (last && compareStates(state, last) <= 0) return
    newest.set(state.name, state)
    for (const listener of listeners) listener(state)
  }

  function subscribe(listener: (state: ReleaseState) => void): () => void {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }
}
