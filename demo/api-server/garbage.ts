// Deletes what has lost its owner or its namespace, as the garbage collector of a real cluster does: a moment later, by itself.

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
    if (type !== 'DELETED') {
      living.add(uid)
      return
    }
    living.delete(uid)
    const isNamespace = resource.group === '' && resource.plural === 'namespaces'
    setImmediate(() => {
      for (const dependent of resources.all())
        for (const candidate of store.list(dependent, isNamespace ? name : undefined))
          if (isNamespace || isOrphan(candidate, uid)) remove(dependent, candidate)
    })
  }

  function isOrphan({ metadata: { ownerReferences = [] } }: KubeObject, gone: string): boolean {
    return (
      ownerReferences.some(({ uid }) => uid === gone) && !ownerReferences.some(({ uid }) => living.has(uid))
    )
  }
}
