// What became of a pod at admission, told on its Deployment: only what somebody may want to mend.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Outcome } from './admission.ts'
import type { Controller } from './controller.ts'
import type { Told } from './events.ts'
import { sayReasons, sayWarning } from './reasons.ts'
import type { Reason, Warning } from './reasons.ts'

/** A worker without a Service, or a pod that was opted out, is as its people want it: no Event. */
const worthTelling: ReadonlySet<Reason> = new Set<Reason>([
  'already-injected',
  'host-port',
  'no-free-port',
  'numeric-policy',
  'numeric-target',
  'pod-security',
  'other-policy',
  'port-not-found',
  'port-without-name',
  'windows',
])

export function isWorthTelling(code: Reason): boolean {
  return worthTelling.has(code)
}

const lagMs = 1_000 // the Deployment is there before its pods are, but perhaps not yet in our copy

/** Returns what to do with each outcome. It never rejects. */
export function tellOutcome(
  controller: Controller,
  tell: (told: Told) => void,
): (outcome: Outcome) => Promise<void> {
  return async outcome => {
    const messages = messagesOf(outcome)
    if (messages.length === 0 || outcome.deployment === undefined) return
    const { namespace, deployment } = outcome
    if (!controller.namespace(namespace)?.deployment(deployment)) await sleep(lagMs)
    const found = controller.namespace(namespace)?.deployment(deployment)
    if (!found) return
    const { name, uid } = found
    for (const message of messages)
      tell({ namespace, deployment: { name, uid }, type: 'Warning', ...message })
  }
}

function messagesOf(outcome: Outcome): Pick<Told, 'reason' | 'message'>[] {
  if ('failure' in outcome)
    return [
      { reason: 'InjectionFailed', message: `failed: the pod was admitted unchanged: ${outcome.failure}` },
    ]
  const skipped = 'skip' in outcome ? sayReasons(outcome.skip.filter(isWorthTelling), outcome.about) : []
  return [
    ...skipped.map(message => ({ reason: 'InjectionSkipped', message })),
    ...outcome.warnings.map(messageOf),
  ]
}

export function messageOf(warning: Warning): Pick<Told, 'reason' | 'message'> {
  return { reason: 'InjectionWarning', message: sayWarning(warning) }
}
