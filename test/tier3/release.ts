// Versions of the sample app, and release states that a controller could tell of them.

import type { ReleaseState } from '../../protocol/release.ts'
import type { Version } from './pod.ts'

export const a: Version = { name: 'a', hash: 'aaaa', id: '1'.repeat(64) }
export const b: Version = { name: 'b', hash: 'bbbb', id: '2'.repeat(64) }
export const c: Version = { name: 'c', hash: 'cccc', id: '3'.repeat(64) }

let serial = 0

/** Each is later than the one before. It knows the versions up to the target's, or all of them after a rollback. */
export function state(
  target: Version,
  revision: number,
  phase: ReleaseState['phase'],
  change: Partial<ReleaseState> = {},
): ReleaseState {
  const known = [a, b, c].filter(({ hash }) => hash <= target.hash || revision > 2)
  return {
    namespace: 'shop',
    name: 'web',
    epoch: 't3k9x1-d3f1c2aa',
    serial: (serial += 1),
    revision,
    phase,
    since: '2026-11-22T09:00:00.000Z',
    target: { id: target.id, name: `web:${target.name}`, hash: target.hash },
    previous: null,
    live: phase === 'ready' ? [{ id: target.id, pods: 2 }] : [],
    known: known.map(({ hash, id }, index) => [hash, id, index + 1]),
    why: 'rollout',
    ...change,
  }
}
