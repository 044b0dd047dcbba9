// Tells the pods of one namespace. A policy engine may refuse whatever changes a pod that it would not admit today: such a pod is tried again later and
// later, a newer state at once. It is counted, and told on its Deployment: once an hour, until all of its pods are told.

import { annotation, containerName } from '../protocol/names.ts'
import { formatReleaseState } from '../protocol/release.ts'
import type { ReleaseState } from '../protocol/release.ts'
import type { Log } from '../protocol/log.ts'
import type { Deployment, Pod } from '../release/objects.ts'
import type { Told } from './events.ts'
import type { Pace } from './pace.ts'
import { createRepeats } from './repeats.ts'
import { stamp, unstamped } from './stamp.ts'
import type { Unwritten } from './stamp.ts'

export interface StampsOptions {
  namespace: string
  pace: Pace
  tell(told: Told): void
  log: Log
  now(): Date
}

interface Seen {
  deployment: Deployment
  state: ReleaseState
  pods: readonly Pod[]
}

export interface Stamps {
  /** Returns after how many milliseconds to look again, if nothing moves until then. */
  look(seen: Seen): Promise<number | undefined>
  forget(name: string): void
  /** Pods that were refused, and are not told yet. */
  count(): number
}

const firstMs = 5_000
/** A policy says the same until somebody changes it. An API server, or a webhook that it has to ask, is back by itself, and tabs wait for it. */
const maxMs = { lasting: 5 * 60_000, passing: 15_000 }
const toldMs = 60 * 60_000 // an Event goes after an hour

/** Of one pod. */
interface Refusal {
  serial: number
  waitMs: number
  /** In milliseconds since 1970. */
  due: number
}

interface Heeded {
  deployment: Deployment
  serial: number
  /** Refused before, and not tried now. By uid. */
  waiting: ReadonlyMap<string, Refusal>
}

interface Case {
  /** By the pods' uids. */
  refusals: Map<string, Refusal>
  told: { isPassing: boolean; at: number } | undefined
}

export function createStamps({ namespace, pace, tell, log, now }: StampsOptions): Stamps {
  /** By Deployment, while a pod of it was refused. */
  const cases = new Map<string, Case>()
  const repeats = createRepeats({ pace, now })
  return {
    look,
    forget(name) {
      cases.delete(name)
      repeats.forget(name)
    },
    count: () => [...cases.values()].reduce((sum, { refusals }) => sum + refusals.size, 0),
  }

  async function look(seen: Seen): Promise<number | undefined> {
    const { deployment, state, pods } = seen
    const waits = [await write(seen), await repeats.look(deployment.name, state, pods)]
    const least = Math.min(...waits.map(ms => ms ?? Infinity))
    return least === Infinity ? undefined : least
  }

  /** Returns after how many milliseconds the next one that was refused is tried again. */
  async function write({ deployment, state, pods }: Seen): Promise<number | undefined> {
    const { name } = deployment
    const { serial } = state
    const last = cases.get(name)
    const late = unstamped(state, pods)
    const waiting = new Map<string, Refusal>()
    for (const { uid } of late) {
      const refusal = last?.refusals.get(uid)
      if (refusal?.serial === serial && refusal.due > now().getTime()) waiting.set(uid, refusal)
    }
    const due = late.filter(({ uid }) => !waiting.has(uid))
    const { written, refused, error } = await stamp(pace.of(due.length), formatReleaseState(state), due)
    if (written.length > 0) log('pods told', { namespace, name, serial, pods: written.length })
    repeats.wrote(name, state, written)
    const waitMs = heed(refused, { deployment, serial, waiting })
    if (error !== undefined) throw error
    return waitMs
  }

  /** Takes who was refused just now, and who still waits for the next time. Returns after how many milliseconds that is. */
  function heed(refused: readonly Unwritten[], { deployment, serial, waiting }: Heeded): number | undefined {
    const { name } = deployment
    const last = cases.get(name)
    const [first] = refused
    if (first) log('pod not told', { namespace, name, reason: first.says, pods: refused.length })
    const refusals = new Map(waiting)
    for (const one of refused)
      refusals.set(one.pod.uid, refusalAfter(last?.refusals.get(one.pod.uid), serial, one))
    if (refusals.size === 0) {
      cases.delete(name)
      return undefined
    }
    const at = now().getTime()
    // Once may be a moment's trouble.
    const isWorthTelling = first && refusals.get(first.pod.uid)?.waitMs !== firstMs
    const isTold = first && last?.told?.isPassing === isPassing(first) && at - last.told.at < toldMs
    if (isWorthTelling && !isTold) {
      warn(deployment, refusals.size, first)
      cases.set(name, { refusals, told: { isPassing: isPassing(first), at } })
    } else cases.set(name, { refusals, told: last?.told })
    return Math.min(...[...refusals.values()].map(({ due }) => due)) - at
  }

  function refusalAfter(last: Refusal | undefined, serial: number, unwritten: Unwritten): Refusal {
    const mostMs = maxMs[isPassing(unwritten) ? 'passing' : 'lasting']
    const waitMs = last?.serial === serial ? Math.min(mostMs, last.waitMs * 2) : firstMs
    return { serial, waitMs, due: now().getTime() + waitMs }
  }

  function warn({ name, uid }: Deployment, count: number, unwritten: Unwritten): void {
    const pods = count === 1 ? 'a pod' : `${count} pods`
    tell({
      namespace,
      deployment: { name, uid },
      type: 'Warning',
      reason: 'ReleaseRefused',
      message: isPassing(unwritten) ? passingText(pods, unwritten) : lastingText(pods, unwritten),
    })
  }
}

/** The API server has too much to do, or fails; or a webhook does that it may not do without. */
function isPassing({ status }: Unwritten): boolean {
  return status === 429 || status >= 500
}

function passingText(pods: string, { says }: Unwritten): string {
  return (
    `untold: the release state could not be written on ${pods}, whose tabs are not told of other versions until it is: ${says}. ` +
    `It is tried again every ${maxMs.passing / 1_000} s`
  )
}

function lastingText(pods: string, { says }: Unwritten): string {
  return (
    `untold: the API server refuses to have the release state written on ${pods}, whose tabs are not told of other versions: ${says}. ` +
    `What refuses has to let ${containerName} change the annotation ${annotation.release} of pods; it is tried again after a while`
  )
}
