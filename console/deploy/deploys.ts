// The deployments of one app, from what the cluster still knows: each ReplicaSet is the last one that used its template. Pure.

import type { ConsoleApp, ConsoleDeploy, DeployStatus } from '../../protocol/console.ts'
import type { ReleaseRecord } from '../../release/record.ts'
import { changesOf } from './changes.ts'
import type { AppFacts, RolloutFacts, SetFacts } from './facts.ts'

/** What the controller's copies say of the same app. */
export interface Present {
  app: Pick<ConsoleApp, 'status'>
  record: ReleaseRecord | undefined
}

/** Newest first. */
export function describeDeploys(
  facts: Pick<AppFacts, 'rollout' | 'sets'>,
  present: Present,
): ConsoleDeploy[] {
  const { rollout } = facts
  const sets = ownSets(facts)
  return sets.map((set, index) => describeDeploy(rollout, set, sets[index + 1], set.revision, present))
}

/** One by its revision; also of a ReplicaSet that has got a newer one since. Undefined: nothing is known of it any more. */
export function findDeploy(
  facts: Pick<AppFacts, 'rollout' | 'sets'>,
  revision: number,
  present: Present,
): { deploy: ConsoleDeploy; set: SetFacts; startOfNext: string } | undefined {
  const sets = ownSets(facts)
  const state = present.record?.state
  const set =
    sets.find(set => set.revision === revision) ??
    sets.find(({ former }) => former.includes(revision)) ??
    (state?.revision === revision ? sets[0] : undefined) // Kubernetes began to count anew, and we did not
  if (!set) return undefined
  const before = sets.find(other => other.revision < Math.min(revision, set.revision))
  const next = sets.findLast(other => other.revision > revision)
  const deploy = describeDeploy(facts.rollout, set, before, revision, present)
  return { deploy, set, startOfNext: next ? startOf(facts.rollout, next) : '' }
}

function ownSets({ rollout, sets }: Pick<AppFacts, 'rollout' | 'sets'>): SetFacts[] {
  return sets
    .filter(({ owner }) => owner === rollout.deployment.uid)
    .toSorted((a, b) => b.revision - a.revision || (a.createdAt < b.createdAt ? 1 : -1))
}

function describeDeploy(
  rollout: RolloutFacts,
  set: SetFacts,
  before: SetFacts | undefined,
  revision: number,
  present: Present,
): ConsoleDeploy {
  const { namespace, name } = rollout.deployment
  const isPresent = revision === set.revision && isNewest(rollout, set)
  const known = present.record?.replicaSets.find(({ uid }) => uid === set.uid)
  const status = isPresent ? statusOf(rollout, present) : 'superseded'
  const changes = changesOf(before?.template, set.template)
  return {
    id: `${namespace}/${name}@${revision}`,
    app: `${namespace}/${name}`,
    revision,
    hash: set.hash,
    version: { id: known?.id ?? '', name: known?.image ?? imageOf(set) },
    status,
    by: writerOf(rollout, set, revision),
    changes:
      set.former.length > 0 && isPresent
        ? [`rolled back to revision ${set.former.at(-1)}`, ...changes]
        : changes,
    startedAt: revision === set.revision ? startOf(rollout, set) : set.createdAt,
    finishedAt: status === 'complete' ? finishOf(rollout, present) : '',
  }
}

function isNewest({ deployment }: RolloutFacts, set: SetFacts): boolean {
  return set.revision === deployment.revision
}

function statusOf({ deployment }: RolloutFacts, { app, record }: Present): DeployStatus {
  const isObserved = deployment.generation <= deployment.observedGeneration
  const isRolledOut = isObserved && deployment.progress.reason === 'NewReplicaSetAvailable'
  const isTold = !record || deployment.replicas === 0 || isReadyAt(record, deployment.revision)
  if (isRolledOut && isTold) return 'complete'
  return app.status === 'failing' ? 'failing' : 'rolling'
}

export function isReadyAt({ state, deployment }: ReleaseRecord, revision: number): boolean {
  return state.phase === 'ready' && deployment.revision === revision
}

function finishOf({ deployment }: RolloutFacts, { record }: Present): string {
  const { at } = deployment.progress
  const since = record && isReadyAt(record, deployment.revision) ? record.state.since : ''
  return at === '' || Date.parse(since) > Date.parse(at) ? since : at
}

/** A ReplicaSet that is used again is older than its deployment: then the last write of the template is the beginning. */
function startOf({ writers }: RolloutFacts, { former, createdAt }: SetFacts): string {
  return former.length > 0 ? (writers[0]?.at ?? createdAt) : createdAt
}

const lagMs = 10_000 // of the controller that makes the ReplicaSet
const clockMs = 1_000 // both are whole seconds

/** Kubernetes keeps the last write of each manager: of an older deployment it is often gone. */
function writerOf(rollout: RolloutFacts, set: SetFacts, revision: number): string {
  const { writers } = rollout
  if (revision !== set.revision) return ''
  const start = Date.parse(startOf(rollout, set))
  const writer = writers.find(({ at }) => {
    const aheadMs = start - Date.parse(at)
    return aheadMs >= -clockMs && aheadMs <= lagMs
  })
  return writer?.manager ?? ''
}

function imageOf({ template }: SetFacts): string {
  const { spec } = template as { spec?: { containers?: { image?: string }[] } }
  return spec?.containers?.[0]?.image ?? ''
}
