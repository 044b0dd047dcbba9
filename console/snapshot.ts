// What a reader of /api/events is told first: all there is, in pieces that a page can take in one after the other.

import type { ConsoleEvent } from '../protocol/console.ts'
import type { Fleet } from './fleet.ts'

const appsAtOnce = 100
const instancesAtOnce = 500

/** The data of the events. */
export function* snapshotOf(
  fleet: Pick<Fleet, 'apps' | 'instances'>,
  version: string,
  now: Date,
): Generator<string> {
  yield say({ type: 'reset', payload: { version, now: now.toISOString() } })
  for (const some of pieces(fleet.apps(), appsAtOnce)) yield `{"type":"apps","payload":[${some.join(',')}]}`
  for (const some of pieces(fleet.instances(), instancesAtOnce))
    yield `{"type":"instances","payload":[${some.join(',')}]}`
  yield say({ type: 'ready', payload: {} })
}

export function say(event: ConsoleEvent): string {
  return JSON.stringify(event)
}

function* pieces<T>(all: readonly T[], size: number): Generator<readonly T[]> {
  for (let i = 0; i < all.length; i += size) yield all.slice(i, i + size)
}
