// The ReplicaSet controller's decision: as many pods as are wished for.

import { isDeepStrictEqual } from 'node:util'
import { patchType } from '../../release/api.ts'
import type { ApiRequest } from '../../release/api.ts'
import { collectionPath, ownerReference, pathOf } from './objects.ts'
import type { Pod, ReplicaSet } from './objects.ts'

/** Takes a ReplicaSet and its pods; returns the requests that bring them closer to what it asks for. */
export function reconcileReplicaSet(replicaSet: ReplicaSet, pods: readonly Pod[]): ApiRequest[] {
  const active = pods.filter(isActive)
  const missing = replicaSet.spec.replicas - active.length
  const requests: ApiRequest[] = []
  for (let i = 0; i < missing; i++) requests.push(creation(replicaSet))
  if (missing < 0) {
    const surplus = active.sort(leastMissed).slice(0, -missing)
    requests.push(...surplus.map((pod): ApiRequest => ({ method: 'DELETE', path: pathOf(pod) })))
  }
  const status = {
    replicas: active.length,
    fullyLabeledReplicas: active.length,
    readyReplicas: active.filter(isReady).length,
    availableReplicas: active.filter(isReady).length,
    observedGeneration: replicaSet.metadata.generation,
  }
  if (!isDeepStrictEqual(replicaSet.status, status))
    requests.push({
      method: 'PATCH',
      path: `${pathOf(replicaSet)}/status`,
      contentType: patchType.merge,
      body: { status },
    })
  return requests
}

function creation(replicaSet: ReplicaSet): ApiRequest {
  const { name, namespace } = replicaSet.metadata
  const { metadata, spec } = replicaSet.spec.template
  return {
    method: 'POST',
    path: collectionPath('v1', 'Pod', namespace),
    body: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...metadata, generateName: `${name}-`, ownerReferences: [ownerReference(replicaSet)] },
      spec,
    },
  }
}

/** Pods that are not ready go first, then the youngest. */
function leastMissed(a: Pod, b: Pod): number {
  return Number(isReady(a)) - Number(isReady(b)) || bornAt(b) - bornAt(a)
}

function bornAt({ metadata: { creationTimestamp } }: Pod): number {
  return Date.parse(String(creationTimestamp))
}

function isActive({ metadata, status }: Pod): boolean {
  return !metadata.deletionTimestamp && status?.phase !== 'Succeeded' && status?.phase !== 'Failed'
}

function isReady({ status }: Pod): boolean {
  return status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
}
