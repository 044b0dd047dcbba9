// How far the telling of a rollout has come. Pure.

import type { ReleaseState } from '../protocol/release.ts'
import type { Deployment, Pod } from '../release/objects.ts'
import { isComplete } from '../release/rollout.ts'
import { unstamped } from '../webhook/stamp.ts'

export interface Rollout {
  deployment: Deployment | undefined
  state: ReleaseState | undefined
  /** The Deployment's injected pods that live. */
  pods: Pod[]
}

export type Progress = { end: 'told' } | { end: 'failed'; why: string } | { waits: string }

/** A rollout that is paused, or slow, is waited for: Kubernetes' own deadline says when it has failed. */
export function progressOf({ deployment, state, pods }: Rollout): Progress {
  if (!deployment) return { end: 'failed', why: 'there is no such Deployment' }
  if (deployment.generation > deployment.observedGeneration) return { waits: 'for the Deployment controller' }
  if (!state || state.revision < deployment.revision) {
    const isOver = !state && pods.length === 0 && isComplete(deployment)
    return isOver
      ? { end: 'failed', why: 'none of its pods is injected: spa-reloader explain says why' }
      : { waits: `for the controller to hear of revision ${deployment.revision}` }
  }
  if (state.phase === 'rolling') {
    const { updatedReplicas, availableReplicas } = deployment.status
    const counts = `${updatedReplicas} of ${deployment.replicas} pods are updated, ${availableReplicas} available`
    return deployment.deadlineExceeded
      ? { end: 'failed', why: `the progress deadline has passed: ${counts}` }
      : { waits: `for revision ${state.revision}: ${counts}` }
  }
  const late = unstamped(state, pods).length
  return late > 0 ? { waits: `for ${late} of ${pods.length} pods to be told` } : { end: 'told' }
}

export function describeRollout({ state, pods }: Rollout): string[] {
  if (!state) return ['no Release: no pod of it was ever injected']
  const { revision, phase, since, why, target, previous, live } = state
  return [
    `phase      ${phase} since ${since}`,
    `revision   ${revision} (${why})`,
    `target     ${versionOf(target)}`,
    ...(previous ? [`previous   ${versionOf(previous)}`] : []),
    ...live.map(({ id, pods }) => `live       ${shortId(id)} on ${pods} ${pods === 1 ? 'pod' : 'pods'}`),
    `told       ${pods.length - unstamped(state, pods).length} of ${pods.length} injected pods`,
  ]
}

function versionOf({ id, name }: { id: string; name: string }): string {
  return `${name} ${shortId(id)}`
}

function shortId(id: string): string {
  return id === '' ? '(digest not known yet)' : id.slice(0, 12)
}
