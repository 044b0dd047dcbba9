// Writes the release state onto the Deployment's living injected pods, from where the kubelet hands it to their sidecars.
// A pod that already carries it is left alone, so this may run as often as it likes.

import { annotation } from '../protocol/names.ts'
import { formatReleaseState, parseReleaseState } from '../protocol/release.ts'
import type { ReleaseState } from '../protocol/release.ts'
import { patchType, refusal } from '../release/api.ts'
import type { Api } from '../release/api.ts'
import type { Pod } from '../release/objects.ts'

/** kubernetes.io/docs/reference/using-api/api-concepts/#alternate-representations-of-resources */
const metadataOnly = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1, application/json'
const maxParallel = 8 // a Deployment of a thousand pods must not take all of the API server's seats

/** Pods that do not carry the state yet, be it written once or twice (repeats.ts). A terminating pod's volumes are no longer refreshed: stamping it is in vain. */
export function unstamped(state: ReleaseState, pods: readonly Pod[]): Pod[] {
  const text = formatReleaseState(state)
  return pods.filter(({ injected, terminating, annotations }) => {
    const stamped = annotations[annotation.release]
    return injected && !terminating && stamped?.trimEnd() !== text && !isLater(stamped, state)
  })
}

/** `status` is the answer's. */
export interface Unwritten {
  pod: Pod
  status: number
  says: string
}

export interface Stamped {
  written: Pod[]
  /** A pod that is gone is not among them. */
  refused: Unwritten[]
  /** The API server could not be reached for the others: what was thrown. */
  error?: unknown
}

/** Writes a state's text on all of them, also after one was refused. */
export async function stamp(api: Pick<Api, 'request'>, text: string, pods: readonly Pod[]): Promise<Stamped> {
  const body = { metadata: { annotations: { [annotation.release]: text } } }
  const queue = [...pods]
  const written: Pod[] = []
  const refused: Unwritten[] = []
  const workers = Array.from({ length: Math.min(maxParallel, queue.length) }, next)
  const failed = (await Promise.allSettled(workers)).find(result => result.status === 'rejected')
  return { written, refused, ...(failed && { error: failed.reason }) }

  async function next(): Promise<void> {
    for (let pod = queue.shift(); pod; pod = queue.shift()) {
      const path = `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}`
      const response = await api.request({
        method: 'PATCH',
        path,
        body,
        contentType: patchType.merge,
        accept: metadataOnly, // nobody reads the answer, and a pod is long
      })
      const { status } = response
      if (status === 200) written.push(pod)
      else if (status !== 404) refused.push({ pod, status, says: `${pod.name}: ${refusal(response)}` })
    }
  }
}

/** Another controller, that should not be, knows more than we do: it is not written over. */
function isLater(text: string | undefined, state: ReleaseState): boolean {
  const stamped = parseStamp(text)
  return stamped?.epoch === state.epoch && stamped.serial > state.serial
}

/** Takes the annotation's text; undefined when it is none or not one. */
export function parseStamp(text: unknown): ReleaseState | undefined {
  try {
    return parseReleaseState(JSON.parse(String(text)))
  } catch {
    return undefined
  }
}
