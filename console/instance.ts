// One pod, as the console shows it. Pure.

import { containerName } from '../protocol/names.ts'
import type { ConsoleInstance, InstancePhase } from '../protocol/console.ts'
import { appContainer } from '../release/app.ts'
import { digestOf, pinnedDigest } from '../release/image.ts'
import type { ContainerStatus, Deployment, Pod, ReplicaSet, Service } from '../release/objects.ts'
import type { ReleaseRecord } from '../release/record.ts'
import type { Injected } from './source.ts'

export interface InstanceFacts {
  deployment: Deployment
  pod: Pod
  replicaSet: ReplicaSet | undefined
  record: ReleaseRecord | undefined
  services: readonly Service[]
  status: Injected | undefined
  /** Null: not known. */
  tabs: number | null
}

export function describeInstance(facts: InstanceFacts): ConsoleInstance {
  const { deployment, pod, replicaSet, record, status, tabs } = facts
  const { phase, reason } = phaseOf(pod)
  const known = record?.replicaSets.find(({ uid }) => uid === pod.controller?.uid)
  const own = versionOfPod(pod, facts.services)
  return {
    id: `${pod.namespace}/${pod.name}`,
    app: `${deployment.namespace}/${deployment.name}`,
    pod: pod.name,
    phase,
    reason,
    restarts: pod.containerStatuses.reduce((most, { restarts }) => Math.max(most, restarts), 0),
    node: pod.node,
    image: known?.image ?? own.name,
    version: known?.id || own.id,
    revision: replicaSet?.revision ?? known?.revision ?? 0,
    hash: pod.hash,
    sidecar: status?.image ?? '',
    capture: status?.capture ?? '',
    tabs,
    createdAt: pod.creationTimestamp,
  }
}

/** What a pod runs by its own account: needed where no record tells. */
export function versionOfPod(pod: Pod, services: readonly Service[]): { id: string; name: string } {
  const { spec, labels, annotations, containerStatuses } = pod
  const name = appContainer({ spec, labels, annotations }, services)
  const others = spec.containers.filter(container => container.name !== containerName)
  const container = others.find(container => container.name === name) ?? others[0]
  const status = containerStatuses.find(status => status.name === container?.name)
  const image = container?.image ?? ''
  return { id: pinnedDigest(image) ?? digestOf(status?.imageID ?? '') ?? '', name: image }
}

/** These are a container's way to start; any other reason to wait is one to worry. */
const beginnings = new Set(['', 'ContainerCreating', 'PodInitializing'])

/** How a pod is, and why it is not ready. */
export function phaseOf(pod: Pod): { phase: InstancePhase; reason: string } {
  const { terminating, finished, ready, readySince, node, containerStatuses } = pod
  if (terminating) return { phase: 'terminating', reason: '' }
  if (finished) return { phase: 'ended', reason: pod.reason }
  if (ready) return { phase: 'ready', reason: '' }
  const stuck = containerStatuses.find(({ waiting }) => !beginnings.has(waiting))
  if (stuck) return { phase: 'failing', reason: sayWaiting(stuck) }
  if (node === '') return { phase: 'pending', reason: pod.reason }
  const started = containerStatuses.map(({ startedAt }) => startedAt)
  const isStarted = started.length > 0 && started.every(at => at !== '')
  // What is not ready since before its containers started has never been.
  const wasReady = isStarted && started.every(at => Date.parse(readySince) > Date.parse(at))
  if (wasReady) return { phase: 'unready', reason: 'its readiness probe fails' }
  const awaited = containerStatuses.find(({ waiting }) => waiting !== '')
  return {
    phase: 'starting',
    reason: isStarted ? 'its readiness probe has not succeeded yet' : awaited ? sayWaiting(awaited) : '',
  }
}

function sayWaiting({ name, waiting, message }: ContainerStatus): string {
  return message ? `${waiting}: ${message}` : `${waiting}: container ${name}`
}
