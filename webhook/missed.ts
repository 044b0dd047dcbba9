// Pods that should have the sidecar and do not: created before the namespace was labelled or the Service was there, while the webhook did not answer, or
// while a breaker was open whose time has passed. failurePolicy Ignore lets them in silently; here they are counted, told on their Deployment, and, where
// its people asked for it, replaced. Those that could not have it now either are told why: at admission nobody may have been able to, without the label
// or the Service.

import type { Api } from '../release/api.ts'
import type { Deployment, Pod, ReplicaSet } from '../release/objects.ts'
import { isHalfOpen } from './breaker.ts'
import type { Breaker } from './breaker.ts'
import { decide } from './decide.ts'
import type { Context } from './decide.ts'
import type { Told } from './events.ts'
import type { Raw } from '../release/raw.ts'
import { sayReasons } from './reasons.ts'
import { askAgainMs, isAskedFor } from './restarts.ts'
import type { Restarts } from './restarts.ts'
import { isWorthTelling } from './tell.ts'
import { nextPod, readReplicaSet, tryPod } from './trial.ts'
import type { Trial } from './trial.ts'

export interface MissedPodsOptions {
  api: Api
  namespace: string
  tell(told: Told): void
  restarts: Restarts
  now(): Date
}

export interface MissedPods {
  /** Returns after how many milliseconds to look again, if nothing moves until then. */
  look(seen: {
    deployment: Deployment
    pods: readonly Pod[]
    replicaSets: readonly ReplicaSet[]
    context: Context
  }): Promise<number | undefined>
  /** The Deployment is gone, or not ours to look after any more. */
  forget(name: string): void
  count(): number
}

const trialMs = 60_000
/** The API server may hear of a namespace's label later than we do: who was not asked about one pod is asked about another before that is told. */
const unaskedMs = [5_000, trialMs] as const

/** Kept only while the Deployment has pods without the sidecar. */
interface Case {
  /** The newest ReplicaSet's. */
  uid: string
  /** What it makes; undefined when it was gone before it could be read. */
  pod: Raw | undefined
  /** Last. */
  told: string
  /** In how many trials we were not asked, and when the next is due, in milliseconds since 1970. */
  unasked: number
  due: number
}

export function createMissedPods({ api, namespace, tell, restarts, now }: MissedPodsOptions): MissedPods {
  const counts = new Map<string, number>()
  /** By Deployment. */
  const cases = new Map<string, Case>()
  return { look, forget, count: () => [...counts.values()].reduce((sum, count) => sum + count, 0) }

  function forget(name: string): void {
    counts.delete(name)
    cases.delete(name)
  }

  async function look({ deployment, pods, replicaSets, context }: Parameters<MissedPods['look']>[0]) {
    const { name, revision } = deployment
    const newest = replicaSets.find(replicaSet => replicaSet.revision === revision)
    // Those of older ReplicaSets are about to go.
    const bare = pods.filter(
      ({ injected, terminating, controller }) => !injected && !terminating && controller?.uid === newest?.uid,
    )
    if (!newest || bare.length === 0) {
      forget(name)
      return undefined
    }
    const found = await caseOf(name, newest)
    const breaker = context.breaker?.(name)
    const isOver = breaker !== undefined && isHalfOpen(breaker, now().getTime()) && !pods.some(isTried)
    const decision =
      found.pod && decide(found.pod, isOver ? { ...context, breaker: () => undefined } : context)
    if (!decision || 'skip' in decision) {
      counts.delete(name)
      const why = decision ? sayReasons(decision.skip.filter(isWorthTelling), decision.about) : []
      const before = found.told
      found.told = why.join('\n')
      // The same words as at admission, where it may have been told before: of one Event there is only one.
      if (found.told !== before) for (const message of why) warn(deployment, 'InjectionSkipped', message)
      return undefined
    }
    counts.set(name, bare.length)
    if (found.told !== 'missed') {
      const waitMs = found.due - now().getTime()
      if (waitMs > 0) return waitMs
      const trial = await tryPod(api, namespace, found.pod!)
      if ('refused' in trial) return refused(deployment, found, trial)
      if (trial.verdict === 'bare') return unasked(deployment, found)
      found.told = 'missed'
      report(deployment, !breaker && isAskedFor(deployment, context.annotations), breaker)
    }
    // No dry run shows that an image is not pulled: with `Recreate` the app would be down, again and again, until one is.
    return breaker ? undefined : restartIfAsked(deployment, context)
  }

  async function caseOf(name: string, { uid, name: replicaSet }: ReplicaSet) {
    const known = cases.get(name)
    if (known?.uid === uid) return known
    const raw = await readReplicaSet(api, namespace, replicaSet)
    const found = { uid, pod: raw && nextPod(raw), told: '', unasked: 0, due: 0 }
    cases.set(name, found)
    return found
  }

  function report(deployment: Deployment, isReplaced: boolean, breaker: Breaker | undefined): void {
    const restart = `kubectl -n ${namespace} rollout restart deployment/${deployment.name}`
    const [why, advice] = breaker
      ? [`it kept others from starting (${breaker.says}), and may start by now`, `${restart} tries one`]
      : [
          'they were created before the namespace was labelled or the Service was there, or while the webhook did not answer or a breaker was open',
          `${restart} gives it to them`,
        ]
    warn(
      deployment,
      'InjectionMissed',
      `missed: pods run without the sidecar: ${why}. ${isReplaced ? 'They are replaced' : advice}`,
    )
  }

  /** A restart would take pods away, and bring none. Returns after how many milliseconds to try again. */
  function refused(
    deployment: Deployment,
    found: Case,
    { verdict, refused }: Extract<Trial, { refused: string }>,
  ): number {
    const why =
      verdict === 'ours' ? 'with it the API server would refuse them' : 'the API server would refuse new ones'
    if (found.told !== verdict)
      warn(deployment, 'InjectionRefused', `missed: pods run without the sidecar, and ${why}: ${refused}`)
    found.told = verdict
    found.due = now().getTime() + trialMs
    return trialMs
  }

  /** A restart would change nothing. Returns after how many milliseconds to try again. */
  function unasked(deployment: Deployment, found: Case): number {
    const waitMs = unaskedMs[found.unasked === 0 ? 0 : 1]
    found.due = now().getTime() + waitMs
    found.unasked += 1
    if (found.unasked === 2)
      warn(
        deployment,
        'InjectionMissed',
        'missed: pods run without the sidecar, and so would new ones: the API server did not ask the webhook about one that was tried. Either it does ' +
          "not reach the webhook, or the webhook's configuration leaves out a label of the namespace: spa-reloader check",
      )
    return waitMs
  }

  async function restartIfAsked(
    deployment: Deployment,
    { annotations }: Context,
  ): Promise<number | undefined> {
    if (!isAskedFor(deployment, annotations)) return undefined
    const answer = await restarts.ask(deployment, 'missed')
    if (typeof answer === 'object')
      warn(
        deployment,
        'RestartRefused',
        `missed: its annotation asks for a restart, but we may not: ${answer.refused}. kubectl apply -f manifests/restart gives us the right`,
      )
    return askAgainMs(answer)
  }

  function warn({ name, uid }: Deployment, reason: string, message: string): void {
    tell({ namespace, deployment: { name, uid }, type: 'Warning', reason, message })
  }
}

/** Whether what becomes of it will say whether the sidecar starts. */
function isTried({ injected, terminating, ready }: Pod): boolean {
  return injected && !terminating && !ready
}
