// Runs the demo's controllers: whenever something changes they look at everything and take the next step.
// They read anew each time instead of trusting a copy, so there is no need to remember what was written but not seen yet.

import { reason } from '../../protocol/log.ts'
import type { Log } from '../../protocol/log.ts'
import { refusal } from '../../release/api.ts'
import type { Api, ApiRequest } from '../../release/api.ts'
import { watchResource } from '../../release/watch.ts'
import { object } from '../../release/raw.ts'
import { createRecorder } from '../events.ts'
import { reconcileDeployment } from './deployments.ts'
import { isOwnedBy, pathOf } from './objects.ts'
import type { Deployment, Pod, ReplicaSet } from './objects.ts'
import { reconcileReplicaSet } from './replica-sets.ts'

const paths = {
  deployments: '/apis/apps/v1/deployments',
  replicaSets: '/apis/apps/v1/replicasets',
  pods: '/api/v1/pods',
}
const againMs = 200

/** Starts at once. What is refused is logged and tried again. */
export function runControllers({ api, log }: { api: Api; log: Log }): { close(): Promise<void> } {
  const record = createRecorder(api, 'deployment-controller')
  let isDue = false
  let running: Promise<void> | undefined
  let closed = false
  let again: NodeJS.Timeout | undefined
  const watches = Object.values(paths).map(path =>
    watchResource({ api, path, parse: () => true, onChange: wake, log }),
  )
  return { close }

  async function close(): Promise<void> {
    closed = true
    isDue = false
    clearTimeout(again)
    await Promise.all(watches.map(watch => watch.close()))
    await running
  }

  function wake(): void {
    if (closed) return
    isDue = true
    running ??= run().finally(() => (running = undefined))
  }

  async function run(): Promise<void> {
    while (isDue) {
      isDue = false
      try {
        await step()
      } catch (error) {
        log('controllers failed', { reason: reason(error) })
        again = setTimeout(wake, againMs)
      }
    }
  }

  async function step(): Promise<void> {
    const deployments = await list<Deployment>(paths.deployments)
    const replicaSets = await list<ReplicaSet>(paths.replicaSets)
    const pods = await list<Pod>(paths.pods)
    for (const deployment of deployments) {
      const own = replicaSets.filter(child => isOwnedBy(child, deployment))
      const requests = reconcileDeployment(deployment, own)
      await write(requests)
      for (const message of scalings(requests, own))
        record(deployment, { reason: 'ScalingReplicaSet', message })
    }
    for (const replicaSet of replicaSets)
      await write(
        reconcileReplicaSet(
          replicaSet,
          pods.filter(pod => isOwnedBy(pod, replicaSet)),
        ),
      )
  }

  /** What has gone in the meantime, or is there already, is as good. */
  async function write(requests: ApiRequest[]): Promise<void> {
    for (const request of requests) {
      const response = await api.request(request)
      if (response.status >= 400 && response.status !== 404 && response.status !== 409)
        throw new Error(`${request.method} ${request.path}: ${refusal(response)}`)
    }
  }

  async function list<T>(path: string): Promise<T[]> {
    const response = await api.request({ path })
    if (response.status !== 200) throw new Error(`${path}: ${refusal(response)}`)
    return object(response.body).items as T[]
  }
}

/** In the words of Kubernetes' Deployment controller. */
function scalings(requests: readonly ApiRequest[], replicaSets: readonly ReplicaSet[]): string[] {
  return requests.flatMap(({ method, path, body }) => {
    const { metadata, spec } = object(body)
    const { replicas } = object(spec)
    if (typeof replicas !== 'number') return []
    const known = method === 'PATCH' ? replicaSets.find(replicaSet => pathOf(replicaSet) === path) : undefined
    const name = known?.metadata.name ?? String(object(metadata).name)
    const from = known?.spec.replicas ?? 0
    return replicas === from
      ? []
      : [`Scaled ${replicas > from ? 'up' : 'down'} replica set ${name} from ${from} to ${replicas}`]
  })
}
