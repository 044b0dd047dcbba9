// The Deployment controller's decision: one ReplicaSet for each template, and the rolling update between them.
// It follows Kubernetes' own (pkg/controller/deployment: sync.go, rolling.go), without proportional scaling and without clean-up.

import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { annotation, label } from '../../protocol/names.ts'
import { isObject } from '../../protocol/release.ts'
import { patchType } from '../../release/api.ts'
import type { ApiRequest } from '../../release/api.ts'
import { list } from '../../release/raw.ts'
import { encodeSuffix } from '../api-server/suffix.ts'
import { annotationsOf, collectionPath, ownerReference, pathOf } from './objects.ts'
import type { Deployment, PodTemplate, ReplicaSet } from './objects.ts'

/** Takes a Deployment and its ReplicaSets; returns the requests of the next step. An unfinished rollout takes several. */
export function reconcileDeployment(
  deployment: Deployment,
  replicaSets: readonly ReplicaSet[],
): ApiRequest[] {
  const hash = templateHash(deployment.spec.template)
  const current = replicaSets.find(({ metadata }) => metadata.labels?.[label.podTemplateHash] === hash)
  const status = statusUpdate(deployment, replicaSets, current)
  if (deployment.spec.paused) return status
  const old = replicaSets.filter(replicaSet => replicaSet !== current)
  // A template that comes back (a rollback) gets its ReplicaSet back, with a new revision.
  const latest = Math.max(0, ...old.map(revisionOf))
  const revision = current && revisionOf(current) > latest ? revisionOf(current) : latest + 1
  const told = [...annotated(deployment, revision), ...(current ? annotated(current, revision) : [])]
  if (!current)
    return [creation(deployment, hash, revision, surge(deployment, replicaSets, 0)), ...told, ...status]
  return [...told, ...scaled(deployment, current, old), ...status]
}

/** The same template has the same hash, whatever the order of its fields. */
export function templateHash(template: PodTemplate): string {
  const digest = createHash('sha256').update(JSON.stringify(template, sortKeys)).digest()
  return encodeSuffix(digest.subarray(0, 10))
}

function sortKeys(_: string, value: unknown): unknown {
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function creation(deployment: Deployment, hash: string, revision: number, replicas: number): ApiRequest {
  const { metadata, spec } = deployment
  const { template, selector } = spec
  const withHash = (labels: Record<string, string> = {}) => ({ ...labels, [label.podTemplateHash]: hash })
  const labels = withHash(template.metadata?.labels)
  return {
    method: 'POST',
    path: collectionPath('apps/v1', 'ReplicaSet', metadata.namespace),
    body: {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: {
        name: `${metadata.name}-${hash}`,
        labels,
        annotations: { [annotation.revision]: String(revision) },
        ownerReferences: [ownerReference(deployment)],
      },
      spec: {
        replicas,
        selector: { matchLabels: withHash(selector.matchLabels) },
        template: { ...template, metadata: { ...template.metadata, labels } },
      },
    },
  }
}

function annotated(object: Deployment | ReplicaSet, revision: number): ApiRequest[] {
  if (revisionOf(object) === revision) return []
  const before = annotationsOf(object)
  const history = [before[annotation.revisionHistory], before[annotation.revision]].filter(Boolean).join(',')
  const isUsedAgain = object.kind === 'ReplicaSet' && history !== ''
  const annotations = {
    [annotation.revision]: String(revision),
    ...(isUsedAgain && { [annotation.revisionHistory]: history }),
  }
  const metadata = { annotations }
  return [{ method: 'PATCH', path: pathOf(object), contentType: patchType.merge, body: { metadata } }]
}

function revisionOf(object: Deployment | ReplicaSet): number {
  return Number(annotationsOf(object)[annotation.revision] ?? 0)
}

/** One step of the rolling update: up as far as maxSurge allows, else down as far as maxUnavailable does. */
function scaled(deployment: Deployment, current: ReplicaSet, old: readonly ReplicaSet[]): ApiRequest[] {
  const wanted = surge(deployment, [current, ...old], current.spec.replicas)
  if (wanted !== current.spec.replicas) return [scale(current, wanted)]
  const minAvailable = deployment.spec.replicas - bounds(deployment).maxUnavailable
  const pods = sum([current, ...old], ({ spec }) => spec.replicas)
  const starting = current.spec.replicas - (current.status?.availableReplicas ?? 0)
  let surplus = pods - minAvailable - starting
  const requests: ApiRequest[] = []
  for (const replicaSet of old) {
    const leaving = Math.min(replicaSet.spec.replicas, surplus)
    if (leaving <= 0) continue
    requests.push(scale(replicaSet, replicaSet.spec.replicas - leaving))
    surplus -= leaving
  }
  return requests
}

/** How many replicas the current ReplicaSet may have, when it has `replicas` now. */
function surge(deployment: Deployment, replicaSets: readonly ReplicaSet[], replicas: number): number {
  const desired = deployment.spec.replicas
  const room = desired + bounds(deployment).maxSurge - sum(replicaSets, ({ spec }) => spec.replicas)
  return Math.min(desired, replicas + Math.max(0, room))
}

function bounds({ spec }: Deployment): { maxSurge: number; maxUnavailable: number } {
  const { maxSurge = '25%', maxUnavailable = '25%' } = spec.strategy.rollingUpdate ?? {}
  const [up, down] = [
    Math.ceil(portion(maxSurge, spec.replicas)),
    Math.floor(portion(maxUnavailable, spec.replicas)),
  ]
  return { maxSurge: up, maxUnavailable: up === 0 && down === 0 ? 1 : down }
}

function portion(value: number | string, replicas: number): number {
  return typeof value === 'number' ? value : (Number.parseInt(value, 10) * replicas) / 100
}

function scale(replicaSet: ReplicaSet, replicas: number): ApiRequest {
  return {
    method: 'PATCH',
    path: pathOf(replicaSet),
    contentType: patchType.merge,
    body: { spec: { replicas } },
  }
}

function statusUpdate(
  deployment: Deployment,
  replicaSets: readonly ReplicaSet[],
  current: ReplicaSet | undefined,
): ApiRequest[] {
  const desired = deployment.spec.replicas
  const replicas = sum(replicaSets, ({ status }) => status?.replicas)
  const updatedReplicas = current?.status?.replicas ?? 0
  const availableReplicas = sum(replicaSets, ({ status }) => status?.availableReplicas)
  const isComplete = updatedReplicas === desired && replicas === desired && availableReplicas === desired
  const isAvailable = availableReplicas >= desired - bounds(deployment).maxUnavailable
  const status = {
    observedGeneration: deployment.metadata.generation,
    replicas,
    updatedReplicas,
    readyReplicas: sum(replicaSets, ({ status }) => status?.readyReplicas),
    availableReplicas,
    unavailableReplicas: Math.max(0, sum(replicaSets, ({ spec }) => spec.replicas) - availableReplicas),
    conditions: timed(deployment, [
      isAvailable
        ? { type: 'Available', status: 'True', reason: 'MinimumReplicasAvailable' }
        : { type: 'Available', status: 'False', reason: 'MinimumReplicasUnavailable' },
      {
        type: 'Progressing',
        status: 'True',
        reason: isComplete ? 'NewReplicaSetAvailable' : 'ReplicaSetUpdated',
      },
    ]),
  }
  if (isDeepStrictEqual(deployment.status, status)) return []
  return [
    { method: 'PATCH', path: `${pathOf(deployment)}/status`, contentType: patchType.merge, body: { status } },
  ]
}

/** Each with the moment at which it came to its reason. */
function timed({ status }: Deployment, conditions: { type: string; status: string; reason: string }[]) {
  const before = list(status?.conditions)
  return conditions.map(condition => {
    const { lastUpdateTime = new Date().toISOString().replace(/\.\d+Z$/, 'Z') } =
      before.find(({ type, reason }) => type === condition.type && reason === condition.reason) ?? {}
    return { ...condition, lastUpdateTime, lastTransitionTime: lastUpdateTime }
  })
}

function sum(
  replicaSets: readonly ReplicaSet[],
  count: (replicaSet: ReplicaSet) => number | undefined,
): number {
  return replicaSets.reduce((total, replicaSet) => total + (count(replicaSet) ?? 0), 0)
}
