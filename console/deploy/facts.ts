// What the cluster still knows of an app's deployments, cut down to what their logs are made of. Raw JSON goes in.

import { annotation, label } from '../../protocol/names.ts'
import { isObject, isString } from '../../protocol/release.ts'
import { parseDeployment, parseMeta, parsePod } from '../../release/objects.ts'
import type { Deployment, Pod } from '../../release/objects.ts'

export type Raw = Record<string, unknown>

/** Everything of one Deployment. */
export interface AppFacts {
  rollout: RolloutFacts
  sets: SetFacts[]
  pods: PodFacts[]
  events: EventFacts[]
}

export interface RolloutFacts {
  deployment: Deployment
  /** As a query: `app=web,tier in (a,b)`. */
  selector: string
  /** Who has written the pod template, the latest first; of each only the last time is kept by Kubernetes. */
  writers: { manager: string; at: string }[]
  /** What the condition `Progressing` says. */
  message: string
}

export interface SetFacts {
  uid: string
  name: string
  owner: string
  hash: string
  revision: number
  /** The revisions that it had before. */
  former: number[]
  createdAt: string
  template: Raw
  /** The last refusal of a pod; `at` is '' where there is none. */
  refusal: { at: string; message: string }
}

export interface PodFacts {
  pod: Pod
  scheduledAt: string
  /** RFC 3339; '' while it is not. */
  readyAt: string
  containers: ContainerFacts[]
}

export interface ContainerFacts {
  name: string
  image: string
  startedAt: string
  restarts: number
  waiting: string
  message: string
  /** How it ended last; undefined where it never did. */
  exit: { at: string; code: number; reason: string } | undefined
}

export interface EventFacts {
  uid: string
  kind: string
  /** Of the object that it is about. */
  name: string
  about: string
  /** `spec.containers{web}` → `web`; '' where it is about no container. */
  container: string
  isWarning: boolean
  reason: string
  message: string
  /** When it was seen first, and last. */
  at: string
  lastAt: string
  count: number
}

export function parseRollout(data: unknown): RolloutFacts | undefined {
  const deployment = parseDeployment(data)
  if (!deployment || !isObject(data)) return undefined
  const writers = list(object(data.metadata).managedFields)
    .filter(({ fieldsV1, subresource }) => !subresource && writesTemplate(fieldsV1))
    .map(({ manager, time }) => ({ manager: string(manager), at: string(time) }))
    .toSorted((a, b) => (a.at < b.at ? 1 : -1))
  const progress = list(object(data.status).conditions).find(({ type }) => type === 'Progressing')
  return {
    deployment,
    selector: selectorOf(object(object(data.spec).selector)),
    writers,
    message: string(progress?.message),
  }
}

/** The controller's own writes are elsewhere. */
function writesTemplate(fields: unknown): boolean {
  return object(object(fields)['f:spec'])['f:template'] !== undefined
}

/** kubernetes.io/docs/concepts/overview/working-with-objects/labels/#api */
function selectorOf({ matchLabels, matchExpressions }: Raw): string {
  const equal = Object.entries(object(matchLabels)).map(([key, value]) => `${key}=${string(value)}`)
  const others = list(matchExpressions).map(({ key, operator, values }) => {
    const set = `(${Array.isArray(values) ? values.filter(isString).join(',') : ''})`
    switch (operator) {
      case 'In':
        return `${string(key)} in ${set}`
      case 'NotIn':
        return `${string(key)} notin ${set}`
      case 'DoesNotExist':
        return `!${string(key)}`
      default:
        return string(key)
    }
  })
  return [...equal, ...others].join(',')
}

export function parseSet(data: unknown): SetFacts | undefined {
  const meta = parseMeta(data)
  if (!meta || !isObject(data) || meta.controller?.kind !== 'Deployment') return undefined
  const refused = list(object(data.status).conditions).find(
    ({ type, status }) => type === 'ReplicaFailure' && status === 'True',
  )
  return {
    uid: meta.uid,
    name: meta.name,
    owner: meta.controller.uid,
    hash: meta.labels[label.podTemplateHash] ?? '',
    revision: Number(meta.annotations[annotation.revision] ?? 0) || 0,
    former: (meta.annotations[annotation.revisionHistory] ?? '').split(',').map(Number).filter(Boolean),
    createdAt: meta.creationTimestamp,
    template: object(object(data.spec).template),
    refusal: { at: string(refused?.lastTransitionTime), message: string(refused?.message) },
  }
}

export function parsePodFacts(data: unknown): PodFacts | undefined {
  const pod = parsePod(data)
  if (!pod || !isObject(data)) return undefined
  const status = object(data.status)
  const at = (type: string) =>
    string(
      list(status.conditions).find(condition => condition.type === type && condition.status === 'True')
        ?.lastTransitionTime,
    )
  return {
    pod,
    scheduledAt: at('PodScheduled'),
    readyAt: at('Ready'),
    containers: list(status.containerStatuses).map(parseContainer),
  }
}

function parseContainer({ name, image, state, lastState, restartCount }: Raw): ContainerFacts {
  const { running, waiting, terminated = object(lastState).terminated } = object(state)
  const exit = object(terminated)
  return {
    name: string(name),
    image: string(image),
    startedAt: string(object(running).startedAt),
    restarts: Number(restartCount ?? 0),
    waiting: string(object(waiting).reason),
    message: string(object(waiting).message),
    exit: isString(exit.finishedAt)
      ? { at: exit.finishedAt, code: Number(exit.exitCode ?? 0), reason: string(exit.reason) }
      : undefined,
  }
}

const kinds = new Set(['Deployment', 'ReplicaSet', 'Pod'])

/** Of core/v1; what is written through events.k8s.io/v1 comes with other fields, some of them empty. */
export function parseKubeEvent(data: unknown): EventFacts | undefined {
  const meta = parseMeta(data)
  if (!meta || !isObject(data)) return undefined
  const { kind, name, uid, fieldPath } = object(data.involvedObject)
  if (!isString(kind) || !kinds.has(kind)) return undefined
  const series = object(data.series)
  const at = string(data.firstTimestamp) || string(data.eventTime) || meta.creationTimestamp
  return {
    uid: meta.uid,
    kind,
    name: string(name),
    about: string(uid),
    container: /\{(.+)\}$/.exec(string(fieldPath))?.[1] ?? '',
    isWarning: data.type === 'Warning',
    reason: string(data.reason),
    message: string(data.message).trim(),
    at,
    lastAt: string(series.lastObservedTime) || string(data.lastTimestamp) || at,
    count: Number(series.count ?? data.count ?? 1) || 1,
  }
}

export function object(data: unknown): Raw {
  return isObject(data) ? data : {}
}

export function list(data: unknown): Raw[] {
  return Array.isArray(data) ? data.filter(isObject) : []
}

function string(data: unknown): string {
  return isString(data) ? data : ''
}
