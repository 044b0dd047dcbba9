// The next release state of one Deployment: a pure function of the cluster's objects and of the last record.
// It is called whenever something moved, so it must say "nothing new" (the same record) when nothing that browsers care about did.

import { isDeepStrictEqual } from 'node:util'
import { annotation } from '../protocol/names.ts'
import type { ReleaseState, Version, Why } from '../protocol/release.ts'
import { frontingServices, versionContainers } from './app.ts'
import { deploymentBehind, selects } from './objects.ts'
import type { Deployment, Pod, ReplicaSet, Service } from './objects.ts'
import type { ReleaseRecord } from './record.ts'
import { isReady } from './rollout.ts'
import { previousOf, renamed, settle } from './previous.ts'
import { isSwitched, liveVersions, otherRows, sharedServices } from './neighbours.ts'
import { knownRows, nextVersions, settleVersion } from './versions.ts'
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
  /** The last records of the other Deployments. */
  others: readonly ReleaseRecord[]
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
  const { deployment, replicaSets, services, defaults } = world
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
      containers: versionContainers(replicaSet.template, services, defaults),
    })),
    pods,
  )
  const record = versions.find(({ uid }) => uid === target.uid)
  if (!record) return known
  const isSameTarget =
    known?.targetUid === target.uid &&
    known.deployment.revision === deployment.revision &&
    !(known.state.phase === 'ready' && isOther(record, known.state.target))
  // Kubernetes numbers a Deployment anew when its ReplicaSets were deleted, and not at all when a tag was pushed again while there was
  // no pod; ours only grows, since tabs count their reloads by it.
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
  const { settled, before } = settle(
    renamed(known ?? { settled: null, before: null }, versions),
    phase === 'ready' ? targetVersion : undefined,
  )
  const { template } = deployment
  const fronting = frontingServices(template, services, defaults)
  const beside = services.filter(service => selects(service, template.labels) && !fronting.includes(service))
  const shared = sharedServices(known?.services ?? [], fronting, beside)
  const own = knownRows(versions)
  const others = otherRows(known?.others ?? [], own, shared, world.others)
  const state: Omit<ReleaseState, 'serial' | 'since'> = {
    namespace: deployment.namespace,
    name: deployment.name,
    epoch,
    revision,
    phase,
    target: { ...targetVersion, hash: target.hash },
    previous: previousOf(targetVersion, { settled, before }),
    live: liveVersions(world, fronting, pods, versions, known?.state.live ?? [], now),
    known: [...own, ...others],
    why: isSameTarget && known ? known.state.why : why(known, target, record),
    ...(isSwitched(services, shared, fronting) && { switched: true }),
  }
  return revise(
    known,
    {
      state,
      replicaSets: phase === 'ready' ? settleVersion(versions, target.uid, targetPods) : versions,
      settled,
      before,
      targetUid: target.uid,
      deployment: { revision: deployment.revision, resourceVersion: deployment.resourceVersion },
      services: shared,
      others,
    },
    now,
  )
}

/** creationTimestamp in base 36 seconds, then the uid's first digits: a Deployment made again starts a later epoch. */
export function epochOf({ creationTimestamp, uid }: Pick<Deployment, 'creationTimestamp' | 'uid'>): string {
  const seconds = Math.floor(Date.parse(creationTimestamp) / 1000)
  return `${(Number.isFinite(seconds) ? seconds : 0).toString(36)}-${uid.slice(0, 8)}`
}

/** It was scaled to 0, and came back with bytes of which it had not reported a digest. */
function isOther({ id, digests }: ReplicaSetRecord, version: Version): boolean {
  return id !== version.id && !digests.includes(version.id)
}

export function isOf(deployment: Pick<Deployment, 'name'>, pod: Pod): boolean {
  return !pod.finished && deploymentOf(pod) === deployment.name
}

/** By name, since a pod may arrive in our cache before its ReplicaSet. */
export function deploymentOf({ controller, hash }: Pod): string | undefined {
  return controller?.kind === 'ReplicaSet' ? deploymentBehind(controller.name, hash) : undefined
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

function why(last: ReleaseRecord | undefined, target: ReplicaSet, { image }: ReplicaSetRecord): Why {
  if (!last) return 'rollout'
  if (target.annotations[annotation.revisionHistory]) return 'rollback'
  return last.state.target.name === image ? 'restart' : 'rollout'
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
