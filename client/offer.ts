// What a page has on offer: every decision of the client, as functions of values. start.ts only carries them out,
// so a model can search through the very transitions that browsers run.

import type { HeardState } from '../protocol/message.ts'
import { isSameDeployment } from '../protocol/release.ts'
import type { Page } from './identity.ts'
import { isTarget, judge, place, resolveId } from './judge.ts'
import { learn } from './knowledge.ts'

export interface Offer {
  readonly page: Page | null
  readonly known: HeardState | null
  /**
   * The id of the page's version, once a state has known it. A later state of the same Deployment may not, when that was made again: to such a
   * one the page is old. What no state has known may be newer, and holds. Of two Deployments behind one origin nothing follows: the states
   * of both know each other's pages, and one that does not lags behind (a new canary).
   */
  readonly current: string | null
  /** The release that the page could be updated to, as a key; '' when there is none. */
  readonly candidate: string
  /** This browser was served the candidate when it looked. */
  readonly isOffered: boolean
  /** It has looked for long and was served something else each time, or a reload was. */
  readonly isStuck: boolean
  /** The release that a reload did not bring, as a key: a service worker answers it otherwise than our look. Not offered again. */
  readonly tried: string
}

/** What has to be done after a transition. */
export interface Todo {
  /** `start`: fetch the document until `served` says that it is the candidate. `stop`: there is nothing to fetch it for any more. */
  verification: 'start' | 'stop' | 'keep'
  event: 'update' | 'withdrawn' | 'stuck' | null
}

/** What an automatic reload depends on besides the offer. */
export interface Circumstances {
  /** The app lets the page reload by itself. */
  auto: boolean
  isOnline: boolean
  isPrerendering: boolean
}

/** Takes what the page says of itself at its start, if anything, and what it was reloaded for. */
export function createOffer(page: Page | null, tried = ''): Offer {
  return { page, known: null, current: null, candidate: '', isOffered: false, isStuck: false, tried }
}

/** The page has found out what it is. Decided once: what is found after that changes nothing. */
export function identify(offer: Offer, page: Page | null): Offer {
  return offer.page ? offer : consider({ ...offer, page: place(page, offer.known) })
}

/** A state was heard. `isPresent`: over the present connection. */
export function hear(offer: Offer, message: HeardState, isPresent: boolean): Offer {
  const known = learn(offer.known, message, isPresent)
  const isSame = !offer.known || isSameDeployment(offer.known, known)
  const page = place(offer.page, message) // also an older one than is known may be later than the page
  return consider({ ...offer, page, known, current: isSame ? offer.current : null })
}

/** The document was fetched again: null when the answer carried no version, undefined when there was no answer. */
export function serve(offer: Offer, served: Page | null | undefined): Offer {
  const isOffered = offer.candidate !== offer.tried
  return isVerified(offer, served) ? { ...offer, isOffered, isStuck: !isOffered } : offer
}

/** Whether the document that was served, if any, is of the release that the page could be updated to. */
export function isVerified({ candidate, known }: Offer, served: Page | null | undefined): boolean {
  return !!candidate && isTarget(served ?? null, known)
}

/** It has looked for long in vain: a cache on the way keeps the old document, or a login is in the way. It goes on looking. */
export function stick(offer: Offer): Offer {
  return offer.candidate && !offer.isOffered ? { ...offer, isStuck: true } : offer
}

/** Takes the values before and after a transition. Said again, the same changes nothing. */
export function todo(before: Offer, after: Offer): Todo {
  const isOther = before.candidate !== after.candidate
  if (isOther)
    return {
      verification: after.candidate ? 'start' : 'stop',
      event: before.isOffered ? 'withdrawn' : null,
    }
  if (after.isOffered && !before.isOffered) return { verification: 'keep', event: 'update' }
  return { verification: 'keep', event: after.isStuck && !before.isStuck ? 'stuck' : null }
}

/** Whether an automatic reload is due, the guards and the token left aside: never into the void, nor before the page is shown at all. */
export function wantsReload(
  { isOffered }: Offer,
  { auto, isOnline, isPrerendering }: Circumstances,
): boolean {
  return auto && isOffered && isOnline && !isPrerendering
}

function consider(offer: Offer): Offer {
  const { page, known } = offer
  const current = resolveId(page, known) ?? offer.current
  const release = judge(current, known) === 'candidate' ? known : null
  const candidate = release ? [release.epoch, release.revision, release.sha256].join() : ''
  return candidate === offer.candidate
    ? { ...offer, current }
    : { ...offer, current, candidate, isOffered: false, isStuck: false }
}
