// Every object, and the recent history from which watches are served. One counter versions everything, as in etcd.
// Objects are never changed in place: whoever holds one holds what it was at that version.

import type { KubeObject } from './objects.ts'
import type { Resource } from './resources.ts'

export interface StoreEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED'
  version: number
  resource: Resource
  object: KubeObject
  /** What it was before, undefined for ADDED. */
  before: KubeObject | undefined
}

export interface Store {
  /** Of the latest change. */
  version(): number
  get(resource: Resource, namespace: string | undefined, name: string): KubeObject | undefined
  /** All namespaces when none is given. */
  list(resource: Resource, namespace?: string): KubeObject[]
  /** Creates or replaces; returns the object with its new version. */
  put(resource: Resource, object: KubeObject): KubeObject
  delete(resource: Resource, object: KubeObject): void
  /** What happened after a version; undefined when that is no longer remembered, or has not been yet. */
  since(version: number): StoreEvent[] | undefined
  /** Returns what ends the subscription. */
  subscribe(listener: (event: StoreEvent) => void): () => void
}

/** The versions begin above 1, so that a client can ask for one that is too old: as of a server that was restarted. */
const firstVersion = 1000

/** Remembers the last `historySize` changes. */
export function createStore(historySize = 5000): Store {
  const collections = new Map<string, Map<string, KubeObject>>()
  const listeners = new Set<(event: StoreEvent) => void>()
  const history: StoreEvent[] = []
  let version = firstVersion
  let forgotten = firstVersion
  return {
    version: () => version,
    get: (resource, namespace, name) => collection(resource).get(key(namespace, name)),
    list,
    put,
    delete: remove,
    since,
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }

  function collection({ group, plural }: Resource): Map<string, KubeObject> {
    const id = `${group}/${plural}`
    const found = collections.get(id) ?? new Map<string, KubeObject>()
    collections.set(id, found)
    return found
  }

  function list(resource: Resource, namespace?: string): KubeObject[] {
    const objects = [...collection(resource).values()]
    return namespace === undefined
      ? objects
      : objects.filter(({ metadata }) => metadata.namespace === namespace)
  }

  function put(resource: Resource, object: KubeObject): KubeObject {
    const objects = collection(resource)
    const id = key(object.metadata.namespace, object.metadata.name)
    const before = objects.get(id)
    const stored = versioned(object)
    objects.set(id, stored)
    record({ type: before ? 'MODIFIED' : 'ADDED', version, resource, object: stored, before })
    return stored
  }

  function remove(resource: Resource, object: KubeObject): void {
    const { namespace, name } = object.metadata
    if (!collection(resource).delete(key(namespace, name))) return
    record({ type: 'DELETED', object: versioned(object), version, resource, before: object })
  }

  function versioned(object: KubeObject): KubeObject {
    version += 1
    return { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } }
  }

  function record(event: StoreEvent): void {
    history.push(event)
    if (history.length > historySize) forgotten = history.shift()?.version ?? forgotten
    for (const listener of listeners) listener(event)
  }

  function since(from: number): StoreEvent[] | undefined {
    return from < forgotten || from > version ? undefined : history.filter(event => event.version > from)
  }
}

function key(namespace: string | undefined, name: string): string {
  return `${namespace ?? ''}/${name}`
}
