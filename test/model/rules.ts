// What the model runs: the shipped functions, and no copies of them. A test may put a broken one in the place of each.

import { createOffer, hear, identify, serve, todo, wantsReload } from '../../client/offer.ts'
import { spend, tokenFor } from '../../client/token.ts'
import { stateMessage } from '../../protocol/message.ts'
import type { HeardState } from '../../protocol/message.ts'
import type { ReleaseState } from '../../protocol/release.ts'
import { nextRelease } from '../../release/next.ts'
import { createCurrent } from '../../sidecar/current.ts'
import { editAnswer, editRequest } from '../../sidecar/front/edits.ts'
import { pageIdentity } from '../../sidecar/identity.ts'
import type { PodFacts } from './cluster.ts'

export const shipped = {
  /** The controller: the next record, from objects and the last one. */
  nextRelease,
  /** The sidecar: what it holds of the states that its feed brings. */
  createCurrent,
  /** The sidecar: what it tells tabs. */
  tell: (state: ReleaseState, _pod: PodFacts): HeardState =>
    stateMessage(state, { spreadMs: 0, heartbeatMs: 25_000, expose: 'image' }),
  /** The sidecar: what a tab is told when it connects. */
  greet: (state: ReleaseState | undefined) => state,
  /** The front: what it changes in requests and answers, and what an answer says of its page. */
  editRequest,
  editAnswer,
  pageIdentity,
  /** The client. */
  createOffer,
  identify,
  hear,
  serve,
  todo,
  wantsReload,
  tokenFor,
  spend,
}

export type Rules = typeof shipped
