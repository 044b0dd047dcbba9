// The release states of one namespace, worked out here and kept in memory: the original's way. Nobody else remembers them, so a process that
// has just started takes what it finds for what has long been known.

import { isDeepStrictEqual } from 'node:util'
import type { Log } from '../../protocol/log.ts'
import type { ReleaseState } from '../../protocol/release.ts'
import type { Api } from '../../release/api.ts'
import { copyNamespace } from '../../release/namespace.ts'
import { createQueue } from '../../release/queue.ts'
import type { ReleaseRecord } from '../../release/record.ts'
import { begin } from './begin.ts'

export interface FollowOptions {
  api: Api
  namespace: string
  /** How often everything is listed anew, in milliseconds; 0: only where a watch cannot go on. */
  relistMs: number
  /** Told of each state of each Deployment, in order. */
  tell(state: ReleaseState): void
  log: Log
  now?(): Date
}

export interface Followed {
  /** What is wrong, in one line: what is not listed yet, or is not watched. */
  trouble(): string | undefined
  /** Whether everything has been listed once. */
  isSynced(): boolean
  /** How often a watch began to fail, or failed in another way. */
  errors(): number
  close(): Promise<void>
}

const gatherMs = 20 // a rollout moves many objects at once; a person does not notice 20 ms

export function followNamespace(options: FollowOptions): Followed {
  const { api, namespace, relistMs, tell, log, now = () => new Date() } = options
  const records = new Map<string, ReleaseRecord>()
  const troubles = new Map<string, string>()
  let isSynced = false
  let errors = 0
  const queue = createQueue({ work: reconcile, gatherMs, log })
  const copies = copyNamespace({ api, namespace, relistMs, log, onMoved: queue.add, onTrouble })
  const recordOf = (name: string): ReleaseRecord | undefined => records.get(name)
  void copies.synced.then(
    () => (isSynced = true),
    () => {}, // closed before
  )
  return { trouble, isSynced: () => isSynced, errors: () => errors, close }

  async function close(): Promise<void> {
    await Promise.all([copies.close(), queue.close()])
  }

  function trouble(): string | undefined {
    const [first] = troubles
    if (first) return `${first[0]} are not watched: ${first[1]}`
    return isSynced ? undefined : `namespace ${namespace} is not listed yet`
  }

  function onTrouble(resource: string, why: string | undefined): void {
    if (why === undefined) return void troubles.delete(resource)
    troubles.set(resource, why)
    errors++
  }

  async function reconcile(name: string): Promise<void> {
    await copies.synced
    const deployment = copies.deployment(name)
    if (!deployment) return void records.delete(name)
    const last = records.get(name)
    const at = now()
    const again = copies.againMs(deployment, at)
    if (again !== undefined) queue.later(name, again)
    const next = copies.next(deployment, last, { recordOf, defaults: {}, now: at })
    if (!next || next === last) return
    const isFirst = last?.state.epoch !== next.state.epoch
    const record = isFirst ? begin(next, copies.podsOf(deployment), now().getTime()) : next
    records.set(name, record)
    const { state } = record
    if (isDeepStrictEqual(state, last?.state)) return
    tell(state)
    if (isDeepStrictEqual(state.known, last?.state.known)) return
    for (const other of copies.deployments()) queue.add(other.name) // those behind the same Services tell its tabs too
  }
}
