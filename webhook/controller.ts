// Watches the namespaces that carry the label, each by itself: nothing is read of the others.

import { label } from '../protocol/names.ts'
import { reason } from '../protocol/log.ts'
import type { Log } from '../protocol/log.ts'
import type { ReleaseState } from '../protocol/release.ts'
import type { Api } from '../release/api.ts'
import { parseNamespace } from '../release/objects.ts'
import { watchResource } from '../release/watch.ts'
import { watchNamespace } from './namespace.ts'
import type { WatchedNamespace, Writer } from './namespace.ts'

export interface ControllerOptions {
  api: Api
  log: Log
  writer: Writer
  onState?(state: ReleaseState): void
}

export interface Controller {
  /** Resolves when the labelled namespaces have been listed, and what is in each of them. */
  synced: Promise<void>
  /** Undefined when it does not carry the label, or when we have not heard of it yet. */
  namespace(name: string): WatchedNamespace | undefined
  annotations(name: string): Record<string, string> | undefined
  /** It is us who write now: everything is looked at again. */
  lookAgain(): void
  close(): Promise<void>
}

export function createController({ api, log, writer, onState }: ControllerOptions): Controller {
  const watched = new Map<string, WatchedNamespace>()
  const namespaces = watchResource({
    api,
    log,
    path: '/api/v1/namespaces',
    labelSelector: `${label.inject}=enabled`,
    parse: parseNamespace,
    onChange: ({ type, object }) => (type === 'delete' ? forget(object.name) : watch(object.name)),
  })
  const synced = listed()
  synced.catch(() => {}) // closed before: nobody has to hear
  return {
    synced,
    namespace: name => watched.get(name),
    annotations,
    lookAgain: () => watched.forEach(namespace => namespace.lookAgain()),
    close,
  }

  async function listed(): Promise<void> {
    await namespaces.synced
    await Promise.allSettled([...watched.values()].map(namespace => namespace.synced)) // one may be closed meanwhile
  }

  function annotations(namespace: string): Record<string, string> | undefined {
    return namespaces.objects.get(namespace)?.annotations
  }

  function watch(namespace: string): void {
    const present = watched.get(namespace)
    if (present) return present.lookAgain()
    log('namespace watched', { namespace })
    watched.set(
      namespace,
      watchNamespace({
        api,
        namespace,
        log,
        writer,
        defaults: () => annotations(namespace) ?? {},
        ...(onState && { onState }),
      }),
    )
  }

  function forget(namespace: string): void {
    const gone = watched.get(namespace)
    watched.delete(namespace)
    gone?.close().catch((error: unknown) => log('namespace not closed', { namespace, reason: reason(error) }))
    log('namespace left', { namespace })
  }

  async function close(): Promise<void> {
    await namespaces.close()
    await Promise.all([...watched.values()].map(namespace => namespace.close()))
  }
}
