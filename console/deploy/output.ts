// The last lines of containers that have ended, read once each. Only where somebody has given us the right to pods/log.

import { isString } from '../../protocol/release.ts'
import { reason } from '../../protocol/log.ts'
import type { Log } from '../../protocol/log.ts'
import { refusal } from '../../release/api.ts'
import type { Api } from '../../release/api.ts'
import type { PodFacts } from './facts.ts'
import { exitKey } from './log.ts'

export interface Outputs {
  /** What is known by now; the rest is asked for. */
  of(pods: readonly PodFacts[]): ReadonlyMap<string, string[]>
}

const tailLines = 10
const maxBytes = 4_096
const maxAsked = 50 // for one log: a Deployment of many pods crashes in all of them for the same reason

export function createOutputs({ api, log, onRead }: { api: Api; log: Log; onRead(): void }): Outputs {
  const known = new Map<string, string[]>()
  return { of }

  function of(pods: readonly PodFacts[]): ReadonlyMap<string, string[]> {
    for (const facts of pods)
      for (const container of facts.containers) {
        const key = exitKey(facts, container)
        if (!container.exit || known.has(key) || known.size >= maxAsked) continue
        known.set(key, [])
        void read(facts, container.name, container.restarts > 0 && container.startedAt !== '', key)
      }
    return known
  }

  async function read({ pod }: PodFacts, container: string, previous: boolean, key: string): Promise<void> {
    const path = `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}/log`
    try {
      const response = await api.request({
        path,
        query: { container, previous, tailLines, limitBytes: maxBytes },
      })
      if (response.status !== 200 || !isString(response.body)) throw new Error(refusal(response))
      known.set(
        key,
        response.body.split('\n').filter(line => line !== ''),
      )
      onRead()
    } catch (error) {
      log('container log not read', { path, reason: reason(error) })
    }
  }
}
