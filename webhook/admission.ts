// One question of the API server: AdmissionReview in, AdmissionReview out. Whatever goes wrong on our side, the pod is admitted
// unchanged: a page that is not told of new versions is better than a pod that does not start.

import { annotation } from '../protocol/names.ts'
import { reason } from '../protocol/log.ts'
import type { Fields, Log } from '../protocol/log.ts'
import { isObject, isString } from '../protocol/release.ts'
import type { Settings } from './container.ts'
import { decide } from './decide.ts'
import type { Context, Decision } from './decide.ts'
import { inject } from './inject.ts'
import type { Metrics, Result, ResultReason } from './metrics.ts'
import { flawOf, formatPatch } from './patch.ts'
import type { Operation } from './patch.ts'
import { deploymentOf, parseNewPod } from './pod.ts'
import type { Raw } from '../release/raw.ts'

const apiVersion = 'admission.k8s.io/v1'

/** What we use of a request. */
export interface Review {
  uid: string
  namespace: string
  dryRun: boolean
  pod: Raw
}

export interface ReviewAnswer {
  apiVersion: typeof apiVersion
  kind: 'AdmissionReview'
  response: {
    uid: string
    allowed: true
    patchType?: 'JSONPatch'
    /** Base64. */
    patch?: string
    auditAnnotations: Record<string, string>
  }
}

/** What became of a pod, for an Event on its Deployment. `failure` says what went wrong on our side. */
export type Outcome = { namespace: string } & (Decision | Failure)
type Failure = { failure: string; deployment: string | undefined }

export interface AdmissionOptions {
  settings: Settings
  /** Looks up what must be known of a namespace. May fail. */
  context: (namespace: string, asked: { isDryRun: boolean; isTrial: boolean }) => Promise<Context>
  /** How long that may take: much less than the 3 s that the API server gives us. */
  contextMs?: number
  metrics: Metrics
  log: Log
  /** Told of each pod that is really created, but not of dry runs. */
  onOutcome?: (outcome: Outcome) => void
}

/** Takes the JSON of a body; returns the request, or a sentence that says what is wrong with it. */
export function parseReview(data: unknown): { review: Review } | { error: string } {
  if (!isObject(data) || data.kind !== 'AdmissionReview') return { error: 'this is not an AdmissionReview' }
  if (data.apiVersion !== apiVersion) return { error: `the apiVersion must be ${apiVersion}` }
  const { request } = data
  if (!isObject(request)) return { error: 'the AdmissionReview has no request' }
  const { uid, namespace, dryRun, object } = request
  if (!isString(uid) || uid === '') return { error: 'the request has no uid' }
  if (!isString(namespace) || namespace === '') return { error: 'the request has no namespace' }
  if (!isObject(object)) return { error: 'the request has no object' }
  return { review: { uid, namespace, dryRun: dryRun === true, pod: object } }
}

/** Returns the function that answers reviews. It does not throw, and always allows. */
export function createAdmission(options: AdmissionOptions): (review: Review) => Promise<ReviewAnswer> {
  return async review => {
    const start = performance.now()
    const answer = await admit(review, options)
    if (!review.dryRun) {
      const seconds = (performance.now() - start) / 1000
      report(answer, seconds, review, options)
    }
    return reviewAnswer(review.uid, answer)
  }
}

interface Admitted {
  result: Result
  reason: ResultReason
  patch: Operation[]
  outcome: Decision | Failure
}

async function admit({ namespace, pod, dryRun }: Review, options: AdmissionOptions): Promise<Admitted> {
  const { settings, context, contextMs = 1000 } = options
  let known: Context
  try {
    known = await within(contextMs, context(namespace, { isDryRun: dryRun, isTrial: dryRun && isTrial(pod) }))
  } catch (error) {
    return failed('context', error, pod)
  }
  try {
    const outcome = decide(pod, known)
    if ('skip' in outcome) return { result: 'skipped', reason: outcome.skip[0] ?? '', patch: [], outcome }
    const patch = inject(pod, outcome.inject, settings)
    const flaw = flawOf(patch, pod)
    if (flaw !== undefined) throw new Error(`the patch does not apply: ${flaw}`)
    return { result: patch.length > 0 ? 'injected' : 'unchanged', reason: '', patch, outcome }
  } catch (error) {
    return failed('internal', error, pod)
  }
}

function isTrial({ metadata }: Raw): boolean {
  const { annotations } = isObject(metadata) ? metadata : {}
  return isObject(annotations) && annotations[annotation.trial] === 'true'
}

function failed(why: 'context' | 'internal', error: unknown, pod: Raw): Admitted {
  const parsed = parseNewPod(pod)
  const deployment = parsed && deploymentOf(parsed)
  return { result: 'failed', reason: why, patch: [], outcome: { failure: reason(error), deployment } }
}

function report(answer: Admitted, seconds: number, { namespace }: Review, options: AdmissionOptions): void {
  const { metrics, log, onOutcome } = options
  const { result, reason: why, outcome } = answer
  metrics.admitted(result, why, seconds)
  log(`pod ${result}`, { namespace, ...fieldsOf(outcome), ms: Math.round(seconds * 1000) })
  try {
    onOutcome?.({ namespace, ...outcome })
  } catch (error) {
    log('outcome not told', { namespace, reason: reason(error) })
  }
}

function fieldsOf(outcome: Admitted['outcome']): Fields {
  const { deployment } = outcome
  if ('failure' in outcome) return { deployment, reason: outcome.failure }
  const warnings = outcome.warnings.map(({ code, subject }) => `${code} ${subject}`).join(', ') || undefined
  if ('skip' in outcome)
    return { deployment, reason: outcome.skip.join(', '), about: outcome.about, warnings }
  const { app, capture, front } = outcome.inject
  return { deployment, container: app.container, port: app.port, capture, front, warnings }
}

function reviewAnswer(uid: string, { result, reason, patch }: Admitted): ReviewAnswer {
  return {
    apiVersion,
    kind: 'AdmissionReview',
    response: {
      uid,
      allowed: true,
      ...(patch.length > 0 && {
        patchType: 'JSONPatch',
        patch: Buffer.from(formatPatch(patch)).toString('base64'),
      }),
      auditAnnotations: { result, ...(reason !== '' && { reason }) },
    },
  }
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
