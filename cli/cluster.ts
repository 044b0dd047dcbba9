// The cluster as its user sees it: with the kubeconfig's credentials, and no more rights than they have.

import { createApi, refusal } from '../release/api.ts'
import type { Api, ApiRequest } from '../release/api.ts'
import { loadKubeConfig } from '../release/kubeconfig.ts'
import { pagesOf } from '../release/pages.ts'
import { isString } from '../protocol/release.ts'
import { list, object } from '../release/raw.ts'
import type { Raw } from '../release/raw.ts'
import { proxyOf } from './proxy.ts'

export interface Cluster {
  api: Api
  /** Of the command line, else of the kubeconfig's context, else `default`. */
  namespace: string
  /** One object; undefined when there is none. Throws {@link Refused}. */
  read(path: string): Promise<Raw | undefined>
  /** All objects of a collection. Throws {@link Refused}, also where the cluster has no such kind. */
  list(path: string, query?: ApiRequest['query']): Promise<Raw[]>
  close(): void
}

/** The API server said no: most often these credentials have not the right. */
export class Refused extends Error {
  override readonly name = 'Refused'
}

/** Throws when there is no kubeconfig, or when it has no such context. */
export function openCluster(wanted: { namespace: string | undefined; context: string | undefined }): Cluster {
  const load = () => {
    const config = loadKubeConfig()
    if (wanted.context !== undefined) config.setCurrentContext(wanted.context)
    const cluster = config.getCurrentCluster()
    if (cluster && !cluster.proxyUrl)
      Object.assign(cluster, { proxyUrl: proxyOf(cluster.server, process.env) })
    return config
  }
  const config = load()
  const context = config.getContextObject(config.getCurrentContext())
  if (!context) throw new Error(`the kubeconfig has no context ${config.getCurrentContext()}`)
  const api = createApi(load)
  return {
    api,
    namespace: wanted.namespace || context.namespace || 'default', // an empty one is none, as for kubectl
    read,
    list: readList,
    close: () => api.close(),
  }

  async function read(path: string): Promise<Raw | undefined> {
    const response = await api.request({ path })
    if (response.status === 404) return undefined
    if (response.status !== 200) throw new Refused(`GET ${path}: ${refusal(response)}`)
    return object(response.body)
  }

  async function readList(path: string, query: ApiRequest['query'] = {}): Promise<Raw[]> {
    const items: Raw[] = []
    for await (const response of pagesOf(api, { path, query })) {
      if (response.status !== 200) throw new Refused(`GET ${path}: ${refusal(response)}`)
      items.push(...list(object(response.body).items))
    }
    return items
  }
}

/** What a reading brought, or why it was refused, for what can be done without. */
export async function orRefused<T>(reading: Promise<T>): Promise<T | { refused: string }> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof Refused) return { refused: error.message }
    throw error
  }
}

export function isRefused(outcome: unknown): outcome is { refused: string } {
  return isString(object(outcome).refused)
}
