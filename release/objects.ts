// The Kubernetes objects that the rules read, cut down to the fields that they read.
// Raw JSON goes in, a typed value comes out; memory in a large cluster depends on how little is kept.

import { annotation, label, option } from '../protocol/names.ts'
import { isObject, isString } from '../protocol/release.ts'
import { parseMoved, specBefore } from './injected.ts'
import { list, object, string } from './raw.ts'
import type { Raw } from './raw.ts'

export interface Meta {
  name: string
  namespace: string
  uid: string
  resourceVersion: string
  /** RFC 3339. */
  creationTimestamp: string
  labels: Record<string, string>
  annotations: Record<string, string>
  /** The owner that controls this object, if any. */
  controller: { kind: string; name: string; uid: string } | undefined
  terminating: boolean
}

export interface ContainerPort {
  name: string
  containerPort: number
  protocol: string
}

export interface Container {
  name: string
  image: string
  ports: ContainerPort[]
  /** Names of the volumes that it mounts. */
  mounts: string[]
}

export interface PodSpec {
  containers: Container[]
  /** Those that end before the containers start, not the ones that go on running beside them. */
  initContainers: Container[]
  /** Names of the volumes that start out empty: what is in them was brought by a container. */
  emptyDirs: string[]
}

export interface PodTemplate {
  labels: Record<string, string>
  annotations: Record<string, string>
  /** As it was before injection. */
  spec: PodSpec
}

export interface Deployment extends Meta {
  generation: number
  observedGeneration: number
  revision: number
  replicas: number
  status: { replicas: number; updatedReplicas: number; availableReplicas: number }
  /** The progress deadline has passed: `Progressing` is false with reason ProgressDeadlineExceeded. */
  deadlineExceeded: boolean
  paused: boolean
  /** Its condition `Progressing`: the reason, and RFC 3339 when it came to that; '' where it has none. */
  progress: { reason: string; at: string }
  template: PodTemplate
}

export interface ReplicaSet extends Meta {
  hash: string
  revision: number
  replicas: number
  template: PodTemplate
  /** What the API server said when it refused a pod; '' while it takes them. */
  refusal: string
}

export interface ContainerStatus {
  name: string
  imageID: string
  /** RFC 3339 by the node's clock; '' while the container is not running. An init container has been. */
  startedAt: string
  /** Why it is not running: `ImagePullBackOff`, `CrashLoopBackOff`, `ContainerCreating`, or how it failed: `Error`, `OOMKilled`; '' while it is, or was. */
  waiting: string
  /** What is said of that: `back-off 10s restarting failed container …`. */
  message: string
  restarts: number
}

export interface Pod extends Meta {
  hash: string
  injected: boolean
  ready: boolean
  /** RFC 3339: when it became ready, or stopped being so; '' where it has not been said. */
  readySince: string
  /** '' until it is scheduled. */
  node: string
  /** '' until its network is there. */
  ip: string
  /** Why it is not scheduled, or was evicted: `Unschedulable: 0/3 nodes are available …`; else ''. */
  reason: string
  /** Succeeded or Failed: it will not run again. */
  finished: boolean
  spec: PodSpec
  /** Of its containers and init containers, whose names are different. */
  containerStatuses: ContainerStatus[]
}

export interface ServicePort {
  name: string
  port: number
  targetPort: string | number
  protocol: string
  appProtocol: string
}

export interface Service extends Meta {
  /** Empty: it selects nothing by itself (ExternalName, or endpoints made by hand). */
  selector: Record<string, string>
  ports: ServicePort[]
}

export interface Namespace extends Meta {}

export function parseNamespace(data: unknown): Namespace | undefined {
  return parseMeta(data)
}

export function parseDeployment(data: unknown): Deployment | undefined {
  const meta = parseMeta(data)
  if (!meta || !isObject(data)) return undefined
  const spec = object(data.spec)
  const status = object(data.status)
  const progress = list(status.conditions).find(({ type }) => type === 'Progressing') ?? {}
  return {
    ...meta,
    generation: number(object(data.metadata).generation),
    observedGeneration: number(status.observedGeneration),
    revision: Number(meta.annotations[annotation.revision] ?? 0) || 0,
    replicas: number(spec.replicas, 1), // the API's default
    status: {
      replicas: number(status.replicas),
      updatedReplicas: number(status.updatedReplicas),
      availableReplicas: number(status.availableReplicas),
    },
    deadlineExceeded: progress.reason === 'ProgressDeadlineExceeded',
    paused: spec.paused === true,
    progress: {
      reason: string(progress.reason),
      at: string(progress.lastUpdateTime) || string(progress.lastTransitionTime),
    },
    template: parseTemplate(spec.template),
  }
}

/** Takes a ReplicaSet's name, and the `pod-template-hash` of its pods: the Deployment controller names one `<Deployment>-<hash>`. Undefined for others. */
export function deploymentBehind(replicaSet: string, hash: string): string | undefined {
  const end = `-${hash}`
  if (hash === '' || !replicaSet.endsWith(end)) return undefined
  return replicaSet.slice(0, -end.length) || undefined
}

export function parseReplicaSet(data: unknown): ReplicaSet | undefined {
  const meta = parseMeta(data)
  if (!meta || !isObject(data)) return undefined
  const spec = object(data.spec)
  return {
    ...meta,
    hash: meta.labels[label.podTemplateHash] ?? '',
    revision: Number(meta.annotations[annotation.revision] ?? 0) || 0,
    replicas: number(spec.replicas, 1),
    template: parseTemplate(spec.template),
    refusal: string(
      list(object(data.status).conditions).find(
        ({ type, status }) => type === 'ReplicaFailure' && status === 'True',
      )?.message,
    ),
  }
}

export function parsePod(data: unknown): Pod | undefined {
  const meta = parseMeta(data)
  if (!meta || !isObject(data)) return undefined
  const status = object(data.status)
  const conditions = list(status.conditions)
  const ready = conditions.find(({ type }) => type === 'Ready')
  const unscheduled = conditions.find(({ type, status }) => type === 'PodScheduled' && status === 'False')
  return {
    ...meta,
    hash: meta.labels[label.podTemplateHash] ?? '',
    injected: meta.labels[label.injected] === 'true',
    ready: ready?.status === 'True',
    readySince: string(ready?.lastTransitionTime),
    node: string(object(data.spec).nodeName),
    ip: string(status.podIP),
    reason: said(unscheduled ?? status),
    finished: status.phase === 'Succeeded' || status.phase === 'Failed',
    spec: parsePodSpec(data.spec),
    containerStatuses: [
      ...list(status.containerStatuses).map(parseRunning),
      ...list(status.initContainerStatuses).map(container =>
        parseContainerStatus(container, ['running', 'terminated']),
      ),
    ],
  }
}

/** Of a container that is to go on running. */
export function parseRunning(data: Raw): ContainerStatus {
  return parseContainerStatus(data, ['running'])
}

function parseContainerStatus(
  { name, imageID, state, restartCount }: Raw,
  started: ('running' | 'terminated')[],
): ContainerStatus {
  const times = started.map(kind => string(object(object(state)[kind]).startedAt))
  const { reason, message } = notRunning(object(state))
  return {
    name: string(name),
    imageID: string(imageID),
    startedAt: times.find(time => time !== '') ?? '',
    waiting: reason,
    message,
    restarts: number(restartCount),
  }
}

/** Between its end and the next back-off a container that fails does not wait, and does not run. */
function notRunning({ waiting, terminated }: Raw): { reason: string; message: string } {
  if (!isObject(terminated) || number(terminated.exitCode) === 0) {
    const { reason, message } = object(waiting)
    return { reason: string(reason), message: string(message) }
  }
  const { reason, message, exitCode } = terminated
  return {
    reason: string(reason) || 'Error',
    message: string(message) || `ended with exit code ${number(exitCode)}`,
  }
}

function said({ reason, message }: Record<string, unknown>): string {
  return [string(reason), string(message)].filter(text => text !== '').join(': ')
}

export function parseService(data: unknown): Service | undefined {
  const meta = parseMeta(data)
  if (!meta || !isObject(data)) return undefined
  const spec = object(data.spec)
  return {
    ...meta,
    selector: strings(spec.selector),
    ports: list(spec.ports).map(port => ({
      name: string(port.name),
      port: number(port.port),
      targetPort: isString(port.targetPort) ? port.targetPort : number(port.targetPort, number(port.port)),
      protocol: string(port.protocol) || 'TCP',
      appProtocol: string(port.appProtocol),
    })),
  }
}

export function parsePodSpec(data: unknown): PodSpec {
  const { containers, initContainers, volumes } = object(data)
  return {
    containers: list(containers).map(parseContainer),
    initContainers: list(initContainers)
      .filter(({ restartPolicy }) => restartPolicy !== 'Always')
      .map(parseContainer),
    emptyDirs: list(volumes)
      .filter(({ emptyDir }) => isObject(emptyDir))
      .map(({ name }) => string(name)),
  }
}

function parseContainer({ name, image, ports, volumeMounts }: Record<string, unknown>): Container {
  return {
    name: string(name),
    image: string(image),
    ports: list(ports).map(port => ({
      name: string(port.name),
      containerPort: number(port.containerPort),
      protocol: string(port.protocol) || 'TCP',
    })),
    mounts: list(volumeMounts).map(({ name }) => string(name)),
  }
}

/** Whether a Service sends traffic to pods with these labels. A Service without a selector selects none. */
export function selects(service: Pick<Service, 'selector'>, labels: Record<string, string>): boolean {
  const wanted = Object.entries(service.selector)
  return wanted.length > 0 && wanted.every(([key, value]) => labels[key] === value)
}

function parseTemplate(data: unknown): PodTemplate {
  const { metadata, spec } = object(data)
  const annotations = ours(strings(object(metadata).annotations))
  return {
    labels: strings(object(metadata).labels),
    annotations,
    spec: specBefore(parsePodSpec(spec), parseMoved(annotations[annotation.status])),
  }
}

export function parseMeta(data: unknown): Meta | undefined {
  if (!isObject(data) || !isObject(data.metadata)) return undefined
  const { metadata } = data
  if (!isString(metadata.name) || metadata.name === '') return undefined
  const controller = list(metadata.ownerReferences).find(owner => owner.controller === true)
  return {
    name: metadata.name,
    namespace: string(metadata.namespace),
    uid: string(metadata.uid),
    resourceVersion: string(metadata.resourceVersion),
    creationTimestamp: string(metadata.creationTimestamp),
    labels: strings(metadata.labels),
    annotations: ours(strings(metadata.annotations)),
    controller: controller && {
      kind: string(controller.kind),
      name: string(controller.name),
      uid: string(controller.uid),
    },
    terminating: isString(metadata.deletionTimestamp),
  }
}

const kept = new Set<string>([...Object.values(option), ...Object.values(annotation)])

/** Other people's annotations can be large (kubectl keeps a whole copy of the object in one). */
function ours(annotations: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => kept.has(key)))
}

function number(data: unknown, otherwise = 0): number {
  return typeof data === 'number' ? data : otherwise
}

function strings(data: unknown): Record<string, string> {
  return Object.fromEntries(
    Object.entries(object(data)).filter((entry): entry is [string, string] => isString(entry[1])),
  )
}
