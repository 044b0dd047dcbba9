// The policies of all namespaces: a client's own policy, in its own namespace, may keep it from the front. Which kinds there are besides
// Kubernetes' own is asked of the API server (discovery), at first and every ten minutes.

import { reason } from '../protocol/log.ts'
import type { Log } from '../protocol/log.ts'
import { isObject, isString } from '../protocol/release.ts'
import type { Api } from '../release/api.ts'
import { refusal } from '../release/api.ts'
import { watchResource } from '../release/watch.ts'
import type { Watch } from '../release/watch.ts'
import { list } from '../release/raw.ts'
import type { Raw } from '../release/raw.ts'
import { otherKinds, parseNetworkPolicy, parseOtherPolicy } from './policy.ts'
import type { NetworkPolicy, OtherPolicy, Policy } from './policy.ts'

export const networkPoliciesPath = '/apis/networking.k8s.io/v1/networkpolicies'

export interface Policies {
  /** Resolves when every kind has been listed, or has refused to be. */
  synced: Promise<void>
  all(): Policy[]
  close(): Promise<void>
}

export interface PoliciesOptions {
  api: Api
  log: Log
  /** One has changed; '' when it may concern any namespace, else the only one that it concerns. */
  onMoved(namespace: string): void
  discoverMs?: number
}

export function watchPolicies({ api, log, onMoved, discoverMs = 600_000 }: PoliciesOptions): Policies {
  const network = watchResource<NetworkPolicy>({
    api,
    log,
    path: networkPoliciesPath,
    parse: parseNetworkPolicy,
    onChange: ({ object }) => onMoved(object.egress ? '' : object.namespace),
  })
  const others = new Map<string, Watch<OtherPolicy>>()
  const timer = setInterval(() => void discover(), discoverMs)
  let closed = false
  const synced = listed()
  synced.catch(() => {}) // closed before: nobody has to hear
  return { synced, all, close }

  async function listed(): Promise<void> {
    await Promise.all([network.synced, discover()])
  }

  function all(): Policy[] {
    return [network, ...others.values()].flatMap<Policy>(({ objects }) => [...objects.values()])
  }

  async function close(): Promise<void> {
    closed = true
    clearInterval(timer)
    await Promise.all([network, ...others.values()].map(watch => watch.close()))
  }

  /** What cannot be found out counts as not there, and is looked for again. */
  async function discover(): Promise<void> {
    try {
      const found = await discoverPolicies(path => read(api, path))
      if (closed) return
      for (const [path, watch] of others)
        if (!found.has(path)) {
          others.delete(path)
          await watch.close()
        }
      await Promise.all([...found].map(async ([path, kind]) => others.has(path) || watchKind(path, kind)))
    } catch (error) {
      if (!closed) log('kinds of policies not found out', { reason: reason(error) })
    }
  }

  /** Resolves when it has been listed, or was refused once: RBAC may be older than this program. */
  function watchKind(path: string, kind: string): Promise<void> {
    return new Promise(resolve => {
      const watch = watchResource({
        api,
        log,
        path,
        parse: raw => parseOtherPolicy(kind, raw),
        onChange: ({ object }) => onMoved(object.namespace),
        onTrouble: () => resolve(),
      })
      others.set(path, watch)
      watch.synced.then(resolve, resolve)
    })
  }
}

/** The collections of {@link otherKinds} that this API server has: path → kind. `read` gives undefined for what is not there; what it throws is thrown. */
export async function discoverPolicies(
  read: (path: string) => Promise<Raw | undefined>,
): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (const { name, versions } of list((await read('/apis'))?.groups)) {
    const wanted = new Set(isString(name) ? otherKinds[name] : [])
    // The preferred one comes first, and need not have all kinds.
    for (const { groupVersion } of list(versions)) {
      if (wanted.size === 0) break
      const path = `/apis/${String(groupVersion)}`
      for (const resource of list((await read(path))?.resources))
        if (wanted.delete(String(resource.name)))
          found.set(`${path}/${String(resource.name)}`, `${String(resource.kind)}.${String(name)}`)
    }
  }
  return found
}

async function read(api: Api, path: string): Promise<Raw | undefined> {
  const response = await api.request({ path })
  if (response.status === 404) return undefined
  if (response.status !== 200 || !isObject(response.body)) throw new Error(refusal(response))
  return response.body
}
