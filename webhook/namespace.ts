// One labelled namespace: copies of its objects, and for each injected Deployment the loop
// objects → next record → Release → pods. It is level-based: what moved only says where to look.

import { isDeepStrictEqual } from 'node:util'
import { annotation } from '../protocol/names.ts'
import { compareStates } from '../protocol/release.ts'
import type { ReleaseState } from '../protocol/release.ts'
import type { Log } from '../protocol/log.ts'
import type { Api } from '../release/api.ts'
import { copyNamespace } from '../release/namespace.ts'
import type { NamespaceCopies } from '../release/namespace.ts'
import { epochOf } from '../release/next.ts'
import type { Deployment, Pod, Service } from '../release/objects.ts'
import { createQueue } from '../release/queue.ts'
import { parseRelease, releasesPath } from '../release/record.ts'
import type { Release, ReleaseRecord } from '../release/record.ts'
import { resume } from '../release/resume.ts'
import { watchResource } from '../release/watch.ts'
import { parseBreaker } from './breaker.ts'
import type { Breaker } from './breaker.ts'
import { createBreakers } from './breakers.ts'
import type { Context } from './decide.ts'
import type { Told } from './events.ts'
import { createMissedPods } from './missed.ts'
import type { Pace } from './pace.ts'
import type { Restarts } from './restarts.ts'
import { readRelease, writeRelease } from './releases.ts'
import { parseStamp } from './stamp.ts'
import { createStamps } from './stamps.ts'

export interface NamespaceOptions {
  api: Api
  namespace: string
  log: Log
  /** As it is now. */
  around(): NamespaceContext
  writer: Writer
  /** The sidecar's image, as it is injected. */
  image: string
  tell(told: Told): void
  restarts: Restarts
  /** Of what is written on pods. */
  pace: Pace
  now?(): Date
  /** Told of each state that was written. */
  onState?(state: ReleaseState): void
  /** Called for each Deployment that was looked at, with its pods. */
  onReconciled?(deployment: Deployment, pods: readonly Pod[], context: Context): void
  /** Something of this Deployment may have changed: itself, its pods, its record, or what stands before it. */
  onMoved?(deployment: string): void
  /** A Deployment could not be looked after, and is tried again. */
  onFailed?(): void
}

/** What is known of a namespace besides what is in it. */
export type NamespaceContext = Omit<Context, 'services' | 'release' | 'breaker'>

/** Of all replicas one writes. */
export interface Writer {
  isLeading(): boolean
  /** Refuses to write while it does not lead. */
  api: Pick<Api, 'request'>
}

export interface WatchedNamespace {
  /** Resolves when every kind of object has been listed. */
  synced: Promise<void>
  services(): Service[]
  /** The copies of all of its objects. */
  copies: Pick<NamespaceCopies, 'deployments' | 'deployment' | 'services' | 'pods' | 'replicaSets'>
  record(deployment: string): ReleaseRecord | undefined
  /** The last known release state of a Deployment. */
  state(deployment: string): ReleaseState | undefined
  deployment(name: string): Deployment | undefined
  /** Why its new pods are left alone for now. */
  breaker(deployment: string): Breaker | undefined
  /** How many pods should have the sidecar and do not. */
  missed(): number
  /** How many pods are not told, because what is written on them is refused. */
  untold(): number
  /** How many Deployments' new pods are left alone for now. */
  broken(): number
  /** Looks at each Deployment again: the Namespace or something around it has changed, or it is us who write now. */
  lookAgain(): void
  close(): Promise<void>
}

const gatherMs = 20 // a rollout moves many objects at once; a person does not notice 20 ms

export function watchNamespace({
  api,
  namespace,
  log,
  around,
  writer,
  image,
  tell,
  restarts,
  pace,
  now = () => new Date(),
  onState,
  onReconciled,
  onMoved,
  onFailed,
}: NamespaceOptions): WatchedNamespace {
  /** What we wrote last: our copy of the Releases lags behind our own writes. */
  const written = new Map<
    string,
    { record: ReleaseRecord | undefined; resourceVersion: string | undefined }
  >()
  const queue = createQueue({ work: reconcile, gatherMs, log, ...(onFailed && { onFailed }) })
  const copies = copyNamespace({ api, namespace, log, onMoved: moved })
  const releases = watchResource({
    api,
    log,
    path: releasesPath(namespace),
    parse: parseRelease,
    onChange: ({ type, object }) => releaseMoved(type, object),
  })
  const breakers = createBreakers({ api, writer: writer.api, namespace, image, tell, restarts, now })
  const missed = createMissedPods({ api, namespace, tell, restarts, now })
  const stamps = createStamps({ namespace, pace, tell, log, now })
  const synced = listed()
  synced.catch(() => {}) // closed before: nobody has to hear
  return {
    synced,
    services: copies.services,
    copies,
    record: recordOf,
    state: name => recordOf(name)?.state,
    deployment: copies.deployment,
    breaker,
    missed: missed.count,
    untold: stamps.count,
    broken: () => copies.deployments().filter(({ name }) => isBroken(name)).length,
    lookAgain: queueAll,
    close,
  }

  async function listed(): Promise<void> {
    await Promise.all([copies.synced, releases.synced])
    queueAll()
  }

  async function close(): Promise<void> {
    await Promise.all([copies.close(), releases.close(), queue.close()])
  }

  function releaseMoved(type: 'upsert' | 'delete', release: Release): void {
    const mine = written.get(release.name)
    if (type === 'delete') {
      written.set(release.name, { record: mine?.record ?? release.record, resourceVersion: undefined })
      moved(release.name)
    } else if (!mine || !writer.isLeading() || isNewer(release, mine)) {
      written.set(release.name, { record: release.record, resourceVersion: release.resourceVersion })
      moved(release.name)
    }
  }

  function moved(name: string): void {
    queue.add(name)
    onMoved?.(name)
  }

  function queueAll(): void {
    for (const { name } of copies.deployments()) queue.add(name)
  }

  function recordOf(name: string): ReleaseRecord | undefined {
    return written.get(name)?.record ?? releases.objects.get(`${namespace}/${name}`)?.record
  }

  async function reconcile(name: string): Promise<void> {
    await synced // a state worked out from half of the objects would be wrong
    const deployment = copies.deployment(name)
    if (!deployment) {
      written.delete(name)
      missed.forget(name)
      stamps.forget(name)
      return
    }
    if (!writer.isLeading()) return
    const own = copies.podsOf(deployment)
    const context = { ...around(), services: copies.services(), release: () => undefined }
    onReconciled?.(deployment, own, context)
    await release(deployment, own, context.annotations)
    await care(deployment, own, context)
  }

  /** What becomes of injection: whether it harms, and whether it was missed. */
  async function care(deployment: Deployment, pods: readonly Pod[], context: Context): Promise<void> {
    const { name } = deployment
    restarts.seen(deployment)
    const replicaSets = copies.replicaSetsOf(deployment)
    const text = releases.objects.get(`${namespace}/${name}`)?.annotations[annotation.breaker]
    const again = [
      await breakers.look({ deployment, pods, replicaSets, text, defaults: context.annotations }),
      await missed.look({
        deployment,
        pods,
        replicaSets,
        context: { ...context, breaker: () => breakers.known(name, text) },
      }),
    ]
    for (const ms of again) if (ms !== undefined) queue.later(name, ms)
  }

  function isBroken(name: string): boolean {
    return breaker(name)?.image === image
  }

  function breaker(name: string): Breaker | undefined {
    return parseBreaker(releases.objects.get(`${namespace}/${name}`)?.annotations[annotation.breaker])
  }

  /** Objects → next record → Release → pods. */
  async function release(
    deployment: Deployment,
    own: readonly Pod[],
    defaults: Record<string, string>,
  ): Promise<void> {
    const { name } = deployment
    const present = releases.objects.get(`${namespace}/${name}`)
    if (!present && !written.has(name) && !own.some(pod => pod.injected)) return
    const last = recordOf(name)
    const at = now()
    const next = copies.next(deployment, last, { recordOf, defaults, now: at })
    if (!next) return
    const record = last?.state.epoch === next.state.epoch ? next : continued(next, own, epochOf(deployment))
    const resourceVersion = written.has(name) ? written.get(name)?.resourceVersion : present?.resourceVersion
    if (record !== last || !resourceVersion) await write(deployment, record, resourceVersion, last)
    const again = [
      copies.againMs(deployment, at),
      await stamps.look({ deployment, state: record.state, pods: own }),
    ]
    for (const ms of again) if (ms !== undefined) queue.later(name, ms)
  }

  async function write(
    deployment: Deployment,
    record: ReleaseRecord,
    resourceVersion: string | undefined,
    last: ReleaseRecord | undefined,
  ): Promise<void> {
    const { name } = deployment
    const release = await writeRelease(writer.api, deployment, record, resourceVersion)
    if (!release) {
      const theirs = await readRelease(api, namespace, name)
      written.set(name, { record: theirs?.record ?? last, resourceVersion: theirs?.resourceVersion })
      throw new Error('the Release was written by somebody else')
    }
    written.set(name, { record, resourceVersion: release.resourceVersion })
    onMoved?.(name)
    const { state } = record
    if (isDeepStrictEqual(state, last?.state)) return
    const { serial, revision, phase, target, why } = state
    log('release state', { namespace, name, serial, revision, phase, image: target.name, id: target.id, why })
    onState?.(state)
    if (!isDeepStrictEqual(state.known, last?.state.known)) queueAll() // those behind the same Services tell its tabs too
  }
}

/** Somebody else has written the Release after us: its state, or something beside it. */
function isNewer(
  theirs: Release,
  mine: { record: ReleaseRecord | undefined; resourceVersion: string | undefined },
): boolean {
  if (!theirs.record) return false
  const order = mine.record ? compareStates(theirs.record.state, mine.record.state) : 1
  return order > 0 || (order === 0 && Number(theirs.resourceVersion) > Number(mine.resourceVersion))
}

/** A first record where pods already carry states: the Release was deleted. */
function continued(record: ReleaseRecord, pods: readonly Pod[], epoch: string): ReleaseRecord {
  let newest: ReleaseState | undefined
  for (const pod of pods) {
    const state = parseStamp(pod.annotations[annotation.release])
    if (state?.epoch === epoch && (!newest || compareStates(state, newest) > 0)) newest = state
  }
  return newest ? resume(record, newest) : record
}
