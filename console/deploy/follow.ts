// Reads what the cluster knows of one app's deployments: once, or for as long as somebody reads a log.

import { refusal } from '../../release/api.ts'
import type { Api, ApiRequest } from '../../release/api.ts'
import type { Log } from '../../protocol/log.ts'
import { watchResource } from '../../release/watch.ts'
import type { Watch, WatchOptions } from '../../release/watch.ts'
import { parseKubeEvent, parsePodFacts, parseRollout, parseSet } from './facts.ts'
import { list, object } from '../../release/raw.ts'
import { pagesOf } from '../../release/pages.ts'
import type { AppFacts } from './facts.ts'

export interface Follower {
  /** Resolves when everything was listed; false: there is no such Deployment. */
  synced: Promise<boolean>
  /** Undefined: the Deployment is gone. */
  facts(): AppFacts | undefined
  close(): Promise<void>
}

/** The Deployment and its ReplicaSets; undefined where it is not there. Throws where they may not be read. */
export async function readApp(
  api: Api,
  namespace: string,
  name: string,
): Promise<Pick<AppFacts, 'rollout' | 'sets'> | undefined> {
  const apps = `/apis/apps/v1/namespaces/${namespace}`
  const [raw] = await listAll(api, `${apps}/deployments`, { fieldSelector: `metadata.name=${name}` })
  const rollout = parseRollout(raw)
  if (!rollout) return undefined
  const sets = await listAll(api, `${apps}/replicasets`, { labelSelector: rollout.selector })
  return { rollout, sets: sets.flatMap(raw => parseSet(raw) ?? []) }
}

async function listAll(api: Api, path: string, query: Record<string, string>): Promise<unknown[]> {
  const all: unknown[] = []
  for await (const page of listPages(api, { path, query })) all.push(...page)
  return all
}

/** Yields the objects of each page. Throws where they may not be read. */
export async function* listPages(api: Api, request: ApiRequest): AsyncGenerator<unknown[], void> {
  for await (const response of pagesOf(api, request)) {
    if (response.status !== 200) throw new Error(`${request.path}: ${refusal(response)}`)
    yield list(object(response.body).items)
  }
}

/** Calls `onMoved` whenever something of it has changed. */
export function followApp(
  { api, log }: { api: Api; log: Log },
  namespace: string,
  name: string,
  onMoved: () => void,
): Follower {
  const apps = `/apis/apps/v1/namespaces/${namespace}`
  const core = `/api/v1/namespaces/${namespace}`
  let refuse!: () => void
  const refused = new Promise<void>(resolve => (refuse = resolve)) // a log without Events says what the objects say
  const rollouts = watch(`${apps}/deployments`, parseRollout, { fieldSelector: `metadata.name=${name}` })
  const events = watch(
    `${core}/events`,
    raw => {
      const event = parseKubeEvent(raw)
      return event?.name === name || event?.name.startsWith(`${name}-`) ? event : undefined
    },
    { onTrouble: trouble => trouble && refuse() },
  )
  const watches: Watch<unknown>[] = [rollouts]
  let sets: Watch<NonNullable<ReturnType<typeof parseSet>>> | undefined
  let pods: Watch<NonNullable<ReturnType<typeof parsePodFacts>>> | undefined
  let isClosed = false
  const synced = sync()
  synced.catch(() => {}) // closed before
  return { synced, facts, close }

  async function sync(): Promise<boolean> {
    await rollouts.synced
    const [rollout] = rollouts.objects.values()
    if (!rollout || isClosed) return false
    const labelSelector = rollout.selector
    sets = watch(`${apps}/replicasets`, parseSet, { labelSelector })
    pods = watch(`${core}/pods`, parsePodFacts, { labelSelector })
    watches.push(sets, pods)
    await Promise.all(watches.map(({ synced }) => synced))
    await Promise.race([events.synced, refused])
    return true
  }

  function watch<T>(
    path: string,
    parse: (raw: unknown) => T | undefined,
    more: Pick<WatchOptions<T>, 'labelSelector' | 'fieldSelector' | 'onTrouble'>,
  ): Watch<T> {
    return watchResource({ api, log, path, parse, onChange: onMoved, ...more })
  }

  function facts(): AppFacts | undefined {
    const [rollout] = rollouts.objects.values()
    if (!rollout || !sets || !pods) return undefined
    return {
      rollout,
      sets: [...sets.objects.values()],
      pods: [...pods.objects.values()],
      events: [...events.objects.values()],
    }
  }

  async function close(): Promise<void> {
    isClosed = true
    await Promise.all([...watches, events].map(watch => watch.close()))
  }
}
