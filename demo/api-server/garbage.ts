// Deletes what has no owner any more, or no namespace, as the garbage collector of a real cluster does: a moment later, by itself.
// A controller that has not yet heard of the end of an owner may still make something for it: that goes, too.

import type { KubeObject } from './objects.ts'
import type { Resource, Resources } from './resources.ts'
import type { Store, StoreEvent } from './store.ts'

/** `remove` deletes one object by the rules of its kind. Returns what ends the collection. */
export function collectGarbage(
  store: Store,
  resources: Resources,
  remove: (resource: Resource, object: KubeObject) => void,
): () => void {
  const living = new Set<string>()
  return store.subscribe(onEvent)

  function onEvent({ type, resource, object }: StoreEvent): void {
    const { uid = '', name } = object.metadata
    if (type === 'DELETED') {
      living.delete(uid)
      const isNamespace = resource.group === '' && resource.plural === 'namespaces'
      setImmediate(collect, isNamespace ? name : undefined)
    } else {
      living.add(uid)
      if (isOrphan(object)) setImmediate(collect, undefined)
    }
  }

  /** Whatever is left in a namespace that has gone, or whatever is an orphan anywhere. */
  function collect(namespace: string | undefined): void {
    for (const resource of resources.all())
      for (const object of store.list(resource, namespace))
        if (namespace !== undefined || isOrphan(object)) remove(resource, object)
  }

  function isOrphan({ metadata: { ownerReferences = [] } }: KubeObject): boolean {
    return ownerReferences.length > 0 && !ownerReferences.some(({ uid }) => living.has(uid))
  }
}
