// Whether our container or our patch keeps a Deployment's pods from starting: pure rules. The breaker is kept on the Deployment's Release, so it is
// the same for all replicas and after a restart. While it is open new pods come without the sidecar; from `retry` on one may try again.

import { annotation, containerName } from '../protocol/names.ts'
import { isCount, isObject, isString } from '../protocol/release.ts'
import type { Pod } from '../release/objects.ts'

export interface Breaker {
  /** `container`: pods are there, but our container does not run. `refused`: the API server refuses pods because of what we add. */
  cause: 'container' | 'refused'
  /** What the kubelet or the API server says. */
  says: string
  /** The sidecar's image: with another one it is another matter. */
  image: string
  /** RFC 3339. */
  since: string
  retry: string
  /** How often in a row. */
  trips: number
}

export interface Evidence {
  /** The Deployment's living pods. */
  pods: readonly Pod[]
  /** Of a trial at the API server. Undefined: there was none, or it says nothing about us. */
  trial: { refused: string } | 'accepted' | undefined
  /** Of the sidecar, as it is injected now. */
  image: string
  now: Date
}

const firstPauseMs = 10 * 60_000
const maxPauseMs = 6 * 60 * 60_000

/** What the kubelet gives as the reason when a container cannot start by itself (pkg/kubelet/images, pkg/kubelet/kuberuntime). */
const faults = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'ErrImageNeverPull',
  'ImageInspectError',
  'InvalidImageName',
  'RegistryUnavailable',
  'SignatureValidationFailed',
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
  'PostStartHookError',
  'CrashLoopBackOff',
])

/** Returns the next one, undefined when it closes, the very same one when nothing changed. */
export function nextBreaker(last: Breaker | undefined, evidence: Evidence): Breaker | undefined {
  const { pods, trial, image, now } = evidence
  const present = last?.image === image ? last : undefined
  const stuck = stuckPods(pods, image)
  const [first] = stuck
  if (!present) {
    if (first) return open('container', first.fault, 1)
    return typeof trial === 'object' ? open('refused', trial.refused, 1) : undefined
  }
  const isOver = now.getTime() >= Date.parse(present.retry)
  if (first) return isOver ? open('container', first.fault, present.trips + 1) : present
  if (present.cause === 'refused') return trial === 'accepted' ? undefined : present
  if (typeof trial === 'object') return open('refused', trial.refused, present.trips)
  return pods.some(pod => hasStarted(pod, image, present.since)) ? undefined : present

  function open(cause: Breaker['cause'], says: string, trips: number): Breaker {
    const pauseMs = Math.min(maxPauseMs, firstPauseMs * 2 ** (trips - 1))
    return {
      cause,
      says,
      image,
      since: present?.since ?? now.toISOString(),
      retry: new Date(now.getTime() + pauseMs).toISOString(),
      trips,
    }
  }
}

/** What, since when, and when it is tried again. */
export function sayBreaker({ cause, says, since, retry }: Breaker): string {
  return `${says} since ${since}, ${cause === 'refused' ? 'a dry run asks each minute' : `one tries again from ${retry} on`}`
}

/** Its time has passed: one may try again. Of refusals a trial finds out, no pod has to. */
export function isHalfOpen({ cause, retry }: Breaker, now: number): boolean {
  return cause === 'container' && now >= Date.parse(retry)
}

/** Injected pods that our container alone keeps from starting. Where another one is at fault, too, the pod would not have started without us. */
export function stuckPods(pods: readonly Pod[], image: string): { pod: Pod; fault: string }[] {
  return pods.flatMap(pod => {
    if (!pod.injected || pod.terminating || pod.ready || imageOf(pod) !== image) return []
    const faulty = pod.containerStatuses.filter(({ waiting }) => faults.has(waiting))
    const [own] = faulty.filter(({ name }) => isOurs(name))
    return own && faulty.every(({ name }) => isOurs(name)) ? [{ pod, fault: own.waiting }] : []
  })
}

/** Whether a pod of another time, which has the sidecar, is ready. */
function hasStarted(pod: Pod, image: string, since: string): boolean {
  const own = pod.containerStatuses.find(({ name }) => name === containerName)
  const startedAt = Date.parse(own?.startedAt ?? '')
  return pod.injected && pod.ready && imageOf(pod) === image && startedAt > Date.parse(since)
}

/** As it was injected. In the spec another webhook may have turned it to a mirror, and a native sidecar is not there. */
function imageOf({ annotations, spec }: Pod): string | undefined {
  return (
    imageIn(annotations[annotation.status]) ??
    spec.containers.find(({ name }) => name === containerName)?.image
  )
}

function imageIn(status: string | undefined): string | undefined {
  const data = parseJson(status)
  return isObject(data) && isString(data.image) ? data.image : undefined
}

/** The container, or one that we put beside it. */
function isOurs(name: string): boolean {
  return name === containerName || name.startsWith(`${containerName}-`)
}

/** Takes the annotation's text; undefined when there is none or it is not one. */
export function parseBreaker(text: string | undefined): Breaker | undefined {
  const data = parseJson(text)
  if (!isObject(data)) return undefined
  const { cause, says, image, since, retry, trips } = data
  if ((cause !== 'container' && cause !== 'refused') || !isString(says) || !isString(image)) return undefined
  if (!isTime(since) || !isTime(retry) || !isCount(trips)) return undefined
  return { cause, says, image, since, retry, trips }
}

export type Gate = (key: string, breaker: Breaker | undefined, isDryRun: boolean) => boolean

/**
 * Returns what says whether a new pod of a Deployment (its key) is to be left alone. Once the breaker's time has passed one pod is let
 * through; what becomes of it closes the breaker or opens it anew. If it was deleted before, another one is ten minutes later.
 * Each replica lets one through, so at most two try.
 */
export function createGate(image: string, now: () => number = Date.now): Gate {
  const tried = new Map<string, number>() // key → when, in milliseconds since 1970
  return (key, breaker, isDryRun) => {
    if (!breaker || breaker.image !== image) {
      tried.delete(key)
      return false
    }
    if (!isHalfOpen(breaker, now()) || now() - (tried.get(key) ?? -Infinity) < firstPauseMs) return true
    if (!isDryRun) tried.set(key, now())
    return false
  }
}

function isTime(data: unknown): data is string {
  return isString(data) && !Number.isNaN(Date.parse(data))
}

function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined
  }
}
