// What would become of a Deployment's next pod, with the sidecar and without it: the API server is asked with dryRun, so that quotas, LimitRanges, Pod
// Security and other people's webhooks answer for themselves. Nothing is created; a policy in manifests/ lets us do no more than that.

import { annotation, label } from '../protocol/names.ts'
import { refusal } from '../release/api.ts'
import type { Api } from '../release/api.ts'
import { object } from '../release/raw.ts'
import type { Raw } from '../release/raw.ts'

/**
 * `bare`: accepted, but without the sidecar: the API server did not ask the webhook, or had no answer. `ours`: refused only because of what we add.
 * `theirs`: refused without it, too.
 */
export type Trial = { verdict: 'accepted' | 'bare' } | { verdict: 'ours' | 'theirs'; refused: string }

/** Reads a ReplicaSet as it is; undefined when it is gone. Throws on any other refusal. */
export async function readReplicaSet(api: Api, namespace: string, name: string): Promise<Raw | undefined> {
  const response = await api.request({ path: `/apis/apps/v1/namespaces/${namespace}/replicasets/${name}` })
  if (response.status === 404) return undefined
  if (response.status !== 200) throw new Error(`ReplicaSet ${namespace}/${name}: ${refusal(response)}`)
  return object(response.body)
}

/** The next pod of a ReplicaSet, as its controller would send it to the API server. */
export function nextPod(replicaSet: Raw): Raw {
  const { name, namespace, uid } = object(replicaSet.metadata)
  const template = object(object(replicaSet.spec).template)
  const { labels, annotations } = object(template.metadata)
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: `${String(name)}-`,
      namespace,
      labels,
      annotations,
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name, uid, controller: true }],
    },
    spec: template.spec,
  }
}

/** Tries a pod with the sidecar; where that is refused, without it. Throws when the API server cannot be reached. */
export async function tryPod(api: Pick<Api, 'request'>, namespace: string, pod: Raw): Promise<Trial> {
  const injected = await post(withMetadata(pod, 'annotations', annotation.trial))
  if (!('refused' in injected)) return { verdict: isInjected(injected.made) ? 'accepted' : 'bare' }
  const plain = await post(withMetadata(pod, 'labels', label.inject, 'false'))
  return { verdict: 'refused' in plain ? 'theirs' : 'ours', refused: injected.refused }

  async function post(body: Raw): Promise<{ made: unknown } | { refused: string }> {
    const path = `/api/v1/namespaces/${namespace}/pods`
    const response = await api.request({ method: 'POST', path, query: { dryRun: 'All' }, body })
    // 500 is also what a patch comes to that does not apply, whatever the failurePolicy says; the others say nothing of the pod.
    if (response.status === 429 || response.status > 500) throw new Error(`no trial: ${refusal(response)}`)
    return response.status < 300 ? { made: response.body } : { refused: withoutName(refusal(response)) }
  }
}

function isInjected(pod: unknown): boolean {
  return object(object(object(pod).metadata).labels)[label.injected] === 'true'
}

/** `403: pods "web-6c487dcc49-x7k2p" is forbidden: exceeded quota`: the name is another one each time. */
function withoutName(text: string): string {
  return text.replace(/^\d+: (pods "[^"]*" is forbidden: )?/, '')
}

function withMetadata(pod: Raw, field: 'labels' | 'annotations', key: string, value = 'true'): Raw {
  const metadata = object(pod.metadata)
  return { ...pod, metadata: { ...metadata, [field]: { ...object(metadata[field]), [key]: value } } }
}
