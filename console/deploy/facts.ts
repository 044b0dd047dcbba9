// What the cluster still knows of an app's deployments, cut down to what their logs are made of. Raw JSON goes in.

import { annotation } from '../../protocol/names.ts'
import { isObject, isString } from '../../protocol/release.ts'
import { parseDeployment, parseMeta, parsePod, parseReplicaSet, parseRunning } from '../../release/objects.ts'
import type { ContainerStatus, Deployment, Pod } from '../../release/objects.ts'
import { list, object, string } from '../../release/raw.ts'
import type { Raw } from '../../release/raw.ts'

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

export interface ContainerFacts extends ContainerStatus {
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
  return {
    deployment,
    selector: selectorOf(object(object(data.spec).selector)),
    writers,
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
  const set = parseReplicaSet(data)
  if (!set || !isObject(data) || set.controller?.kind !== 'Deployment') return undefined
  const { uid, name, hash, revision, annotations, controller, creationTimestamp } = set
  const refused = list(object(data.status).conditions).find(
    ({ type, status }) => type === 'ReplicaFailure' && status === 'True',
  )
  return {
    uid,
    name,
    owner: controller.uid,
    hash,
    revision,
    former: (annotations[annotation.revisionHistory] ?? '').split(',').map(Number).filter(Boolean),
    createdAt: creationTimestamp,
    template: object(object(data.spec).template),
    refusal: { at: string(refused?.lastTransitionTime), message: set.refusal },
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

function parseContainer(data: Raw): ContainerFacts {
  const { terminated = object(data.lastState).terminated } = object(data.state)
  const exit = object(terminated)
  return {
    ...parseRunning(data),
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
