// Restarts Deployments whose people asked for it by annotation: one at a time in the whole cluster, each at most once an hour, and once more where the sidecar
// keeps what we restarted from starting. Missed pods are not replaced while a rollout is under way. The right to do so is not among our usual ones:
// manifests/restart gives it.

import { annotation, option } from '../protocol/names.ts'
import type { Log } from '../protocol/log.ts'
import { patchType, refusal } from '../release/api.ts'
import type { Api } from '../release/api.ts'
import type { Deployment } from '../release/objects.ts'
import { isComplete } from '../release/rollout.ts'

/** Whether a Deployment's people asked for it, on its pod template or on the Namespace. */
export function isAskedFor({ template }: Deployment, defaults: Record<string, string>): boolean {
  return (template.annotations[option.restart] ?? defaults[option.restart]) === 'auto'
}

export interface Restarts {
  /** To be told of each Deployment that moved: the next one has its turn when the last one's rollout has ended. */
  seen(deployment: Deployment): void
  /**
   * To be called again and again, until there is no more reason to. `waits`: another one is restarted, a rollout is under way, or it is paused.
   * `lately`: it was restarted, and that did not help.
   */
  ask(deployment: Deployment, why: Why): Promise<Answer>
}

/** `stuck`: our container keeps its pods from starting. */
type Why = 'missed' | 'stuck'
type Answer = 'restarted' | 'waits' | 'lately' | { refused: string }

export interface RestartsOptions {
  /** Refuses to write while we do not lead. */
  writer: Pick<Api, 'request'>
  log: Log
  now?(): Date
}

/** Returns after how many milliseconds to ask again, if nothing moves until then: nothing does when we are given the right, or when the hour is over. */
export function askAgainMs(answer: Answer): number | undefined {
  if (answer === 'restarted') return undefined
  return answer === 'lately' ? 60_000 : 10_000
}

const againMs = 60 * 60_000
const patienceMs = 10 * 60_000 // a rollout that hangs must not hold up the others for ever

export function createRestarts({ writer, log, now = () => new Date() }: RestartsOptions): Restarts {
  let current: { uid: string; generation: number; since: number; why: Why } | undefined
  return { seen, ask }

  function seen(deployment: Deployment): void {
    if (current?.uid !== deployment.uid || deployment.generation <= current.generation) return
    // With `Recreate` no old pod is left long before it is known whether the new ones start. Where they do not, the next one's may not either.
    if (isComplete(deployment) || (deployment.deadlineExceeded && isSettled(deployment))) current = undefined
  }

  async function ask(deployment: Deployment, why: Why): Promise<Answer> {
    const { namespace, name, uid, template, paused } = deployment
    const ms = now().getTime()
    // What we began and the sidecar keeps from ending is taken back at once: with `Recreate` the app is down until then.
    const isTakenBack = why === 'stuck' && current?.uid === uid && current.why === 'missed'
    if (!isTakenBack && ms - Date.parse(template.annotations[annotation.restarted] ?? '') < againMs)
      return 'lately'
    if (paused) return 'waits' // nothing would be replaced, until its people resume it: kubectl refuses as well
    if (why === 'missed' && !isSettled(deployment)) return 'waits' // a stuck one never is
    if (current && current.uid !== uid && ms - current.since < patienceMs) return 'waits'
    const last = current
    let isRestarted = false
    current = { uid, generation: deployment.generation, since: ms, why }
    const time = now().toISOString()
    try {
      const response = await writer.request({
        method: 'PATCH',
        path: `/apis/apps/v1/namespaces/${namespace}/deployments/${name}`,
        body: { spec: { template: { metadata: { annotations: { [annotation.restarted]: time } } } } },
        contentType: patchType.merge,
      })
      isRestarted = response.status < 300
      if (!isRestarted) return { refused: refusal(response) }
    } finally {
      if (!isRestarted) current = last
    }
    log('restarted', { namespace, name, reason: why })
    return 'restarted'
  }
}

/** No rollout is under way, except one that cannot end. */
function isSettled({
  generation,
  observedGeneration,
  replicas,
  status,
  deadlineExceeded,
}: Deployment): boolean {
  if (observedGeneration < generation) return false
  const isReplaced = status.updatedReplicas === replicas && status.replicas === replicas
  return deadlineExceeded || isReplaced
}
