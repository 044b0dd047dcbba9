// Serves watches: one JSON event per line, first what has happened since the asked version, then what happens.

import type { ServerResponse } from 'node:http'
import { refuse } from './answer.ts'
import type { KubeObject } from './objects.ts'
import { apiVersion } from './resources.ts'
import type { Resource } from './resources.ts'
import type { Store, StoreEvent } from './store.ts'

export interface WatchRequest {
  store: Store
  resource: Resource
  matches: (object: KubeObject) => boolean
  /** Where the client is; '' or '0': it knows nothing, so every object comes as ADDED first. */
  resourceVersion: string
  allowBookmarks: boolean
  timeoutMs: number
  bookmarkMs: number
}

/** Bookmarks also come so long before the end, as the API server sends them: the client then resumes from there. */
const beforeEndMs = 2000

/** Answers with 200 and does not end before the timeout, unless the version is too old. */
export function serveWatch(res: ServerResponse, request: WatchRequest): void {
  const { store, resource, matches, resourceVersion, allowBookmarks, timeoutMs, bookmarkMs } = request
  res.writeHead(200, { 'Content-Type': 'application/json' })
  res.flushHeaders()
  const past = store.since(Number(resourceVersion))
  if (Number(resourceVersion) === 0) {
    for (const object of store.list(resource).filter(matches)) send('ADDED', object)
  } else if (!past) {
    const message = `too old resource version: ${resourceVersion} (${store.version()})`
    send('ERROR', refuse(410, 'Expired', message).body)
    res.end()
    return
  } else {
    for (const event of past) tell(event)
  }

  const unsubscribe = store.subscribe(tell)
  const timers = [
    setInterval(bookmark, bookmarkMs),
    setTimeout(bookmark, timeoutMs - beforeEndMs),
    setTimeout(() => res.end(), timeoutMs),
  ]
  res.on('close', () => {
    unsubscribe()
    timers.forEach(clearTimeout)
  })

  /** To whom an object enters or leaves the selection, it is created or deleted. */
  function tell({ resource: { group, plural }, type, object, before }: StoreEvent): void {
    if (group !== resource.group || plural !== resource.plural) return
    const wasSelected = before !== undefined && matches(before)
    const isSelected = type !== 'DELETED' && matches(object)
    if (isSelected) send(wasSelected ? 'MODIFIED' : 'ADDED', object)
    else if (wasSelected) send('DELETED', object)
  }

  function bookmark(): void {
    if (!allowBookmarks) return
    send('BOOKMARK', {
      kind: resource.kind,
      apiVersion: apiVersion(resource),
      metadata: { resourceVersion: String(store.version()), creationTimestamp: null },
    })
  }

  function send(type: string, object: unknown): void {
    res.write(`${JSON.stringify({ type, object })}\n`)
  }
}
