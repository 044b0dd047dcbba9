// The newest release state that this pod has heard of. States may come late, twice or out of order, so the greater one stays.

import { compareStates, isSameDeployment } from '../protocol/release.ts'
import type { Log } from '../protocol/log.ts'
import type { ReleaseState } from '../protocol/release.ts'
import type { States } from './states.ts'

export interface Current extends States {
  /** Takes a state from a feed. One of another Deployment is refused and logged; an older or equal one is dropped. */
  offer(state: ReleaseState): void
}

/** `name` is the Deployment that this pod belongs to. */
export function createCurrent(name: string, log: Log): Current {
  const listeners = new Set<(state: ReleaseState) => void>()
  let newest: ReleaseState | undefined
  return {
    state: () => newest,
    all: () => (newest ? [newest] : []),
    deploymentOf: () => undefined,
    offer,
    subscribe,
  }

  function offer(state: ReleaseState): void {
    if (!isSameDeployment(state, { name })) {
      log('release state of another deployment refused', { code: 'other_deployment', name: state.name })
      return
    }
    if (newest && compareStates(state, newest) <= 0) return
    newest = state
    const { epoch, serial, revision, phase, target } = state
    log('release state', { epoch, serial, revision, phase, id: target.id })
    for (const listener of listeners) listener(state)
  }

  function subscribe(listener: (state: ReleaseState) => void): () => void {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }
}
