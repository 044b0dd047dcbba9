// The sample: a namespace that is labelled, and in it a Deployment and a Service as `helm create` writes them. What its team does
// with it is what kubectl would do: set image, rollout undo, rollout restart, scale.

import { annotation, label } from '../protocol/names.ts'
import { patchType, refusal } from '../release/api.ts'
import type { Api } from '../release/api.ts'
import { list, object } from '../release/raw.ts'
import type { KubeObject } from './api-server/objects.ts'
import { isOwnedBy } from './controllers/objects.ts'
import type { Deployment, PodTemplate, ReplicaSet } from './controllers/objects.ts'
import { missingTag } from './images.ts'
import type { Images } from './images.ts'
import { create } from './manifests.ts'

export const namespace = 'shop'
export const name = 'web'

export interface Shop {
  /** Labels the namespace and applies everything. */
  open(): Promise<void>
  /** The next version. */
  rollOut(): Promise<void>
  /** A version that is not in the registry: the rollout fails. */
  rollOutMissing(): Promise<void>
  /** Back to the revision before. */
  rollBack(): Promise<void>
  /** The same tag with other bytes, and a restart to make them run. */
  pushAgain(): Promise<void>
  /** From two pods to three, and back. */
  scale(): Promise<void>
  /** As written in the Deployment. */
  image(): Promise<string>
}

/** `say` is told of each wish. */
export function createShop(api: Api, images: Images, say: (wish: string) => void): Shop {
  const apps = `/apis/apps/v1/namespaces/${namespace}`
  const path = `${apps}/deployments/${name}`
  let newest = 1
  return { open, rollOut, rollOutMissing, rollBack, pushAgain, scale, image }

  async function open(): Promise<void> {
    say(`namespace ${namespace} labelled ${label.inject}=enabled; deployment ${name} created: ${imageOf(1)}`)
    for (const object of objects()) await create(api, object)
  }

  async function rollOut(): Promise<void> {
    newest += 1
    say(`set image: ${imageOf(newest)}`)
    await patch({ spec: { template: { spec: { containers: [container(newest)] } } } })
  }

  async function rollOutMissing(): Promise<void> {
    say(`set image: ${imageOf(missingTag)}, which is not in the registry`)
    await patch({ spec: { template: { spec: { containers: [container(missingTag)] } } } })
  }

  async function rollBack(): Promise<void> {
    const [deployment, replicaSets] = await Promise.all([read(), readReplicaSets()])
    const [, previous] = replicaSets
      .filter(replicaSet => isOwnedBy(replicaSet, deployment))
      .sort((a, b) => revisionOf(b) - revisionOf(a))
    if (!previous) return say('rollout undo: there is no revision before this one')
    say(`rollout undo: back to ${imageIn(previous.spec.template)}`)
    await send(
      'PATCH',
      [{ op: 'replace', path: '/spec/template', value: original(previous) }],
      patchType.json,
    )
  }

  async function pushAgain(): Promise<void> {
    const tag = await image()
    if (!images.pull(tag)) return say(`${tag} is not in the registry: it cannot be pushed again`)
    images.push(tag)
    say(`${tag} pushed again, with other bytes; rollout restart`)
    const annotations = { 'kubectl.kubernetes.io/restartedAt': new Date().toISOString() }
    await patch({ spec: { template: { metadata: { annotations } } } })
  }

  async function scale(): Promise<void> {
    const { spec } = await read()
    const replicas = spec.replicas === 2 ? 3 : 2
    say(`scale to ${replicas}`)
    await patch({ spec: { replicas } })
  }

  async function image(): Promise<string> {
    return imageIn((await read()).spec.template)
  }

  async function read(): Promise<Deployment> {
    return (await send('GET')) as Deployment
  }

  async function readReplicaSets(): Promise<ReplicaSet[]> {
    const { body } = await api.request({ path: `${apps}/replicasets` })
    return list(object(body).items) as unknown as ReplicaSet[]
  }

  async function patch(body: unknown): Promise<void> {
    await send('PATCH', body, patchType.merge)
  }

  async function send(method: 'GET' | 'PATCH', body?: unknown, contentType?: string): Promise<unknown> {
    const response = await api.request({ method, path, body, ...(contentType && { contentType }) })
    if (response.status !== 200) throw new Error(`${method} ${path}: ${refusal(response)}`)
    return response.body
  }
}

export function imageOf(version: number | string): string {
  return `registry.example/shop/web:${version}`
}

function objects(): KubeObject[] {
  const labels = { 'app.kubernetes.io/name': name }
  return [
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: namespace, labels: { [label.inject]: 'enabled' } },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace },
      spec: { selector: labels, ports: [{ name: 'http', port: 80, targetPort: 'http' }] },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace },
      spec: {
        replicas: 2,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [container(1)] } },
      },
    },
  ]
}

function container(version: number | string) {
  return {
    name: 'web',
    image: imageOf(version),
    env: [{ name: 'PORT', value: '8080' }],
    ports: [{ name: 'http', containerPort: 8080 }],
    readinessProbe: { httpGet: { path: '/', port: 'http' }, periodSeconds: 1 },
  }
}

/** A ReplicaSet's template as its Deployment had it. */
function original({ spec: { template } }: ReplicaSet): PodTemplate {
  const { [label.podTemplateHash]: _hash, ...labels } = template.metadata?.labels ?? {}
  return { ...template, metadata: { ...template.metadata, labels } }
}

function imageIn({ spec }: PodTemplate): string {
  return String(list(spec.containers)[0]?.image)
}

function revisionOf({ metadata }: KubeObject): number {
  return Number(object(metadata.annotations)[annotation.revision] ?? 0)
}
