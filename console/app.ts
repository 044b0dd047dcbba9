// One Deployment, as the console shows it. Pure. Its sentences are those of `kubectl rollout status`
// (k8s.io/kubectl/pkg/polymorphichelpers/rollout_status.go).

import type {
  AppStatus,
  ConsoleApp,
  ConsoleVersion,
  Injection,
  RolloutCounts,
  TabCounts,
} from '../protocol/console.ts'
import type { Deployment, Pod, ReplicaSet, Service } from '../release/objects.ts'
import type { ReleaseRecord } from '../release/record.ts'
import { isComplete } from '../release/rollout.ts'
import { phaseOf, versionOfPod } from './instance.ts'

export interface AppFacts {
  deployment: Deployment
  /** Those that it controls. */
  replicaSets: readonly ReplicaSet[]
  /** Its pods, ended ones too. */
  pods: readonly Pod[]
  services: readonly Service[]
  record: ReleaseRecord | undefined
  why: string[]
  tabs: TabCounts | null
}

export function describeApp(facts: AppFacts): ConsoleApp {
  const { deployment, record, tabs } = facts
  const { namespace, name } = deployment
  const state = record?.state
  const { status, message } = statusOf(facts)
  return {
    id: `${namespace}/${name}`,
    namespace,
    name,
    since: sinceOf(facts, status),
    status,
    message,
    revision: state?.revision ?? 0,
    phase: state?.phase ?? null,
    target: state ? { id: state.target.id, name: state.target.name } : targetOf(facts),
    previous: state?.previous ?? null,
    replicas: countsOf(facts),
    injection: injectionOf(facts),
    tabs,
  }
}

/** The ReplicaSet of the present revision. */
export function targetSet(
  { revision }: Deployment,
  replicaSets: readonly ReplicaSet[],
): ReplicaSet | undefined {
  return replicaSets
    .filter(replicaSet => replicaSet.revision === revision)
    .sort((a, b) => (a.creationTimestamp < b.creationTimestamp ? 1 : -1))[0]
}

function statusOf(facts: AppFacts): { status: AppStatus; message: string } {
  const { deployment, record } = facts
  const { name } = deployment
  const isDone = isComplete(deployment)
  if (deployment.replicas === 0 && isDone) return { status: 'stopped', message: 'scaled to 0' }
  const failure = failureOf(facts)
  if (failure) return { status: 'failing', message: failure }
  const words = sayRollout(deployment)
  if (deployment.paused) return { status: 'paused', message: isDone ? 'paused' : `paused: ${words}` }
  const isNew = record !== undefined && record.deployment.revision !== deployment.revision
  const wasReached = record ? record.state.phase === 'ready' && !isNew : isRolledOut(deployment)
  if (wasReached)
    return {
      status: 'ready',
      message: isDone
        ? words
        : `deployment "${name}" was rolled out; ${deployment.status.availableReplicas} of ${deployment.replicas} pods are available`,
    }
  if (isDone && record)
    return { status: 'rolling', message: 'Waiting for the last pods of the old version to go' }
  return { status: isDone ? 'ready' : 'rolling', message: words }
}

/** The controller's own word for a rollout that has once been complete; scaling and lost pods do not take it back. */
function isRolledOut({ progress, generation, observedGeneration }: Deployment): boolean {
  return progress.reason === 'NewReplicaSetAvailable' && generation <= observedGeneration
}

export function sayRollout(deployment: Deployment): string {
  const { name, generation, observedGeneration, replicas, status } = deployment
  const waiting = `Waiting for deployment "${name}" rollout to finish:`
  const old = status.replicas - status.updatedReplicas
  if (generation > observedGeneration) return 'Waiting for deployment spec update to be observed...'
  if (deployment.deadlineExceeded) return `deployment "${name}" exceeded its progress deadline`
  if (status.updatedReplicas < replicas)
    return `${waiting} ${status.updatedReplicas} out of ${replicas} new replicas have been updated...`
  if (old > 0) return `${waiting} ${old} old replicas are pending termination...`
  if (status.availableReplicas < status.updatedReplicas)
    return `${waiting} ${status.availableReplicas} of ${status.updatedReplicas} updated replicas are available...`
  return `deployment "${name}" successfully rolled out`
}

/** Pods of the target that do not start, pods that the API server refuses, and the progress deadline: the first says most. */
function failureOf(facts: AppFacts): string | undefined {
  const { deployment, replicaSets } = facts
  const failing = failingPods(facts)
  const [first] = failing
  if (first) {
    const count = failing.length
    return `${count} ${count === 1 ? 'pod does' : 'pods do'} not start: ${phaseOf(first).reason}`
  }
  const target = targetSet(deployment, replicaSets)
  if (target?.refusal && !isComplete(deployment)) return `pods are refused: ${target.refusal}`
  return deployment.deadlineExceeded ? sayRollout(deployment) : undefined
}

function failingPods({ deployment, replicaSets, pods }: AppFacts): Pod[] {
  const target = targetSet(deployment, replicaSets)
  return pods.filter(pod => pod.controller?.uid === target?.uid && phaseOf(pod).phase === 'failing')
}

/** The release state knows of rollouts only: of what a pod or a person does meanwhile, Kubernetes' own conditions tell, where anything does. */
function sinceOf(facts: AppFacts, status: AppStatus): string {
  const { deployment, record } = facts
  const { progress, creationTimestamp, deadlineExceeded, revision } = deployment
  if (status === 'stopped') return ''
  if (status === 'paused') return progress.reason === 'DeploymentPaused' ? progress.at : ''
  if (status === 'failing') {
    const [first] = failingPods(facts)
      .map(pod => pod.readySince || pod.creationTimestamp)
      .toSorted()
    return first ?? (deadlineExceeded ? progress.at : '')
  }
  return (record?.deployment.revision === revision ? record.state.since : progress.at) || creationTimestamp
}

function targetOf({ deployment, replicaSets, pods, services }: AppFacts): ConsoleVersion {
  const target = targetSet(deployment, replicaSets)
  const versions = pods
    .filter(({ controller, terminating }) => controller?.uid === target?.uid && !terminating)
    .map(pod => versionOfPod(pod, services))
  const [image = ''] = deployment.template.spec.containers.map(({ image }) => image)
  return versions.find(({ id }) => id !== '') ?? versions[0] ?? { id: '', name: image }
}

function countsOf({ deployment, replicaSets, pods }: AppFacts): RolloutCounts {
  const target = targetSet(deployment, replicaSets)
  const old = pods.filter(
    ({ controller, terminating, finished }) => controller?.uid !== target?.uid && !terminating && !finished,
  )
  return {
    desired: deployment.replicas,
    updated: deployment.status.updatedReplicas,
    available: deployment.status.availableReplicas,
    old: old.length,
  }
}

function injectionOf({ pods, record, why }: AppFacts): Injection {
  const living = pods.filter(({ terminating, finished }) => !terminating && !finished)
  const injected = living.filter(pod => pod.injected).length
  const hasAll = living.length > 0 ? injected === living.length : record !== undefined
  return { state: hasAll ? 'all' : injected > 0 ? 'some' : 'none', why }
}
