// What every HTML answer says about the page that it carries: the Server-Timing header's value.
// It names this pod's own build, whatever the Deployment's target is.

import { serverTiming } from '../protocol/names.ts'
import type { ReleaseState } from '../protocol/release.ts'

/**
 * Takes this pod's Deployment and pod-template-hash, and the release state if any is known; returns the header's value
 * (W3C Server Timing). The id is added only while this pod's own version is the one that is ready: what the state knows of another hash
 * may be of earlier bytes, since a re-used ReplicaSet may pull others; so may one
 * that was scaled to 0 and back, whose first pods start with the state that nothing is live. Without it the page resolves its hash by the states that it hears.
 */
export function pageIdentity(name: string, hash: string, state: ReleaseState | undefined): string {
  const page = `${serverTiming.page};desc="${name}-${hash}"`
  const id = ownId(hash, state)
  return id ? `${page}, ${serverTiming.id};desc="${id}"` : page
}

/**
 * Takes the same; returns what the ETags of this pod's pages begin with. It changes whenever the Server-Timing value does, so that a 304
 * never says anything else than the page that the browser has.
 */
export function pageTag(name: string, hash: string, state: ReleaseState | undefined): string {
  const id = ownId(hash, state)
  return id ? `${name}-${hash}.${id.slice(0, 16)}` : `${name}-${hash}`
}

function ownId(hash: string, state: ReleaseState | undefined): string | undefined {
  if (state?.phase !== 'ready' || state.target.hash !== hash) return undefined
  const { id } = state.target
  return state.live.some(version => version.id === id) ? id : undefined
}
