// Keeps the breakers of one namespace: looks at a Deployment's pods and at what the API server says, writes the breaker on the Release, and
// tells of it on the Deployment. Only the replica that leads does this; admission on all replicas reads what was written.

import { annotation } from '../protocol/names.ts'
import { patchType, refusal } from '../release/api.ts'
import type { Api } from '../release/api.ts'
import type { Deployment, Pod, ReplicaSet } from '../release/objects.ts'
import { releasesPath } from '../release/record.ts'
import { nextBreaker, parseBreaker, stuckPods } from './breaker.ts'
import type { Breaker, Evidence } from './breaker.ts'
import type { Told } from './events.ts'
import { createRelease } from './releases.ts'
import { askAgainMs, isAskedFor } from './restarts.ts'
import type { Restarts } from './restarts.ts'
import { nextPod, readReplicaSet, tryPod } from './trial.ts'

export interface BreakersOptions {
  api: Api
  /** Refuses to write while we do not lead. */
  writer: Pick<Api, 'request'>
  namespace: string
  /** The sidecar's. */
  image: string
  tell(told: Told): void
  restarts: Restarts
  now?(): Date
}

export interface Seen {
  deployment: Deployment
  /** Those that run or are going to. */
  pods: readonly Pod[]
  replicaSets: readonly ReplicaSet[]
  /** The breaker's annotation on the Release, as far as our copy knows. */
  text: string | undefined
  /** Of the Namespace. */
  defaults: Record<string, string>
}

export interface Breakers {
  /** Returns after how many milliseconds to look again, if nothing moves until then. Throws when something could not be written. */
  look(seen: Seen): Promise<number | undefined>
  /** As it is now: our copy of the Release, which says `text`, lags behind our own writes. */
  known(name: string, text: string | undefined): Breaker | undefined
}

const trialMs = 60_000
const leastMs = 1_000

export function createBreakers(options: BreakersOptions): Breakers {
  const { api, writer, namespace, image, tell, restarts, now = () => new Date() } = options
  const written = new Map<string, string | undefined>() // by name
  const tried = new Map<string, number>() // by name → when
  return { look, known }

  async function look(seen: Seen): Promise<number | undefined> {
    const { deployment, pods, replicaSets, text } = seen
    const { name } = deployment
    const last = known(name, text)
    const refusing = replicaSets.find(({ replicas, refusal }) => replicas > 0 && refusal !== '')
    const newest = replicaSets.find(({ revision }) => revision === deployment.revision)
    const doubted = refusing ?? (last?.cause === 'refused' ? newest : undefined)
    const trial = doubted && isDue(name) ? await tryNext(name, doubted) : undefined
    const next = nextBreaker(last, { pods, trial, image, now: now() })
    if (next !== last) {
      await write(deployment, next)
      report(seen, next)
    }
    if (doubted) return trialMs
    if (written.has(name)) return leastMs // other replicas have not heard of it either: they would make more pods that get stuck
    const answer = next?.cause === 'container' ? await freeStuck(seen) : undefined
    const retryMs = next ? Date.parse(next.retry) - now().getTime() : 0
    // From the retry on missed.ts has the pods that came without.
    const waitsMs = [(answer && askAgainMs(answer)) ?? 0, retryMs].filter(ms => ms > 0)
    return waitsMs.length > 0 ? Math.max(leastMs, Math.min(...waitsMs)) : undefined
  }

  function known(name: string, text: string | undefined): Breaker | undefined {
    if (written.has(name) && written.get(name) === text) written.delete(name)
    return parseBreaker(written.has(name) ? written.get(name) : text)
  }

  /** Pods that are stuck do not go by themselves, and hold up their rollout. */
  async function freeStuck({ deployment, pods, defaults }: Seen) {
    const isMeant = isAskedFor(deployment, defaults) && stuckPods(pods, image).length > 0
    return isMeant ? restarts.ask(deployment, 'stuck') : undefined
  }

  /** A Deployment that moves a lot is not tried at each of its moves. */
  function isDue(name: string): boolean {
    return now().getTime() - (tried.get(name) ?? -Infinity) >= trialMs
  }

  async function tryNext(name: string, { name: replicaSet }: ReplicaSet): Promise<Evidence['trial']> {
    tried.set(name, now().getTime())
    const raw = await readReplicaSet(api, namespace, replicaSet)
    const trial = raw && (await tryPod(api, namespace, nextPod(raw)))
    if (trial?.verdict === 'accepted') return 'accepted'
    return trial?.verdict === 'ours' ? { refused: trial.refused } : undefined
  }

  async function write(deployment: Deployment, breaker: Breaker | undefined): Promise<void> {
    const { name } = deployment
    const text = breaker && JSON.stringify(breaker)
    let response = await writer.request({
      method: 'PATCH',
      path: `${releasesPath(namespace)}/${name}`,
      body: { metadata: { annotations: { [annotation.breaker]: text ?? null } } },
      contentType: patchType.merge,
    })
    if (response.status === 404 && text !== undefined)
      response = await createRelease(writer, deployment, { [annotation.breaker]: text })
    if (response.status >= 300 && response.status !== 404)
      throw new Error(`the breaker was not written: ${refusal(response)}`)
    written.set(name, text)
  }

  /** At each trip anew: an Event goes after an hour, a pause lasts up to six. */
  function report({ deployment, pods }: Seen, next: Breaker | undefined): void {
    const { name, uid } = deployment
    const told = { namespace, deployment: { name, uid } }
    if (!next)
      return tell({
        ...told,
        type: 'Normal',
        reason: 'InjectionResumed',
        message: 'breaker: what kept pods with the sidecar from starting is gone: new ones get it again',
      })
    tell({
      ...told,
      type: 'Warning',
      reason: 'InjectionPaused',
      message:
        next.cause === 'refused'
          ? refusedText(next)
          : stuckText(next, stuckPods(pods, image).length, namespace, name),
    })
  }
}

function refusedText({ says }: Breaker): string {
  return (
    `breaker: with the sidecar the API server refuses the pods of this Deployment, without it not: ${says}. ` +
    'New pods come without it until that has changed'
  )
}

function stuckText({ says, image, retry }: Breaker, count: number, namespace: string, name: string): string {
  return (
    `breaker: the sidecar (${image}) keeps ${count === 1 ? 'a pod' : `${count} pods`} from starting: ${says}. New pods come without it, and one ` +
    `tries again from ${retry} on. Those that are stuck stay until somebody deletes them: kubectl -n ${namespace} rollout restart deployment/${name}`
  )
}
