// Watches the namespaces that carry the label, each by itself: of the others only their policies are read.

import { label } from '../protocol/names.ts'
import { reason } from '../protocol/log.ts'
import type { Log } from '../protocol/log.ts'
import type { ReleaseState } from '../protocol/release.ts'
import type { Api } from '../release/api.ts'
import { parseNamespace } from '../release/objects.ts'
import { watchResource } from '../release/watch.ts'
import { redirectIn } from './capture-redirect.ts'
import type { RedirectSetting } from './capture-redirect.ts'
import { createPace } from './pace.ts'
import { watchPolicies } from './policies.ts'
import { watchSurroundings } from './surroundings.ts'
import { createRestarts } from './restarts.ts'
import { watchNamespace } from './namespace.ts'
import type { NamespaceContext, NamespaceOptions, WatchedNamespace, Writer } from './namespace.ts'
import { messageOf } from './tell.ts'

export interface ControllerOptions {
  api: Api
  log: Log
  writer: Writer
  image: NamespaceOptions['image']
  tell: NamespaceOptions['tell']
  /** Where capture `redirect` may be used. */
  redirect?: RedirectSetting
  onState?(state: ReleaseState): void
  /** Something of this Deployment may have changed; without a name: of all in the namespace. */
  onMoved?(namespace: string, deployment?: string): void
  onFailed?: NamespaceOptions['onFailed']
}

export interface Controller {
  /** Resolves when the labelled namespaces have been listed, what is in each of them, and the policies of all. */
  synced: Promise<void>
  /** The labelled ones. */
  namespaces(): string[]
  /** Undefined when it does not carry the label, or when we have not heard of it yet. */
  namespace(name: string): WatchedNamespace | undefined
  /** What is known of a namespace besides what is in it. */
  around(name: string): NamespaceContext
  /** How many pods should have the sidecar and do not; 0 while another replica leads. */
  missed(): number
  /** How many pods are not told, because what is written on them is refused; 0 while another replica leads. */
  untold(): number
  /** How many Deployments' new pods are left alone for now; 0 while another replica leads. */
  broken(): number
  /** It is us who write now: everything is looked at again. */
  lookAgain(): void
  close(): Promise<void>
}

export function createController(options: ControllerOptions): Controller {
  const { api, log, writer, image, tell, redirect = 'off', onState, onMoved, onFailed } = options
  const restarts = createRestarts({ writer: writer.api, log })
  const pace = createPace(writer.api)
  const watched = new Map<string, WatchedNamespace>()
  const namespaces = watchResource({
    api,
    log,
    path: '/api/v1/namespaces',
    labelSelector: `${label.inject}=enabled`,
    parse: parseNamespace,
    onChange: ({ type, object }) => (type === 'delete' ? forget(object.name) : watch(object.name)),
  })
  const policies = watchPolicies({ api, log, onMoved: policyMoved })
  const onReconciled = watchSurroundings(({ namespace, name, uid }, warning) =>
    tell({ namespace, deployment: { name, uid }, type: 'Warning', ...messageOf(warning) }),
  )
  const synced = listed()
  synced.catch(() => {}) // closed before: nobody has to hear
  return {
    synced,
    namespaces: () => [...watched.keys()],
    namespace: name => watched.get(name),
    around,
    missed: () => sum(namespace => namespace.missed()),
    untold: () => sum(namespace => namespace.untold()),
    broken: () => sum(namespace => namespace.broken()),
    lookAgain: () => policyMoved(''),
    close,
  }

  function sum(count: (namespace: WatchedNamespace) => number): number {
    return writer.isLeading() ? [...watched.values()].reduce((all, one) => all + count(one), 0) : 0
  }

  async function listed(): Promise<void> {
    await Promise.all([namespaces.synced, policies.synced])
    await Promise.allSettled([...watched.values()].map(namespace => namespace.synced)) // one may be closed meanwhile
    policyMoved('')
  }

  function around(name: string): NamespaceContext {
    const { labels = {}, annotations = {} } = namespaces.objects.get(name) ?? {}
    const admitted = redirectIn(redirect, { labels, annotations })
    return { name, labels, annotations, policies: policies.all(), redirect: admitted }
  }

  /** Empty: everywhere. */
  function policyMoved(namespace: string): void {
    for (const [name, { lookAgain }] of watched)
      if (namespace === '' || namespace === name) {
        lookAgain()
        onMoved?.(name)
      }
  }

  function watch(namespace: string): void {
    const present = watched.get(namespace)
    if (present) return policyMoved(namespace)
    log('namespace watched', { namespace })
    watched.set(
      namespace,
      watchNamespace({
        api,
        namespace,
        log,
        writer,
        image,
        tell,
        restarts,
        pace,
        around: () => around(namespace),
        onReconciled,
        ...(onState && { onState }),
        ...(onFailed && { onFailed }),
        ...(onMoved && { onMoved: (deployment: string) => onMoved(namespace, deployment) }),
      }),
    )
  }

  function forget(namespace: string): void {
    const gone = watched.get(namespace)
    watched.delete(namespace)
    gone?.close().catch((error: unknown) => log('namespace not closed', { namespace, reason: reason(error) }))
    log('namespace left', { namespace })
    onMoved?.(namespace)
  }

  async function close(): Promise<void> {
    await Promise.all([namespaces.close(), policies.close()])
    await Promise.all([...watched.values()].map(namespace => namespace.close()))
  }
}
