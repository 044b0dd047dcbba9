// The next release state of one Deployment: a pure function of the cluster's objects and of the last record.
// It is called whenever something moved, so it must say "nothing new" (the same record) when nothing that browsers care about did.

import { isDeepStrictEqual } from 'node:util'
import type { ReleaseState, Version, Why } from '../protocol/release.ts'
import { appContainer } from './app.ts'
import { selects } from './objects.ts'
import type { Deployment, Pod, ReplicaSet, Service } from './objects.ts'
import type { ReleaseRecord } from './record.ts'
import { isReady, isServing } from './rollout.ts'
import { knownRows, nextVersions } from './versions.ts'
import type { ReplicaSetRecord } from './versions.ts'

/** What one Deployment's state depends on. Everything is of its namespace. */
export interface World {
  deployment: Deployment
  /** Those that it controls. */
  replicaSets: readonly ReplicaSet[]
  /** All pods of the namespace: others may stand behind the same Services. */
  pods: readonly Pod[]
  services: readonly Service[]
  /** The Namespace's annotations: defaults of the options. */
  defaults?: Record<string, string>
  /** What other Deployments' pods run: pod-template-hash → id. */
  others: ReadonlyMap<string, string>
}

/**
 * Returns the next record; the very same one when nothing changed; undefined while nothing can be said yet (no revision, or its
 * ReplicaSet has not arrived in our cache). `now` stamps `since`.
 */
export function nextRelease(
  last: ReleaseRecord | undefined,
  world: World,
  now: Date,
): ReleaseRecord | undefined {
  const { deployment, replicaSets } = world
  const epoch = epochOf(deployment)
  const known = last?.state.epoch === epoch ? last : undefined
  if (known && isOlder(deployment, known)) return known
  const target = newest(replicaSets.filter(({ revision }) => revision === deployment.revision))
  if (!target || deployment.revision === 0) return known
  const pods = world.pods.filter(pod => isOf(deployment, pod))
  const versions = nextVersions(
    known?.replicaSets ?? [],
    replicaSets.map(replicaSet => ({
      replicaSet,
      container: appContainer(replicaSet.template, world.services, world.defaults),
    })),
    pods,
  )
  const record = versions.find(({ uid }) => uid === target.uid)
  if (!record) return known
  const isSameTarget = known?.targetUid === target.uid && known.deployment.revision === deployment.revision
  // Kubernetes numbers a Deployment anew when its ReplicaSets were deleted; ours only grows, since tabs count their reloads by it.
  const revision = !known
    ? deployment.revision
    : isSameTarget
      ? known.state.revision
      : Math.max(deployment.revision, known.state.revision + 1)
  const isLatched = isSameTarget && known?.state.phase === 'ready'
  const targetPods = pods.filter(pod => pod.controller?.uid === target.uid)
  const otherPods = pods.filter(pod => pod.controller?.uid !== target.uid)
  const phase =
    isLatched || (record.id !== '' && isReady(deployment, targetPods, otherPods)) ? 'ready' : 'rolling'
  const targetVersion: Version = { id: record.id, name: record.image }
  const { settled, before } = settle(known, phase === 'ready' ? targetVersion : undefined)
  const state: Omit<ReleaseState, 'serial' | 'since'> = {
    namespace: deployment.namespace,
    name: deployment.name,
    epoch,
    revision,
    phase,
    target: { ...targetVersion, hash: target.hash },
    previous: targetVersion.id !== '' && targetVersion.id === settled?.id ? before : settled,
    live: liveVersions(world, pods, versions),
    known: knownRows(versions),
    why: isSameTarget && known ? known.state.why : why(known, world, target, record),
  }
  const seen = { revision: deployment.revision, resourceVersion: deployment.resourceVersion }
  return revise(
    known,
    { state, replicaSets: versions, settled, before, targetUid: target.uid, deployment: seen },
    now,
  )
}

/** creationTimestamp in base 36 seconds, then the uid's first digits: a Deployment made again starts a later epoch. */
export function epochOf({ creationTimestamp, uid }: Pick<Deployment, 'creationTimestamp' | 'uid'>): string {
  const seconds = Math.floor(Date.parse(creationTimestamp) / 1000)
  return `${(Number.isFinite(seconds) ? seconds : 0).toString(36)}-${uid.slice(0, 8)}`
}

/** By name, since a pod may arrive in our cache before its ReplicaSet: the controller names one `<Deployment>-<hash>`. */
export function isOf(deployment: Pick<Deployment, 'name'>, { controller, hash, finished }: Pod): boolean {
  return !finished && controller?.kind === 'ReplicaSet' && controller.name === `${deployment.name}-${hash}`
}

/**
 * A cache may be older than the record: it is waited for. Resource versions of one kind of object grow
 * (etcd's revisions; guaranteed since Kubernetes 1.35, KEP-5504); where one is no number nothing is known.
 */
function isOlder({ resourceVersion }: Deployment, record: ReleaseRecord): boolean {
  return Number(resourceVersion) < Number(record.deployment.resourceVersion)
}

function newest(replicaSets: readonly ReplicaSet[]): ReplicaSet | undefined {
  return [...replicaSets].sort((a, b) => (a.creationTimestamp < b.creationTimestamp ? 1 : -1))[0]
}

function settle(last: ReleaseRecord | undefined, ready: Version | undefined) {
  const { settled = null, before = null } = last ?? {}
  return ready && ready.id !== settled?.id ? { settled: ready, before: settled } : { settled, before }
}

function why(
  last: ReleaseRecord | undefined,
  world: World,
  target: ReplicaSet,
  { image }: ReplicaSetRecord,
): Why {
  if (!last) return 'rollout'
  // A new template gets a new ReplicaSet, so one that is not the newest has been used before.
  const isUsedBefore =
    world.replicaSets.some(({ creationTimestamp }) => creationTimestamp > target.creationTimestamp) ||
    last.replicaSets.some(({ uid, revision }) => uid === target.uid && revision < last.deployment.revision)
  if (isUsedBefore) return 'rollback'
  return last.state.target.name === image ? 'restart' : 'rollout'
}

/** What a request can reach: ready, non-terminating pods behind the Services that select the Deployment's pods; without one, its own. */
function liveVersions(
  { deployment, pods, services, others }: World,
  own: readonly Pod[],
  versions: readonly ReplicaSetRecord[],
) {
  const ids = new Map(versions.map(({ hash, id }) => [hash, id]))
  const fronting = services.filter(service => selects(service, deployment.template.labels))
  const reachable =
    fronting.length === 0 ? own : pods.filter(pod => fronting.some(service => selects(service, pod.labels)))
  const mine = new Set(own)
  const counts = new Map<string, number>()
  for (const pod of reachable.filter(isServing)) {
    const id = mine.has(pod) ? ids.get(pod.hash) : others.get(pod.hash)
    if (id) counts.set(id, (counts.get(id) ?? 0) + 1)
  }
  return [...counts].map(([id, count]) => ({ id, pods: count })).sort((a, b) => (a.id < b.id ? -1 : 1))
}

function revise(
  last: ReleaseRecord | undefined,
  next: Omit<ReleaseRecord, 'state'> & { state: Omit<ReleaseState, 'serial' | 'since'> },
  now: Date,
): ReleaseRecord {
  if (!last) return { ...next, state: { ...next.state, serial: 1, since: rfc3339(now.getTime()) } }
  const { serial, since } = last.state
  const changed = { ...next, state: { ...next.state, serial, since } }
  if (isDeepStrictEqual(material(changed.state), material(last.state))) {
    // The rest is told with the next change: alone it is not worth a write to each pod.
    const unchanged = { ...changed, state: last.state, deployment: last.deployment }
    return isDeepStrictEqual(unchanged, last) ? last : unchanged
  }
  const isNewMoment =
    next.state.revision !== last.state.revision ||
    next.state.phase !== last.state.phase ||
    next.state.target.id !== last.state.target.id
  changed.state.serial = serial + 1
  if (isNewMoment) changed.state.since = rfc3339(Math.max(now.getTime(), Date.parse(since)))
  return changed
}

/**
 * What a browser acts on. While rolling it does not ask what is live, and how many pods there are it never asks. Besides, the kubelet takes up
 * one write after the other: a write for nothing just before the end of a rollout delays the one that tells it (0.7 s, seen).
 */
function material(state: ReleaseState) {
  return { ...state, live: state.phase === 'ready' ? state.live.map(({ id }) => id) : [] }
}

function rfc3339(ms: number): string {
  return new Date(ms).toISOString()
}
