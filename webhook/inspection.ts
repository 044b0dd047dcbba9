// What the console is told of injection: why pods of a Deployment come without the sidecar, and what passes those by that have it.
// decide.ts asks for more of a pod than our copies have, so the ReplicaSet that makes them is read: once, and only when the console asks.

import { annotation } from '../protocol/names.ts'
import { reason } from '../protocol/log.ts'
import type { Log } from '../protocol/log.ts'
import type { Api } from '../release/api.ts'
import type { Deployment, Pod, ReplicaSet } from '../release/objects.ts'
import type { Controller } from './controller.ts'
import { decide } from './decide.ts'
import type { Context } from './decide.ts'
import type { WatchedNamespace } from './namespace.ts'
import type { Raw } from '../release/raw.ts'
import { sayReasons, sayWarning } from './reasons.ts'
import { parseStatus } from './status.ts'
import type { Status } from './status.ts'
import { newestWarnings } from './surroundings.ts'
import { nextPod, readReplicaSet } from './trial.ts'

export interface InspectionOptions {
  api: Api
  log: Log
  controller: Pick<Controller, 'namespace' | 'around'>
  /** The sidecar's image: a breaker that was opened by another one does not count. */
  image: string
  /** More is known of this Deployment than at the last answer. */
  onKnown(namespace: string, deployment: string): void
}

export interface Inspection {
  statusOf(pod: Pod): Status | undefined
  /** Sentences with their codes in front. Empty, too, while it is being found out. */
  why(deployment: Deployment, pods: readonly Pod[], replicaSets: readonly ReplicaSet[]): string[]
}

interface Wish {
  namespace: string
  replicaSet: string
  /** Whose it is. */
  deployment: string
}

const maxParallel = 4
const maxKept = 1_000

export function createInspection({ api, log, controller, image, onKnown }: InspectionOptions): Inspection {
  /** By the ReplicaSet's uid: the pod that it makes; undefined where it is gone. The oldest go first. */
  const made = new Map<string, Raw | undefined>()
  const wanted = new Map<string, Wish>()
  let running = 0
  return { statusOf: ({ annotations }) => parseStatus(annotations[annotation.status]), why }

  function why(deployment: Deployment, pods: readonly Pod[], replicaSets: readonly ReplicaSet[]): string[] {
    const watched = controller.namespace(deployment.namespace)
    if (!watched) return []
    const living = pods.filter(({ terminating, finished }) => !terminating && !finished)
    const context = contextOf(deployment.namespace, watched)
    const warnings = newestWarnings(living, context).map(sayWarning)
    if (living.length > 0 && living.every(({ injected }) => injected)) return warnings
    const newest = replicaSets.find(({ revision }) => revision === deployment.revision)
    return newest ? [...bare(deployment, newest, living, context), ...warnings] : warnings
  }

  function bare(
    { namespace, name }: Deployment,
    newest: ReplicaSet,
    pods: readonly Pod[],
    context: Context,
  ): string[] {
    if (!made.has(newest.uid)) {
      wanted.set(newest.uid, { namespace, replicaSet: newest.name, deployment: name })
      read()
      return []
    }
    const pod = made.get(newest.uid)
    if (!pod) return []
    const decision = decide(pod, context)
    if ('skip' in decision) return sayReasons(decision.skip, decision.about)
    if (!pods.some(({ injected, controller }) => !injected && controller?.uid === newest.uid)) return []
    return [
      'missed: pods run without the sidecar: they were created before the namespace was labelled, or while the webhook did not answer: ' +
        `kubectl -n ${namespace} rollout restart deployment/${name} gives it to them`,
    ]
  }

  function contextOf(namespace: string, { copies, state, breaker }: WatchedNamespace): Context {
    return {
      ...controller.around(namespace),
      services: copies.services(),
      release: state,
      breaker(deployment) {
        const found = breaker(deployment)
        return found?.image === image ? found : undefined
      },
    }
  }

  function read(): void {
    for (const [uid, wish] of wanted) {
      if (running >= maxParallel) return
      wanted.delete(uid)
      running++
      void readOne(uid, wish)
    }
  }

  async function readOne(uid: string, { namespace, replicaSet, deployment }: Wish): Promise<void> {
    try {
      const raw = await readReplicaSet(api, namespace, replicaSet)
      for (const oldest of made.keys()) if (made.size >= maxKept) made.delete(oldest)
      made.set(uid, raw && nextPod(raw))
      onKnown(namespace, deployment)
    } catch (error) {
      log('replicaset not read', { namespace, name: replicaSet, reason: reason(error) })
    }
    running--
    read()
  }
}
