// What every HTML answer says about the page that it carries: the Server-Timing header's value.
// It names this pod's own build, whatever the Deployment's target is.

import { serverTiming } from '../protocol/names.ts'
import type { ReleaseState } from '../protocol/release.ts'

/**
 * Takes this pod's Deployment and pod-template-hash, and the release state if any is known; returns the header's value
 * (W3C Server Timing). The id is added once the state knows it; until then the page resolves its hash by the states that it hears.
 */
export function pageIdentity(name: string, hash: string, state: ReleaseState | undefined): string {
  const page = `${serverTiming.page};desc="${name}-${hash}"`
  const id = state?.known.find(([key]) => key === hash)?.[1]
  return id ? `${page}, ${serverTiming.id};desc="${id}"` : page
}
