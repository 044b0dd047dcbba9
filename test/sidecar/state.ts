// A release state to start from, and the ids in it.

import type { ReleaseState } from '../../protocol/release.ts'

export const oldId = '3'.repeat(64)
export const newId = '9'.repeat(64)

export function releaseState(change: Partial<ReleaseState> = {}): ReleaseState {
  return {
    namespace: 'shop',
    name: 'web',
    epoch: 't3k9x1-d3f1c2aa',
    serial: 31,
    revision: 7,
    phase: 'ready',
    since: '2026-11-22T09:00:00Z',
    target: { id: newId, name: 'registry/web:1.15', hash: '6c487dcc49' },
    previous: { id: oldId, name: 'registry/web:1.14' },
    live: [{ id: newId, pods: 3 }],
    known: [
      ['6c487dcc49', newId, 7],
      ['5d9fb7c6b8', oldId, 6],
    ],
    why: 'rollout',
    ...change,
  }
}
