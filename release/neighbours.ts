// What stands behind the same Services: a browser does not know from which Deployment its next answer comes. Canaries stand there together,
// blue and green one after the other.

import type { Known, ReleaseState } from '../protocol/release.ts'
import { selects } from './objects.ts'
import type { Pod, Service } from './objects.ts'
import type { ReleaseRecord } from './record.ts'
import { isServing } from './rollout.ts'
import { knownRows } from './versions.ts'
import type { ReplicaSetRecord } from './versions.ts'

/** More Services than these are no app's. */
const maxServices = 16
/** With our own 32 rows they still fit well into an annotation. */
export const maxOthers = 16

/** A kubelet that starts anew calls its pods unready until it has probed them, and a container that fails starts again. */
const lapseMs = 30_000

/**
 * What a request can reach: ready, non-terminating pods behind the Services by which browsers come to the Deployment's app (`fronting`); without
 * one, its own. `own` are its pods, `versions` its records. What was live (`last`) stays so for a moment while a neighbour's pod of it is not ready.
 */
export function liveVersions(
  { pods, others }: { pods: readonly Pod[]; others: readonly ReleaseRecord[] },
  fronting: readonly Service[],
  own: readonly Pod[],
  versions: readonly ReplicaSetRecord[],
  last: ReleaseState['live'],
  now: Date,
): ReleaseState['live'] {
  const ownIds = idsByHash(versions)
  const otherIds = idsByHash(others.flatMap(({ replicaSets }) => replicaSets))
  const reachable =
    fronting.length === 0 ? own : pods.filter(pod => fronting.some(service => selects(service, pod.labels)))
  const mine = new Set(own)
  const counts = new Map<string, number>()
  for (const pod of reachable) {
    const isMine = mine.has(pod)
    const id = (isMine ? ownIds : otherIds).get(pod.hash)
    const lapses = !isMine && lapseLeft(pod, now) > 0 && last.some(live => live.id === id)
    if (id && (isServing(pod) || lapses)) counts.set(id, (counts.get(id) ?? 0) + (isServing(pod) ? 1 : 0))
  }
  return [...counts].map(([id, count]) => ({ id, pods: count })).sort((a, b) => (a.id < b.id ? -1 : 1))
}

/** After how many milliseconds one of these pods stops counting as live although it is not ready; undefined where none does. */
export function nextLapse(pods: readonly Pod[], now: Date): number | undefined {
  const left = pods.map(pod => lapseLeft(pod, now)).filter(ms => ms > 0)
  return left.length > 0 ? Math.min(...left) : undefined
}

/** By the node's clock: where it is off by more than a lapse, there is none. */
function lapseLeft({ ready, readySince, terminating, finished }: Pod, now: Date): number {
  const agoMs = now.getTime() - Date.parse(readySince)
  return !ready && !terminating && !finished && Math.abs(agoMs) < lapseMs ? lapseMs - agoMs : 0
}

function idsByHash(records: readonly ReplicaSetRecord[]): Map<string, string> {
  return new Map(records.map(({ hash, id }) => [hash, id]))
}

/**
 * The names of the Services by which browsers come to its app, or once came: when one switches from blue to green, blue's tabs come to green.
 * `beside` are those that select its pods for something else.
 */
export function sharedServices(
  last: readonly string[],
  fronting: readonly Service[],
  beside: readonly Service[],
): string[] {
  const former = last.filter(name => !beside.some(service => service.name === name))
  return [...new Set([...former, ...fronting.map(({ name }) => name)])].slice(-maxServices)
}

/** Whether those Services (`shared`, by name) lead to other pods now, and none leads to the Deployment's app (`fronting`) any more. */
export function isSwitched(
  services: readonly Service[],
  shared: readonly string[],
  fronting: readonly Service[],
): boolean {
  return (
    fronting.length === 0 &&
    services.some(({ name, selector }) => shared.includes(name) && Object.keys(selector).length > 0)
  )
}

/**
 * Rows of the Deployments that stand, or once stood, behind the same Services: with them a tab of theirs that comes to one of our pods can
 * be told. They are kept, since those Deployments may be deleted. `own` are the Deployment's own rows, which go before.
 */
export function otherRows(
  last: readonly Known[],
  own: readonly Known[],
  services: readonly string[],
  others: readonly ReleaseRecord[],
): Known[] {
  const neighbours = others
    .filter(record => record.services.some(name => services.includes(name)))
    .toSorted((a, b) => (a.state.name < b.state.name ? -1 : 1))
  const rows = new Map(last.map(row => [row[0], row]))
  for (const { replicaSets } of neighbours)
    for (const row of knownRows(replicaSets).toReversed()) {
      rows.delete(row[0]) // so that the newest comes last
      rows.set(row[0], row)
    }
  for (const [key] of own) rows.delete(key)
  return [...rows.values()].slice(-maxOthers)
}
