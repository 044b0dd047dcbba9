// The first record of a Deployment, made while nobody remembers an earlier one: the process has just started.

import type { Pod } from '../../release/objects.ts'
import { previousOf } from '../../release/previous.ts'
import type { ReleaseRecord } from '../../release/record.ts'
import { isServing } from '../../release/rollout.ts'

/**
 * Takes the record that was worked out without a last one, the Deployment's pods, and the time in milliseconds. A finished rollout is no
 * news. One that is under way is going to be: what the other pods serve meanwhile is what was live before it.
 */
export function begin(record: ReleaseRecord, pods: readonly Pod[], now: number): ReleaseRecord {
  const { state, before } = record
  const settled = state.phase === 'rolling' ? servedBefore(record, pods) : record.settled
  const previous = previousOf(state.target, { settled, before })
  // Whoever has heard of an earlier process believes only a greater serial.
  return { ...record, settled, state: { ...state, serial: now, previous } }
}

function servedBefore({ state, replicaSets }: ReleaseRecord, pods: readonly Pod[]) {
  const serving = new Set(pods.filter(isServing).map(({ hash }) => hash))
  const [latest] = replicaSets
    .filter(({ hash, id }) => id !== '' && hash !== state.target.hash && serving.has(hash))
    .toSorted((a, b) => b.revision - a.revision)
  return latest ? { id: latest.id, name: latest.image } : null
}
