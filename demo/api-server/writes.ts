// What the API server adds to an object that is created, and what an update may not change.

import { randomBytes, randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { list, object } from '../../release/raw.ts'
import type { KubeObject, Metadata } from './objects.ts'
import type { Resource } from './resources.ts'
import { encodeSuffix } from './suffix.ts'

/** The object as it is stored first. A status that came with it is dropped. */
export function created(resource: Resource, incoming: KubeObject, namespace: string | undefined): KubeObject {
  const { name, generateName } = incoming.metadata
  const unique = name || `${String(generateName)}${encodeSuffix(randomBytes(5))}`
  const named = { ...incoming, metadata: { ...incoming.metadata, name: unique } }
  const { status, ...rest } = withDefaults(named)
  return {
    ...rest,
    ...(resource.kind === 'Pod'
      ? { status: { phase: 'Pending' } }
      : !resource.hasStatus && status !== undefined && { status }),
    metadata: {
      ...rest.metadata,
      ...(namespace !== undefined && { namespace }),
      uid: randomUUID(),
      creationTimestamp: now(),
      ...(resource.group !== '' && { generation: 1 }),
    },
  }
}

/** The object after an update of it, or of its status alone; `old` itself when nothing changes. */
export function updated(
  resource: Resource,
  old: KubeObject,
  incoming: KubeObject,
  part?: 'status',
): KubeObject {
  const next = part === 'status' ? { ...old, status: incoming.status } : replaced(resource, old, incoming)
  if (isDeepStrictEqual(next, old)) return old
  const { generation } = old.metadata
  if (generation === undefined || isDeepStrictEqual(wish(next), wish(old))) return next
  return { ...next, metadata: { ...next.metadata, generation: generation + 1 } }
}

/** A scheduled pod is given time: it is only marked, and its kubelet deletes it when it has ended. */
export function terminating(pod: KubeObject, graceSeconds: number): KubeObject {
  const deletionTimestamp = now(graceSeconds * 1000)
  return {
    ...pod,
    metadata: { ...pod.metadata, deletionTimestamp, deletionGracePeriodSeconds: graceSeconds },
  }
}

function replaced(resource: Resource, old: KubeObject, incoming: KubeObject): KubeObject {
  const { status, ...rest } = withDefaults(incoming)
  const kept = resource.hasStatus ? old.status : status
  return {
    ...rest,
    ...(kept !== undefined && { status: kept }),
    metadata: { ...rest.metadata, ...systemFields(old.metadata) },
  }
}

function systemFields(metadata: Metadata): Partial<Metadata> {
  const fields = [
    'name',
    'namespace',
    'uid',
    'resourceVersion',
    'generation',
    'creationTimestamp',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
  ]
  return Object.fromEntries(fields.filter(field => field in metadata).map(field => [field, metadata[field]]))
}

/** What somebody wants, as opposed to what is: a change of it makes a new generation. */
function wish(stored: KubeObject): unknown {
  const { metadata: _metadata, status: _status, ...rest } = stored
  return rest
}

/** The few of Kubernetes' defaults that our own programs read. */
function withDefaults(incoming: KubeObject): KubeObject {
  const spec = object(incoming.spec)
  switch (incoming.kind) {
    case 'Namespace':
      return labelled(incoming, { 'kubernetes.io/metadata.name': incoming.metadata.name })
    case 'Secret': {
      const { stringData, ...rest } = incoming
      const encoded = Object.entries(object(stringData)).map(([key, value]) => [
        key,
        Buffer.from(String(value)).toString('base64'),
      ])
      return { ...rest, data: { ...object(rest.data), ...Object.fromEntries(encoded) } }
    }
    case 'Service': {
      const ports = list(spec.ports).map(port => ({ protocol: 'TCP', targetPort: port.port, ...port }))
      return { ...incoming, spec: { type: 'ClusterIP', ...spec, ports } }
    }
    case 'Pod':
      return { ...incoming, spec: { restartPolicy: 'Always', terminationGracePeriodSeconds: 30, ...spec } }
    case 'Deployment': {
      const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } }
      return { ...incoming, spec: { replicas: 1, strategy, progressDeadlineSeconds: 600, ...spec } }
    }
    case 'ReplicaSet':
      return { ...incoming, spec: { replicas: 1, ...spec } }
    default:
      return incoming
  }
}

function labelled(incoming: KubeObject, labels: Record<string, string>): KubeObject {
  const { metadata } = incoming
  return { ...incoming, metadata: { ...metadata, labels: { ...metadata.labels, ...labels } } }
}

/** RFC 3339 in whole seconds, as metav1.Time is written. */
function now(laterMs = 0): string {
  return new Date(Date.now() + laterMs).toISOString().replace(/\.\d+Z$/, 'Z')
}
