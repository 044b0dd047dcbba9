// The webhook's process, and with it the controller, killed and brought back. Histories that run at the same time share it,
// so one after the other has it.

import { until } from '../../test/cluster/wait.ts'
import { isReady } from '../../test/tier3/installation.ts'
import type { Cluster, RunningPod } from '../../test/tier3/installation.ts'

export interface Controller {
  readonly outages: { from: number; until: number }[]
  /** Resolves when nobody else has it, with what can be done to it then. `bringBack` must be called, and gives it free. */
  take(): Promise<Taken>
  /** Resolves when it is there. */
  back(): Promise<unknown>
}

export interface Taken {
  kill(): Promise<void>
  bringBack(): Promise<void>
}

const deployment = '/apis/apps/v1/namespaces/spa-reloader/deployments/spa-reloader-webhook'
const lease = '/apis/coordination.k8s.io/v1/namespaces/spa-reloader/leases/spa-reloader-controller'
const selector = 'app.kubernetes.io/component=webhook'
const pods = `/api/v1/namespaces/spa-reloader/pods?labelSelector=${encodeURIComponent(selector)}`

export function createController(cluster: Pick<Cluster, 'api' | 'pods'>): Controller {
  const { api } = cluster
  const outages: { from: number; until: number }[] = []
  let free: Promise<void> = Promise.resolve()
  return { outages, take, back: () => free }

  async function take(): Promise<Taken> {
    const isFree = free
    const { promise, resolve } = withResolver()
    free = promise
    await isFree
    return { kill, bringBack: () => bringBack().finally(resolve) }
  }

  async function kill(): Promise<void> {
    outages.push({ from: Date.now(), until: Infinity })
    await api('PATCH', deployment, { spec: { replicas: 0 } })
    await until('the webhook to be gone', async () => {
      // No farewell; and again, as one that was made between the two calls would take its whole grace period.
      await api('DELETE', pods, { gracePeriodSeconds: 0 })
      return (await list()).length === 0
    })
  }

  async function bringBack(): Promise<void> {
    await api('PATCH', deployment, { spec: { replicas: 2 } })
    await until('the webhook to be back', async () => (await list()).some(isReady), 120)
    await until('the controller to write', leads, 60) // the Lease of one that was killed has to end first
    outages.at(-1)!.until = Date.now()
  }

  async function leads(): Promise<boolean> {
    const { body } = await api<{ spec: { holderIdentity: string } }>('GET', lease)
    return (await list()).some(({ metadata }) => body.spec.holderIdentity.startsWith(`${metadata.name}_`))
  }

  function list(): Promise<RunningPod[]> {
    return cluster.pods('spa-reloader', selector)
  }
}

function withResolver(): { promise: Promise<void>; resolve: () => void } {
  let resolve: (() => void) | undefined
  const promise = new Promise<void>(given => (resolve = given))
  return { promise, resolve: resolve! }
}
