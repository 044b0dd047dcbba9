// The newest release state that this pod has heard of. States may come late, twice or out of order, so the greater one stays.

import { isSameDeployment } from '../protocol/release.ts'
import type { Log } from '../protocol/log.ts'
import type { ReleaseState } from '../protocol/release.ts'
import { createSeveralStates } from './states.ts'
import type { States } from './states.ts'

export interface Current extends States {
  /** Takes a state from a feed. One of another Deployment is refused and logged; an older or equal one is dropped. */
  offer(state: ReleaseState): void
}

/** `name` is the Deployment that this pod belongs to. */
export function createCurrent(name: string, log: Log): Current {
  const states = createSeveralStates()
  states.subscribe(({ epoch, serial, revision, phase, target }) =>
    log('release state', { epoch, serial, revision, phase, id: target.id }),
  )
  return { ...states, state: () => states.state(name), deploymentOf: () => undefined, offer }

  function offer(state: ReleaseState): void {
    if (isSameDeployment(state, { name })) states.offer(state)
    else log('release state of another deployment refused', { code: 'other_deployment', name: state.name })
  }
}
