// What a reader of /api/events is told first: all there is, in pieces that a page can take in one after the other.

import type { ConsoleEvent } from '../protocol/console.ts'
import type { Told } from './channel.ts'
import type { Fleet } from './fleet.ts'

const appsAtOnce = 100
const instancesAtOnce = 500

/** `lastId` is of the last event that is in it. */
export function* snapshotOf(
  fleet: Pick<Fleet, 'apps' | 'instances'>,
  version: string,
  now: Date,
  lastId: string,
): Generator<Told> {
  yield { data: say({ type: 'reset', payload: { version, now: now.toISOString() } }), id: '' }
  for (const some of pieces(fleet.apps(), appsAtOnce))
    yield { data: `{"type":"apps","payload":[${some.join(',')}]}` }
  for (const some of pieces(fleet.instances(), instancesAtOnce))
    yield { data: `{"type":"instances","payload":[${some.join(',')}]}` }
  yield { data: say({ type: 'ready', payload: {} }), id: lastId }
}

export function say(event: ConsoleEvent): string {
  return JSON.stringify(event)
}

function* pieces<T>(all: readonly T[], size: number): Generator<readonly T[]> {
  for (let i = 0; i < all.length; i += size) yield all.slice(i, i + size)
}
