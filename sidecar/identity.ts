// What every HTML answer says about the page that it carries: in its Server-Timing header, its ETag and, where it is stamped, its <meta>.
// It names this pod's own build, whatever the Deployment's target is.

import { meta, serverTiming } from '../protocol/names.ts'
import type { ReleaseState } from '../protocol/release.ts'

/**
 * Takes this pod's Deployment and pod-template-hash, and the release state if any is known; returns the value of Server-Timing (W3C).
 * The id is added only while this pod's own version is the one that is ready: what the state knows of another hash may be of earlier bytes,
 * since a re-used ReplicaSet may pull others; so may one that was scaled to 0 and back, whose first pods start with the state that nothing
 * is live. Without it the answer names the state that this pod has heard of: a later one that knows the hash says what the page is.
 */
export function pageIdentity(name: string, hash: string, state: ReleaseState | undefined): string {
  const page = `${serverTiming.page};desc="${name}-${hash}"`
  const claim = claimOf(hash, state)
  return claim ? `${page}, ${serverTiming[claim.kind]};desc="${claim.value}"` : page
}

/**
 * Takes the same; returns what the ETags of this pod's pages begin with. It changes whenever the Server-Timing value does, so that a 304
 * never says anything else than the page that the browser has.
 */
export function pageTag(name: string, hash: string, state: ReleaseState | undefined): string {
  const page = `${name}-${hash}`
  const claim = claimOf(hash, state)
  if (!claim) return page
  return `${page}.${claim.kind === 'id' ? claim.value.slice(0, 16) : claim.value}`
}

/** Takes the same; returns the element that says in a stamped page what the header says. Its letters need no escaping. */
export function pageMeta(name: string, hash: string, state: ReleaseState | undefined): string {
  const page = `name="${meta.name}" content="${name}-${hash}"`
  const claim = claimOf(hash, state)
  return claim ? `<meta ${page} ${meta[claim.kind]}="${claim.value}">` : `<meta ${page}>`
}

/** What a page can say besides its hash: its id, or else the state that this pod has heard of. */
function claimOf(
  hash: string,
  state: ReleaseState | undefined,
): { kind: 'id' | 'state'; value: string } | undefined {
  if (!state) return undefined
  const { epoch, serial, phase, target, live } = state
  const isOwn = phase === 'ready' && target.hash === hash && live.some(({ id }) => id === target.id)
  if (isOwn && target.id) return { kind: 'id', value: target.id }
  // An annotation can be written by hand, so what goes into a header is looked at.
  return /^[0-9a-z-]+$/.test(epoch) ? { kind: 'state', value: `${epoch}.${serial}` } : undefined
}
