// Whether a rollout is finished: the same questions, in the same order, as `kubectl rollout status`
// (k8s.io/kubectl/pkg/polymorphichelpers/rollout_status.go), plus what a browser needs.

import type { Deployment, Pod } from './objects.ts'

/** kubectl's "successfully rolled out". */
export function isComplete({ generation, observedGeneration, replicas, status }: Deployment): boolean {
  return (
    generation <= observedGeneration &&
    status.updatedReplicas >= replicas &&
    status.replicas <= status.updatedReplicas &&
    status.availableReplicas >= status.updatedReplicas
  )
}

/**
 * Whether browsers may be sent to the target: the rollout is complete, or its deadline has passed (one unschedulable pod must not
 * mute everybody); a pod of the target is ready; and no ready pod of another ReplicaSet, injected or not, is left to answer.
 * Terminating pods do not count: the Service has let go of them.
 */
export function isReady(
  deployment: Deployment,
  targetPods: readonly Pod[],
  otherPods: readonly Pod[],
): boolean {
  const observed = deployment.generation <= deployment.observedGeneration
  const settled = isComplete(deployment) || (observed && deployment.deadlineExceeded)
  return settled && targetPods.some(isServing) && !otherPods.some(isServing)
}

export function isServing(pod: Pod): boolean {
  return pod.ready && !pod.terminating
}
