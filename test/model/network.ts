// What lies between the cluster and a tab: the controller, the feed, the front, and caches on the way.
// Which state a sidecar holds matters only when a tab asks it, so it is chosen then: any that the feed may have brought by now,
// in any order. That is lag, loss, reordering and repetition in one.

import { pageOfAnswer } from '../../client/identity.ts'
import type { Page } from '../../client/identity.ts'
import type { HeardState } from '../../protocol/message.ts'
import type { ReleaseState } from '../../protocol/release.ts'
import type { World } from '../../release/next.ts'
import { parseRecord, toStatus } from '../../release/record.ts'
import type { ReleaseRecord } from '../../release/record.ts'
import { parseAnswer } from '../../sidecar/front/answer.ts'
import { kindOf } from '../../sidecar/front/kind.ts'
import { parseRequest } from '../../sidecar/front/request.ts'
import type { Bytes, PodFacts, Snapshot } from './cluster.ts'
import { pageTag } from '../../sidecar/identity.ts'
import type { Rules } from './rules.ts'
import { numberOf, same } from './same.ts'

/** A state that the controller has recorded, and which rollout was under way then: the number of its first snapshot. */
export interface Told {
  state: ReleaseState
  at: number
}

/** By Deployment: the last record, and all states that pods may have been told, in order. */
export interface Controller {
  records: Record<string, ReleaseRecord>
  told: Record<string, Told[]>
}

/** A document as a browser has it. */
export interface Answer {
  bytes: Bytes
  page: Page | null
  etag: string
}

export type Network = ReturnType<typeof createNetwork>

export function createNetwork(rules: Rules, snapshots: readonly Snapshot[], mode: 'plain' | 'etag') {
  const messages = new Map<string, HeardState>()
  const answers = new Map<string, Answer>()
  const held = new Map<string, readonly (Told | undefined)[]>()
  return { reconcile, holdings, message, answer }

  /**
   * The controller looks at a snapshot. Its caches need not be of one age: `late` is the kind that is behind, `seen` how far that one is.
   * Between two looks it may have been down, so a record goes by way of the Release.
   */
  function reconcile(last: Controller, at: number, late: Late | undefined, seen: number): Controller {
    const { objects } = snapshots[at]!
    const view = late ? { ...objects, [late]: snapshots[seen]!.objects[late] } : objects
    const next: Controller = { records: {}, told: { ...last.told } }
    for (const deployment of view.deployments) {
      const { name } = deployment
      const known = last.records[name]
      const world: World = {
        deployment,
        replicaSets: view.replicaSets.filter(({ controller }) => controller?.uid === deployment.uid),
        pods: view.pods,
        services: view.services,
        others: Object.entries(last.records).flatMap(([other, record]) => (other === name ? [] : record)),
      }
      const record = rules.nextRelease(known, world, new Date(0))
      if (!record) continue
      next.records[name] = record === known ? record : same(parseRecord(toStatus(record)) ?? record)
      const state = same(record.state)
      const told = last.told[name] ?? []
      const before = told.at(-1)
      if (before?.state === state) continue
      const isSame = before?.state.revision === state.revision && before.state.phase === state.phase
      const begun = late && isSame ? before.at : snapshots[late ? seen : at]!.begun
      next.told[name] = [...told, same({ state, at: begun })]
    }
    return same(next)
  }

  /**
   * What a pod's sidecar may hold: nothing, or what its feed has made of the states told since just before it was made (admission stamps
   * the last one). `settled`: it has been brought all of them.
   */
  function holdings(pod: PodFacts, told: Told[] | undefined, settled = false): readonly (Told | undefined)[] {
    if (!told) return nothing
    const key = `${pod.begun} ${numberOf(told)} ${settled}`
    const made = held.get(key) ?? bring(pod, told, settled)
    held.set(key, made)
    return made
  }

  function bring({ begun }: PodFacts, told: Told[], settled: boolean): (Told | undefined)[] {
    const first = told.findLastIndex(({ at }) => at < begun)
    const range = told.slice(Math.max(first, 0))
    if (settled) return [...new Set(range.map(again => keep([...range, again])))]
    return [undefined, ...new Set(range.flatMap(last => range.map(again => keep([last, again]))))]
  }

  function keep(brought: readonly Told[]): Told | undefined {
    const [any] = brought
    if (!any) return undefined
    const current = rules.createCurrent(any.state.name, () => {})
    for (const { state } of brought) current.offer(state)
    const state = current.state()
    return brought.find(told => told.state === state)
  }

  function message({ state }: Told, pod: PodFacts): HeardState {
    const key = `${pod.name} ${numberOf(state)}`
    const made = messages.get(key) ?? same(rules.tell(state, pod))
    messages.set(key, made)
    return made
  }

  /** What the pod answers to a request for the document, through the front; `stored` is the browser's copy, which it asks to have confirmed. */
  function answer(pod: PodFacts, held: Told | undefined, stored: Answer | undefined): Answer {
    const key = `${pod.name} ${numberOf(held?.state)} ${numberOf(stored)}`
    const made = answers.get(key) ?? same(ask(pod, held?.state, stored))
    answers.set(key, made)
    return made
  }

  function ask(pod: PodFacts, state: ReleaseState | undefined, stored: Answer | undefined): Answer {
    const condition = stored ? `If-None-Match: ${stored.etag}\r\n` : ''
    const request = parseRequest(
      Buffer.from(`GET / HTTP/1.1\r\nHost: shop.example\r\nAccept: text/html\r\n${condition}\r\n`),
    )
    if ('why' in request) throw new Error(`the front refused the request: ${request.why}`)
    const tag = mode === 'plain' ? undefined : pageTag(pod.deployment, pod.hash, state)
    const isDocument = kindOf(request) === 'document'
    const forwarded = rules.editRequest(request, {
      isDocument,
      page: mode,
      tag,
      peer: undefined,
    })
    const isConfirmed = (forwarded ?? request.bytes).includes(`If-None-Match: ${appEtag}`)
    const head = isConfirmed
      ? `304 Not Modified\r\n`
      : `200 OK\r\nContent-Type: text/html\r\nContent-Length: 612\r\n`
    const bytes = Buffer.from(`HTTP/1.1 ${head}ETag: ${appEtag}\r\n\r\n`)
    const parsed = parseAnswer(bytes, 'GET')
    if (!parsed) throw new Error('the front did not take the answer')
    const serverTiming = () => rules.pageIdentity(pod.deployment, pod.hash, state)
    const edits = {
      serverTiming,
      revalidate: 'add',
      missing: undefined,
      tag,
      isLast: false,
    } as const
    const edited = (rules.editAnswer(parsed, edits) ?? bytes).toString()
    const [, timing] = /^Server-Timing: (.*)\r$/m.exec(edited) ?? []
    const [, etag = ''] = /^ETag: (.*)\r$/m.exec(edited) ?? []
    const page = pageOfAnswer({
      ok: true,
      headers: new Headers(timing ? { 'server-timing': timing } : {}),
    })
    // A browser keeps the stored bytes, and takes over the fields of the 304 (RFC 9111 §3.2).
    return isConfirmed && stored
      ? { bytes: stored.bytes, page: page ?? stored.page, etag }
      : { bytes: pod.bytes, page, etag }
  }
}

/** nginx has it from a file's size and time, so all versions may have the same one. */
const appEtag = '"5f3c-264"'

const nothing = [undefined]

export type Late = 'deployments' | 'replicaSets' | 'pods'
