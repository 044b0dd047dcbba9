// What each request does to the store and how it is answered. Creating waits for admission; everything else happens at once,
// so that nothing can come between looking and writing.

import type { Admission } from './admission.ts'
import { alreadyExists, badRequest, conflict, isRefusal, notFound, ok, refuse, success } from './answer.ts'
import type { Answer } from './answer.ts'
import { parseObject } from './objects.ts'
import { object } from '../../release/raw.ts'
import type { KubeObject } from './objects.ts'
import { applyPatch } from './patches.ts'
import { apiVersion } from './resources.ts'
import type { Resource, Resources, Target } from './resources.ts'
import { parseSelectors } from './selectors.ts'
import type { Store } from './store.ts'
import { created, terminating, updated } from './writes.ts'

export interface Requests {
  get(target: Target): Answer
  list(target: Target, query: URLSearchParams): Answer
  create(target: Target, query: URLSearchParams, body: unknown): Promise<Answer>
  update(target: Target, body: unknown): Answer
  patch(target: Target, contentType: string, body: unknown): Answer
  delete(target: Target, query: URLSearchParams, body: unknown): Answer
  /** Deletes an object as somebody without a wish of his own would. */
  remove: (resource: Resource, object: KubeObject) => void
}

export function createRequests({
  store,
  resources,
  admission,
}: {
  store: Store
  resources: Resources
  admission: Admission
}): Requests {
  return { get, list, create, update, patch, delete: deleteOne, remove }

  function get(target: Target): Answer {
    const found = find(target)
    return isRefusal(found) ? found : ok(found)
  }

  function list({ resource, namespace }: Target, query: URLSearchParams): Answer {
    const selected = parseSelectors(query)
    if (typeof selected === 'string') return badRequest(selected)
    return ok({
      kind: `${resource.kind}List`,
      apiVersion: apiVersion(resource),
      metadata: { resourceVersion: String(store.version()) },
      items: store.list(resource, namespace).filter(selected),
    })
  }

  async function create(target: Target, query: URLSearchParams, body: unknown): Promise<Answer> {
    const { resource, namespace, subresource } = target
    if (subresource === 'binding') return bind(target, body)
    const incoming = parse(resource, body, namespace)
    if (isRefusal(incoming)) return incoming
    const { name, generateName } = incoming.metadata
    if (!name && !generateName)
      return refuse(422, 'Invalid', 'metadata.name: name or generateName is required')
    if (namespace !== undefined) {
      const inside = resources.find(`/api/v1/namespaces/${namespace}`)
      if (inside && isRefusal(find(inside))) return find(inside) as Answer
    }
    const isDryRun = query.get('dryRun') === 'All'
    const admitted = await admission.admit(resource, incoming, namespace, isDryRun)
    if (isRefusal(admitted)) return admitted
    const first = created(resource, admitted, namespace)
    if (store.get(resource, namespace, first.metadata.name))
      return alreadyExists(resource, first.metadata.name)
    if (isDryRun) return { code: 201, body: first }
    if (resource.kind === 'CustomResourceDefinition') resources.define(first)
    return { code: 201, body: store.put(resource, first) }
  }

  function update(target: Target, body: unknown): Answer {
    const incoming = parse(target.resource, body, target.namespace)
    if (isRefusal(incoming)) return incoming
    const { name } = incoming.metadata
    if (name !== target.name) return badRequest(`the name of the object (${name}) is not that of the URL`)
    const old = find(target)
    return isRefusal(old) ? old : write(target, old, incoming)
  }

  function patch(target: Target, contentType: string, body: unknown): Answer {
    const old = find(target)
    if (isRefusal(old)) return old
    const outcome = applyPatch(contentType, old, body)
    if ('unsupported' in outcome)
      return refuse(415, 'UnsupportedMediaType', `the patch type ${outcome.unsupported} is not supported`)
    if ('invalid' in outcome) return refuse(422, 'Invalid', outcome.invalid)
    const incoming = parse(target.resource, outcome.patched, target.namespace)
    return isRefusal(incoming) ? incoming : write(target, old, incoming)
  }

  function write({ resource, subresource }: Target, old: KubeObject, incoming: KubeObject): Answer {
    const { name, resourceVersion } = incoming.metadata
    if (resourceVersion && resourceVersion !== old.metadata.resourceVersion) return conflict(resource, name)
    const next = updated(resource, old, incoming, subresource === 'status' ? 'status' : undefined)
    return ok(next === old ? old : store.put(resource, next))
  }

  function deleteOne(target: Target, query: URLSearchParams, options: unknown): Answer {
    const found = find(target)
    if (isRefusal(found)) return found
    const seconds = object(options).gracePeriodSeconds ?? query.get('gracePeriodSeconds')
    const rest = removed(target.resource, found, seconds == null ? undefined : Number(seconds))
    return rest ? ok(rest) : success()
  }

  function remove(resource: Resource, object: KubeObject): void {
    removed(resource, object)
  }

  /** Returns what is left for the time being. */
  function removed(resource: Resource, found: KubeObject, seconds?: number): KubeObject | undefined {
    const { nodeName, terminationGracePeriodSeconds: period } = object(found.spec)
    const grace = seconds ?? (typeof period === 'number' ? period : 30)
    if (resource.kind !== 'Pod' || !nodeName || grace === 0) {
      store.delete(resource, found)
      return undefined
    }
    return found.metadata.deletionTimestamp ? found : store.put(resource, terminating(found, grace))
  }

  /** What a scheduler writes. */
  function bind(target: Target, body: unknown): Answer {
    const pod = find(target)
    if (isRefusal(pod)) return pod
    if (object(pod.spec).nodeName) return conflict(target.resource, pod.metadata.name)
    const { name: nodeName } = object(object(body).target)
    store.put(target.resource, { ...pod, spec: { ...object(pod.spec), nodeName } })
    return { ...success(), code: 201 }
  }

  function find({ resource, namespace, name = '', subresource }: Target): KubeObject | Answer {
    const isServed =
      subresource === undefined ||
      (subresource === 'status' && resource.hasStatus) ||
      (subresource === 'binding' && resource.kind === 'Pod')
    if (!isServed) return refuse(404, 'NotFound', 'the server could not find the requested resource')
    return store.get(resource, namespace, name) ?? notFound(resource, name)
  }
}

/** An object of the resource that the URL speaks of, in its namespace. */
function parse(resource: Resource, body: unknown, namespace: string | undefined): KubeObject | Answer {
  const incoming = parseObject(body)
  if (!incoming) return badRequest('the body is not a Kubernetes object')
  const { apiVersion: version, kind, metadata } = incoming
  if (kind !== resource.kind || version !== apiVersion(resource))
    return badRequest(
      `${version} ${kind} in the body, but ${apiVersion(resource)} ${resource.kind} in the URL`,
    )
  if (metadata.namespace && metadata.namespace !== namespace)
    return badRequest('the namespace of the object does not match that of the request')
  return namespace === undefined ? incoming : { ...incoming, metadata: { ...metadata, namespace } }
}
