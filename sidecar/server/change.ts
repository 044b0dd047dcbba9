// When clients of the original are told. They take every message for news and hold no version of their own,
// so they get one only when the version that is ready has become another: no snapshot, no restart, no `rolling`.

import type { ReleaseState } from '../../protocol/release.ts'

/** Returns a function that takes each newer state in order and says whether it is a change. */
export function createChange(): (state: ReleaseState) => boolean {
  let ready: string | undefined // the id that was ready last
  return state => {
    // A pod that starts in mid-rollout learns from `previous` what was ready before it.
    ready ??= state.phase === 'rolling' ? state.previous?.id : state.target.id
    // The same bytes may have got the name of an older digest since.
    ready = state.known.find(([key]) => key === ready)?.[1] ?? ready
    if (state.phase !== 'ready' || state.target.id === ready) return false
    ready = state.target.id
    return true
  }
}
