// What a release state means for a page. A page that the state cannot place holds, since it may be newer than the state.

import type { HeardState } from '../protocol/message.ts'
import { isSameDeployment } from '../protocol/release.ts'
import type { Page } from './identity.ts'

type Release = Pick<HeardState, 'phase' | 'sha256' | 'live'>

/** `candidate`: the rollout has ended without this page's version; to be verified before it is offered. */
export type Verdict = 'unknown' | 'current' | 'rolling' | 'candidate'

/** Takes the id of the page's version and the state, either of which may not be known. */
export function judge(id: string | null, release: Release | null): Verdict {
  if (!id || !release) return 'unknown'
  if (release.phase === 'rolling') return 'rolling'
  // Nobody is disturbed while his version still answers (canaries, blue/green).
  const isCurrent = id === release.sha256 || release.live.some(version => version.id === id)
  return isCurrent || !release.sha256 ? 'current' : 'candidate'
}

/**
 * Takes a page and a state; returns the page's id as the state has it now, or null when the state does not know the page: not its hash,
 * or not the id that it carries, since a ReplicaSet that is used again may have pulled newer bytes than the state has heard of.
 */
export function resolveId(page: Page | null, release: Pick<HeardState, 'known'> | null): string | null {
  const row = page && release?.known.find(([key]) => key === page.hash)
  if (!row || !release) return null
  if (!page.id) return row[1] || null
  const id = latestId(release)(page.id)
  return release.known.some(row => row[1] === id) ? id : null
}

/**
 * Takes a page and a state; returns the page with its id, as soon as a state knows that which is later than the one that its pod had heard of.
 * From then on that stands, whatever its ReplicaSet comes to run.
 */
export function place(page: Page | null, release: HeardState | null): Page | null {
  if (!page?.state || !release || !isSameDeployment(page, release)) return page
  const isLater = page.state.epoch === release.epoch && page.state.serial < release.serial
  const id = isLater && resolveId(page, release)
  return id ? { name: page.name, hash: page.hash, id } : page
}

/** Runtimes report several digests for one image, so a version may have got another id since. */
export function latestId({ known }: Pick<HeardState, 'known'>): (id: string) => string {
  return id => known.find(([key]) => key === id)?.[1] ?? id
}

/** Whether a document fetched just now is the version that the state says is live. */
export function isTarget(served: Page | null, release: Pick<HeardState, 'sha256' | 'known'> | null): boolean {
  return !!release?.sha256 && resolveId(served, release) === release.sha256
}
