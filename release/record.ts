// The record behind a release state: what must be remembered so that the next state can be worked out, also after a restart.
// It is the status of the Release object, and read from there only.

import { group, resource } from '../protocol/names.ts'
import { isCount, isObject, isString, parseKnown, parseReleaseState } from '../protocol/release.ts'
import type { Known, ReleaseState, Version } from '../protocol/release.ts'
import { parseMeta } from './objects.ts'
import type { Meta } from './objects.ts'
import type { Settled } from './previous.ts'
import type { ReplicaSetRecord } from './versions.ts'

export interface ReleaseRecord extends Settled {
  state: ReleaseState
  replicaSets: ReplicaSetRecord[]
  /** The ReplicaSet of the target: its uid. */
  targetUid: string
  /** The Deployment's revision, and its resourceVersion, when this record was made. */
  deployment: { revision: number; resourceVersion: string }
  /** Names of the Services by which browsers come to its app, or once came. */
  services: string[]
  /** Rows of other Deployments behind them. */
  others: Known[]
}

/** The record as the status of a Release: the state's own fields stand at the top, for `kubectl get` and for feeds. */
export function toStatus({ state, ...record }: ReleaseRecord): Record<string, unknown> {
  return { ...state, record }
}

/** Takes the status of a Release; returns its record, or undefined when it has none yet or it is not one. */
export function parseRecord(status: unknown): ReleaseRecord | undefined {
  const state = parseReleaseState(status)
  if (!state || !isObject(status) || !isObject(status.record)) return undefined
  const { replicaSets, settled, before, targetUid, deployment, services, others } = status.record
  if (!Array.isArray(replicaSets) || !isString(targetUid) || !isObject(deployment)) return undefined
  const { revision, resourceVersion } = deployment
  if (!isCount(revision) || !isString(resourceVersion)) return undefined
  const records: ReplicaSetRecord[] = []
  for (const item of replicaSets as unknown[]) {
    const record = parseReplicaSetRecord(item)
    if (!record) return undefined
    records.push(record)
  }
  return {
    state,
    replicaSets: records,
    settled: parseVersion(settled),
    before: parseVersion(before),
    targetUid,
    deployment: { revision, resourceVersion },
    services: Array.isArray(services) ? services.filter(isString) : [],
    others: parseKnown(others) ?? [],
  }
}

function parseReplicaSetRecord(data: unknown): ReplicaSetRecord | undefined {
  if (!isObject(data)) return undefined
  const { uid, hash, revision, containers, image, digests, id, formerIds, idle, awaited, newestPod } = data
  if (!isString(uid) || !isString(hash) || !isCount(revision) || !isString(image) || !isString(id))
    return undefined
  if (!areStrings(containers) || !areStrings(digests)) return undefined
  return {
    uid,
    hash,
    revision,
    containers,
    image,
    digests,
    id,
    formerIds: areStrings(formerIds) ? formerIds : [],
    idle: idle === true,
    awaited: awaited === true,
    newestPod: isString(newestPod) ? newestPod : '',
  }
}

function areStrings(data: unknown): data is string[] {
  return Array.isArray(data) && data.every(isString)
}

function parseVersion(data: unknown): Version | null {
  return isObject(data) && isString(data.id) && isString(data.name) ? { id: data.id, name: data.name } : null
}

/** Where a namespace's Releases are. */
export function releasesPath(namespace: string): string {
  return `/apis/${group}/${resource.version}/namespaces/${namespace}/${resource.plural}`
}

/** The Release object: one per injected Deployment, of the same name, owned by it. */
export interface Release extends Meta {
  record: ReleaseRecord | undefined
}

export function parseRelease(data: unknown): Release | undefined {
  const meta = parseMeta(data)
  return meta && isObject(data) ? { ...meta, record: parseRecord(data.status) } : undefined
}
