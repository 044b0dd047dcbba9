// Writes the release state onto the Deployment's living injected pods, from where the kubelet hands it to their sidecars.
// A pod that already carries it is left alone, so this may run as often as it likes.

import { annotation } from '../protocol/names.ts'
import { formatReleaseState } from '../protocol/release.ts'
import type { ReleaseState } from '../protocol/release.ts'
import { patchType, refusal } from '../release/api.ts'
import type { Api } from '../release/api.ts'
import type { Pod } from '../release/objects.ts'

const maxParallel = 8 // a Deployment of a thousand pods must not take all of the API server's seats

/** Pods that do not carry the state yet. A terminating pod's volumes are no longer refreshed: stamping it is in vain. */
export function unstamped(state: ReleaseState, pods: readonly Pod[]): Pod[] {
  const text = formatReleaseState(state)
  return pods.filter(pod => pod.injected && !pod.terminating && pod.annotations[annotation.release] !== text)
}

/** Resolves to the number of pods that were written. Throws when a write was refused for another reason than that the pod is gone. */
export async function stamp(api: Api, state: ReleaseState, pods: readonly Pod[]): Promise<number> {
  const body = { metadata: { annotations: { [annotation.release]: formatReleaseState(state) } } }
  const queue = [...pods]
  let written = 0
  await Promise.all(Array.from({ length: Math.min(maxParallel, queue.length) }, next))
  return written

  async function next(): Promise<void> {
    for (let pod = queue.shift(); pod; pod = queue.shift()) {
      const path = `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}`
      const response = await api.request({ method: 'PATCH', path, body, contentType: patchType.merge })
      if (response.status === 404) continue
      if (response.status !== 200)
        throw new Error(`stamping ${pod.namespace}/${pod.name}: ${refusal(response)}`)
      written += 1
    }
  }
}
