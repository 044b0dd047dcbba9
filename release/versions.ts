// Which ReplicaSets run the same bytes. For each one the record keeps the digests that its pods reported, because a runtime may report
// several for one image: over time, and from node to node. Its id is the first of them; ReplicaSets of one image
// with a digest in common are one version and share the oldest one's id.

import type { Known } from '../protocol/release.ts'
import { digestOf, pinnedDigest } from './image.ts'
import type { Pod, ReplicaSet } from './objects.ts'

/** What the record keeps of one ReplicaSet. It outlives the ReplicaSet: tabs of a deleted one are still open. */
export interface ReplicaSetRecord {
  uid: string
  hash: string
  revision: number
  /** The app's container: once found it stays, for the Service that leads to it may be away for a moment. */
  container: string
  /** The app's image as written in the template. */
  image: string
  digests: string[]
  /** The version that it runs; '' until a pod has reported a digest. */
  id: string
  /** It was scaled to 0, or given a new revision, and no pod has reported since: what it runs next may be other bytes. */
  idle: boolean
}

/** Tabs of older ones hold. 32 rows are about 3 KB of annotation; Kubernetes itself keeps 10 old ReplicaSets. */
export const maxReplicaSets = 32

/**
 * Takes the last records (oldest first), the ReplicaSets that exist now with their app's container as far as Services or annotations
 * tell, and all of the Deployment's pods. Returns the next records.
 */
export function nextVersions(
  last: readonly ReplicaSetRecord[],
  replicaSets: readonly { replicaSet: ReplicaSet; container: string | undefined }[],
  pods: readonly Pod[],
): ReplicaSetRecord[] {
  const existing = new Map(replicaSets.map(item => [item.replicaSet.uid, item]))
  const gone = last.filter(({ uid }) => !existing.has(uid))
  const next: ReplicaSetRecord[] = last.map(record => {
    const item = existing.get(record.uid)
    return item ? observe(record, item.replicaSet, item.container, pods) : record
  })
  const recorded = new Set(last.map(({ uid }) => uid))
  const added = replicaSets
    .filter(({ replicaSet }) => !recorded.has(replicaSet.uid))
    .sort((a, b) => a.replicaSet.revision - b.replicaSet.revision)
    .map(({ replicaSet, container }) =>
      observe(undefined, replicaSet, container ?? lastContainer(last, replicaSet), pods),
    )
  return assignIds(forget([...next, ...added], gone))
}

/** The rows that let a page find out its own version: by its hash, or by an id under which it was once served. */
export function knownRows(records: readonly ReplicaSetRecord[]): Known[] {
  // A ReplicaSet that was deleted and made again has the same hash: the later one counts, whatever its revision.
  const latest = new Map(records.map(record => [record.hash, record]))
  const byRevision = [...latest.values()]
    .filter(({ id }) => id !== '')
    .sort((a, b) => b.revision - a.revision)
  const ids = new Set(byRevision.map(({ id }) => id))
  const rows = new Map<string, Known>()
  for (const { hash, id, revision, digests } of byRevision) {
    const aliases = digests.filter(digest => !ids.has(digest))
    for (const key of [hash, ...aliases]) if (!rows.has(key)) rows.set(key, [key, id, revision])
  }
  return [...rows.values()]
}

function observe(
  last: ReplicaSetRecord | undefined,
  replicaSet: ReplicaSet,
  found: string | undefined,
  pods: readonly Pod[],
): ReplicaSetRecord {
  const { uid, hash } = replicaSet
  const container = last?.container ?? found ?? ''
  const image = replicaSet.template.spec.containers.find(({ name }) => name === container)?.image ?? ''
  const revision = Math.max(replicaSet.revision, last?.revision ?? 0) // a cache may lag; a revision never goes back
  const record = last ?? { uid, hash, revision, container, image, digests: [], id: '', idle: false }
  const pinned = pinnedDigest(image)
  if (pinned) return { ...record, revision, image, digests: [pinned], id: pinned, idle: false }
  const idle = record.idle || replicaSet.replicas === 0 || revision > record.revision
  const reported = reportedDigests(uid, container, pods)
  if (reported.length === 0) return { ...record, revision, image, idle }
  // While it is in use, another digest is another name of the same bytes (a runtime lists several, nodes differ),
  // or a tag that moved under it: then nobody can say which pod answers, and the id stays. Used again, it may be a new version.
  const isOther = idle && !reported.some(digest => record.digests.includes(digest))
  const digests = isOther ? reported : [...new Set([...record.digests, ...reported])]
  return {
    ...record,
    revision,
    image,
    digests,
    id: isOther ? '' : record.id,
    idle: replicaSet.replicas === 0,
  }
}

/** The digests that living pods of a ReplicaSet report for the container, those of the oldest containers first. */
function reportedDigests(uid: string, container: string, pods: readonly Pod[]): string[] {
  const reports: { digest: string; startedAt: string }[] = []
  for (const pod of pods) {
    if (pod.controller?.uid !== uid || pod.terminating) continue
    const status = pod.containerStatuses.find(({ name }) => name === container)
    const digest = status && digestOf(status.imageID)
    if (digest && status.startedAt !== '') reports.push({ digest, startedAt: status.startedAt })
  }
  reports.sort((a, b) => compare(a.startedAt, b.startedAt) || compare(a.digest, b.digest))
  return [...new Set(reports.map(({ digest }) => digest))]
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
function lastContainer(last: readonly ReplicaSetRecord[], { template }: ReplicaSet): string {
  const names = template.spec.containers.map(({ name }) => name)
  return last.findLast(({ container }) => names.includes(container))?.container ?? names[0] ?? ''
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
