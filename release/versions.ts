// Which ReplicaSets run the same bytes. For each one the record keeps the digests that its pods reported, because a runtime may report
// several for one image: over time, and from node to node. Its id is the first of them; ReplicaSets of one image
// with a digest in common are one version and share the oldest one's id. What a container reports that was started after the rollout
// is no evidence of that: its tag may have been pushed again.

import type { Known } from '../protocol/release.ts'
import { combineDigests, digestOf, pinnedDigest } from './image.ts'
import type { Pod, ReplicaSet } from './objects.ts'
import { isServing } from './rollout.ts'

/** What the record keeps of one ReplicaSet. It outlives the ReplicaSet: tabs of a deleted one are still open. */
export interface ReplicaSetRecord {
  uid: string
  hash: string
  revision: number
  /** Those whose images make the version: once found they stay, for the Service that leads to the app may be away for a moment. */
  containers: string[]
  /** Their images as written in the template. */
  image: string
  /** What its pods reported during its rollout: names of the same bytes. Of several containers, their digests combined. */
  digests: string[]
  /** The version that it runs; '' until a pod has reported a digest. */
  id: string
  /** The versions that it ran before it was used again with other bytes, the oldest first. */
  formerIds: string[]
  /** It was scaled to 0, or given a new revision, and no pod has reported since: what it runs next may be other bytes. */
  idle: boolean
  /** It is used again after that, and no pod has reported yet: what it runs now nobody knows. */
  awaited: boolean
  /** When the newest pod of its finished rollout was created, RFC 3339 by the API server's clock; '' while it is under way. */
  newestPod: string
}

/** Tabs of older ones hold. 32 rows are about 3 KB of annotation; Kubernetes itself keeps 10 old ReplicaSets. */
export const maxReplicaSets = 32

/** Of a ReplicaSet, and of all rows: a tag that is pushed again and again, each time under a ReplicaSet that is used again. */
export const maxFormerIds = 8

/**
 * Takes the last records (oldest first), the ReplicaSets that exist now with the containers of their version as far as Services or
 * annotations tell, and all of the Deployment's pods. Returns the next records.
 */
export function nextVersions(
  last: readonly ReplicaSetRecord[],
  replicaSets: readonly { replicaSet: ReplicaSet; containers: string[] | undefined }[],
  pods: readonly Pod[],
): ReplicaSetRecord[] {
  const existing = new Map(replicaSets.map(item => [item.replicaSet.uid, item]))
  const gone = last.filter(({ uid }) => !existing.has(uid))
  const next: ReplicaSetRecord[] = last.map(record => {
    const item = existing.get(record.uid)
    return item ? observe(record, item.replicaSet, item.containers, pods) : record
  })
  const recorded = new Set(last.map(({ uid }) => uid))
  const added = replicaSets
    .filter(({ replicaSet }) => !recorded.has(replicaSet.uid))
    .sort((a, b) => a.replicaSet.revision - b.replicaSet.revision)
    .map(({ replicaSet, containers }) =>
      observe(undefined, replicaSet, containers ?? lastContainers(last, replicaSet), pods),
    )
  return assignIds(forget([...next, ...added], gone))
}

/** Ends the rollout of a ReplicaSet: what containers report that are started from now on are no other names of its bytes. */
export function settleVersion(
  records: readonly ReplicaSetRecord[],
  uid: string,
  pods: readonly Pod[],
): ReplicaSetRecord[] {
  const created = pods.filter(isServing).map(({ creationTimestamp }) => creationTimestamp)
  const newestPod = created.sort(compare).at(-1) ?? ''
  return records.map(record =>
    record.uid === uid && record.newestPod === '' ? { ...record, newestPod } : record,
  )
}

/**
 * The rows that let a page find out its own version: by its hash, or by an id under which it was once served, which may be a former one.
 * The row of a hash that is awaited has no id: a page that it serves now cannot be told from one that it served before.
 */
export function knownRows(records: readonly ReplicaSetRecord[]): Known[] {
  // A ReplicaSet that was deleted and made again has the same hash: the later one counts, whatever its revision.
  const latest = new Map(records.map(record => [record.hash, record]))
  const byRevision = [...latest.values()]
    .filter(({ id }) => id !== '')
    .sort((a, b) => b.revision - a.revision)
  const ids = new Set(byRevision.map(({ id }) => id))
  const rows = new Map<string, Known>()
  for (const { hash, id, revision, digests, awaited } of byRevision) {
    rows.set(hash, [hash, awaited ? '' : id, revision])
    const aliases = digests.filter(digest => !ids.has(digest))
    for (const alias of awaited ? [id, ...aliases] : aliases)
      if (!rows.has(alias)) rows.set(alias, [alias, id, revision])
  }
  const former = records.flatMap(record =>
    [...record.formerIds, ...(latest.get(record.hash) === record ? [] : [record.id])].map((id): Known => [
      id,
      id,
      record.revision,
    ]),
  )
  for (const row of former.filter(([id]) => id !== '' && !ids.has(id)).slice(-maxFormerIds))
    if (!rows.has(row[0])) rows.set(row[0], row)
  return [...rows.values()]
}

function observe(
  last: ReplicaSetRecord | undefined,
  replicaSet: ReplicaSet,
  found: string[] | undefined,
  pods: readonly Pod[],
): ReplicaSetRecord {
  const { uid, hash } = replicaSet
  const containers = last?.containers ?? found ?? []
  const images = imagesOf(replicaSet, containers)
  const image = images.join(' + ')
  const revision = Math.max(replicaSet.revision, last?.revision ?? 0) // a cache may lag; a revision never goes back
  const none = { digests: [], id: '', formerIds: [], idle: false, awaited: false, newestPod: '' }
  const fresh = { uid, hash, revision, containers, image, ...none }
  const record = last ?? fresh
  const pinned = allOf(images.map(pinnedDigest))
  if (pinned)
    return { ...record, revision, image, digests: [pinned], id: pinned, idle: false, awaited: false }
  const idle = record.idle || replicaSet.replicas === 0 || revision > record.revision
  const reports = reportsOf(uid, containers, pods)
  if (reports.length === 0)
    return { ...record, revision, image, idle, awaited: idle && replicaSet.replicas > 0 }
  // While it is in use, another digest is another name of the same bytes (a runtime lists several, nodes differ),
  // or a tag that moved under it: then nobody can say which pod answers, and the id stays. Used again, it may be a new version.
  const isOther = idle && !reports.some(({ digest }) => record.digests.includes(digest))
  const known: ReplicaSetRecord = isOther ? { ...fresh, formerIds: formerIdsOf(record) } : record
  // Each start of a container asks for its tag anew. Whether one that has started again did so before the end of its rollout nobody can say.
  // We may see it finished for the first time long after it was, so it counts only where there is nothing else to go by.
  const untouched = reports.filter(({ startedOnce }) => startedOnce)
  const ofRollout = untouched.filter(({ createdAt }) => createdAt <= known.newestPod)
  const names = known.newestPod !== '' ? ofRollout : untouched.length > 0 ? untouched : reports
  const digests = [...new Set([...known.digests, ...names.map(({ digest }) => digest)])]
  return { ...known, revision, image, digests, idle: replicaSet.replicas === 0, awaited: false }
}

function formerIdsOf({ id, formerIds }: ReplicaSetRecord): string[] {
  return [...formerIds.filter(former => former !== id), id]
    .filter(former => former !== '')
    .slice(-maxFormerIds)
}

function imagesOf({ template: { spec } }: ReplicaSet, containers: readonly string[]): string[] {
  const all = [...spec.containers, ...spec.initContainers]
  return containers.map(container => all.find(({ name }) => name === container)?.image ?? '')
}

/** What the living pods of a ReplicaSet report for the containers, the oldest pods first. */
function reportsOf(uid: string, containers: readonly string[], pods: readonly Pod[]) {
  const reports: { digest: string; createdAt: string; startedAt: string; startedOnce: boolean }[] = []
  for (const pod of pods) {
    if (pod.controller?.uid !== uid || pod.terminating) continue
    const statuses = containers.map(container => pod.containerStatuses.find(({ name }) => name === container))
    const digest = allOf(statuses.map(status => status?.startedAt && digestOf(status.imageID)))
    const startedAt = statuses[0]?.startedAt ?? ''
    const startedOnce = statuses.every(status => status?.restarts === 0)
    if (digest) reports.push({ digest, createdAt: pod.creationTimestamp, startedAt, startedOnce })
  }
  return reports.sort(
    (a, b) =>
      compare(a.createdAt, b.createdAt) || compare(a.startedAt, b.startedAt) || compare(a.digest, b.digest),
  )
}

/** Combined; undefined unless each is there. */
function allOf(digests: readonly (string | undefined)[]): string | undefined {
  const present = digests.flatMap(digest => digest || [])
  return present.length > 0 && present.length === digests.length ? combineDigests(present) : undefined
}

function assignIds(records: ReplicaSetRecord[]): ReplicaSetRecord[] {
  const assigned: ReplicaSetRecord[] = []
  for (const record of records) {
    const isTwin = (other: ReplicaSetRecord) =>
      other.id !== '' &&
      other.image === record.image &&
      other.digests.some(digest => record.digests.includes(digest))
    const older = assigned.find(isTwin)
    const any = older ?? (record.id === '' ? records.find(isTwin) : undefined)
    assigned.push({ ...record, id: any?.id ?? (record.id || (record.digests[0] ?? '')) })
  }
  return assigned
}

/** Drops the oldest of the deleted ones when there are too many. Existing ReplicaSets are never dropped. */
function forget(records: ReplicaSetRecord[], gone: readonly ReplicaSetRecord[]): ReplicaSetRecord[] {
  const excess = records.length - maxReplicaSets
  if (excess <= 0) return records
  const dropped = new Set(
    [...gone]
      .sort((a, b) => a.revision - b.revision)
      .slice(0, excess)
      .map(({ uid }) => uid),
  )
  return records.filter(({ uid }) => !dropped.has(uid))
}

/** Where nothing tells: the container that was the app before, else the first one, as kubectl would take. */
function lastContainers(last: readonly ReplicaSetRecord[], { template: { spec } }: ReplicaSet): string[] {
  const names = [...spec.containers, ...spec.initContainers].map(({ name }) => name)
  const known = last.findLast(({ containers }) => containers.every(name => names.includes(name)))
  return known?.containers ?? names.slice(0, 1)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
