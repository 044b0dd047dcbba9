// Tells people why, where they look: an Event on the Deployment. An admission warning would reach the ReplicaSet controller only.

import { createHash } from 'node:crypto'
import { containerName } from '../protocol/names.ts'
import { reason } from '../protocol/log.ts'
import type { Log } from '../protocol/log.ts'
import { refusal } from '../release/api.ts'
import type { Api } from '../release/api.ts'

export interface Told {
  namespace: string
  deployment: { name: string; uid: string }
  type: 'Normal' | 'Warning'
  /** UpperCamelCase, as Kubernetes' own. */
  reason: string
  message: string
}

const quietMs = 10 * 60_000
const maxCharacters = 1_000 // the API server takes 1,024 (core/v1 event validation)
const maxRemembered = 10_000

/**
 * Returns a function that writes an Event, but the same one for the same Deployment only every ten minutes. It never throws. The name is made of what
 * is told and of the time, so that of two replicas that tell the same the API server takes one.
 */
export function createEvents({
  api,
  log,
  now = Date.now,
}: {
  api: Api
  log: Log
  now?(): number
}): (told: Told) => void {
  const lately = new Map<string, number>()
  return told => {
    const key = [told.namespace, told.deployment.uid, told.reason, told.message].join('\n')
    if (now() - (lately.get(key) ?? -Infinity) < quietMs) return
    if (lately.size >= maxRemembered) lately.clear()
    lately.set(key, now())
    write(told, key).catch((error: unknown) =>
      log('event not written', {
        namespace: told.namespace,
        name: told.deployment.name,
        reason: reason(error),
      }),
    )
  }

  async function write({ namespace, deployment, type, reason, message }: Told, key: string): Promise<void> {
    const id = createHash('sha256')
      .update(`${key}\n${Math.floor(now() / quietMs)}`)
      .digest('hex')
      .slice(0, 16)
    const time = new Date(now()).toISOString().replace(/\.\d+Z$/, 'Z')
    const response = await api.request({
      method: 'POST',
      path: `/api/v1/namespaces/${namespace}/events`,
      body: {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { name: `${deployment.name}.${id}`, namespace },
        involvedObject: { apiVersion: 'apps/v1', kind: 'Deployment', namespace, ...deployment },
        source: { component: containerName },
        type,
        reason,
        message: message.slice(0, maxCharacters),
        count: 1,
        firstTimestamp: time,
        lastTimestamp: time,
      },
    })
    if (response.status >= 300 && response.status !== 409) throw new Error(refusal(response))
  }
}
