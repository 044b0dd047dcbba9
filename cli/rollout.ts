// How far the telling of a rollout has come. Pure.

import { epochOf } from '../release/next.ts'
import type { Deployment, Pod } from '../release/objects.ts'
import type { ReleaseRecord } from '../release/record.ts'
import { isComplete } from '../release/rollout.ts'
import { unstamped } from '../webhook/stamp.ts'

export interface Rollout {
  deployment: Deployment | undefined
  record: ReleaseRecord | undefined
  /** The Deployment's injected pods that live. */
  pods: Pod[]
}

export type Progress = { end: 'told' } | { end: 'failed'; why: string } | { waits: string }

/** A rollout that is paused, or slow, is waited for: Kubernetes' own deadline says when it has failed. */
export function progressOf({ deployment, record, pods }: Rollout): Progress {
  if (!deployment) return { end: 'failed', why: 'there is no such Deployment' }
  if (deployment.generation > deployment.observedGeneration) return { waits: 'for the Deployment controller' }
  const { replicas, deadlineExceeded, revision, status } = deployment
  // While its pods are still to come it is not complete. Scaled to 0 it is: then its record tells that it had injected ones.
  if (pods.length === 0 && isComplete(deployment) && (replicas > 0 || !record)) return bare(replicas)
  const counts = `${status.updatedReplicas} of ${replicas} pods are updated, ${status.availableReplicas} available`
  const late = { end: 'failed', why: `the progress deadline has passed: ${counts}` } as const
  if (!record || !hasHeard(record, deployment))
    return deadlineExceeded && pods.length === 0
      ? late // nobody whom the controller could tell
      : { waits: `for the controller to hear of the Deployment's revision ${revision}` }
  const { state } = record
  if (state.phase === 'rolling')
    return deadlineExceeded ? late : { waits: `for revision ${state.revision}: ${counts}` }
  const untold = unstamped(state, pods).length
  return untold > 0 ? { waits: `for ${untold} of ${pods.length} pods to be told` } : { end: 'told' }
}

function bare(replicas: number): Progress {
  const why =
    replicas > 0
      ? 'none of its pods is injected: spa-reloader explain says why'
      : 'it has no pods, and none was ever injected'
  return { end: 'failed', why }
}

/** By Kubernetes' own revision: ours may be ahead of it. A Deployment that was made again has the same ones as the one before. */
function hasHeard(record: ReleaseRecord, deployment: Deployment): boolean {
  return record.state.epoch === epochOf(deployment) && record.deployment.revision === deployment.revision
}

export function describeRollout({ record, pods }: Rollout): string[] {
  if (!record) return ['no Release: no pod of it was ever injected']
  const { state } = record
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
