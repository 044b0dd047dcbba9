// A record was lost: somebody deleted the Release while nobody was there to write it again. What was told is still on the pods.

import type { ReleaseState } from '../protocol/release.ts'
import { maxOthers } from './neighbours.ts'
import { previousOf, settle } from './previous.ts'
import type { ReleaseRecord } from './record.ts'

/**
 * Takes the record that was worked out without a last one, and the newest state that was told of the same epoch. Returns the record
 * that goes on from there: sidecars would ignore a lower serial, and within a revision nothing goes back from ready.
 */
export function resume(record: ReleaseRecord, told: ReleaseState): ReleaseRecord {
  const { state } = record
  const isSame = told.target.hash === state.target.hash && told.target.id === state.target.id
  const phase = isSame && told.phase === 'ready' ? 'ready' : state.phase
  const { id, name } = told.target
  const then =
    told.phase === 'ready'
      ? { settled: { id, name }, before: told.previous }
      : { settled: told.previous, before: null }
  const target = { id: state.target.id, name: state.target.name }
  const now = settle(then, phase === 'ready' ? target : undefined)
  const forgotten = told.known.filter(([key]) => !state.known.some(row => row[0] === key))
  const others = [...forgotten.toReversed(), ...record.others].slice(-maxOthers)
  return {
    ...record,
    ...now,
    others,
    state: {
      ...state,
      serial: told.serial + 1,
      revision: isSame ? told.revision : Math.max(state.revision, told.revision + 1),
      phase,
      since: state.since > told.since ? state.since : told.since,
      previous: previousOf(target, now),
      known: [...state.known.slice(0, state.known.length - record.others.length), ...others],
      why: isSame ? told.why : state.why,
    },
  }
}
