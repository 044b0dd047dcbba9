// Every app and its pods as the console shows them, kept up while somebody looks and forgotten afterwards: until then a move in the cluster costs
// one look at a flag. What moved is gathered, worked out anew and compared with what was shown last.

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ConsoleEvent } from '../protocol/console.ts'
import { reason } from '../protocol/log.ts'
import type { Log } from '../protocol/log.ts'
import { deploymentOf } from '../release/next.ts'
import type { Pod, ReplicaSet } from '../release/objects.ts'
import { describeApp } from './app.ts'
import { describeInstance } from './instance.ts'
import type { Namespace, Source } from './source.ts'
import type { Tabs } from './tabs/tabs.ts'

export interface FleetOptions {
  source: Source
  tabs: Pick<Tabs, 'ofPod' | 'ofApp'>
  log: Log
  /** Takes the data of events, in their order. */
  publish(data: readonly string[]): void
  /** Somebody looks. */
  onUsed(): void
  /** Nobody looks any more: what comes later does not follow on what was published. */
  onForgotten(): void
  /** How long moves are gathered. Default: 100. */
  gatherMs?: number
  /** How long it is kept up after the last one has gone. Default: 30,000. */
  lingerMs?: number
}

export interface Fleet {
  /** Resolves when everything is worked out; it is kept up until the returned function is called. */
  use(): Promise<() => void>
  /** Something of this Deployment may have changed; without a name: of all in the namespace. */
  moved(namespace: string, deployment?: string): void
  /** JSON. Undefined: there is no such app. */
  app(id: string): string | undefined
  /** JSON of each. */
  apps(): string[]
  instances(): string[]
  close(): void
}

interface Shown {
  app: string
  /** By their ids. */
  instances: Map<string, string>
}

const podsPerTurn = 500 // some 3 ms of work, then admission has its turn

export function createFleet(options: FleetOptions): Fleet {
  const { source, tabs, log, publish, onUsed, onForgotten, gatherMs = 100, lingerMs = 30_000 } = options
  const shown = new Map<string, Shown>()
  const dirty = new Set<string>()
  let users = 0
  let loaded: Promise<void> | undefined
  let working: Promise<void> | undefined
  let gathering: NodeJS.Timeout | undefined
  let lingering: NodeJS.Timeout | undefined
  return {
    use,
    moved,
    app: id => shown.get(id)?.app,
    apps: () => [...shown.values()].map(({ app }) => app),
    instances: () => [...shown.values()].flatMap(({ instances }) => [...instances.values()]),
    close,
  }

  async function use(): Promise<() => void> {
    users += 1
    clearTimeout(lingering)
    loaded ??= load()
    await loaded
    let isUsed = true
    return () => {
      if (!isUsed) return
      isUsed = false
      users -= 1
      if (users === 0) lingering = setTimeout(forget, lingerMs).unref()
    }
  }

  function load(): Promise<void> {
    for (const namespace of source.namespaces()) add(namespace)
    onUsed()
    return work()
  }

  function forget(): void {
    clearTimeout(gathering)
    loaded = gathering = undefined
    dirty.clear()
    shown.clear()
    onForgotten()
  }

  function close(): void {
    clearTimeout(lingering)
    forget()
  }

  function moved(namespace: string, deployment?: string): void {
    if (!loaded) return
    add(namespace, deployment)
    gathering ??= setTimeout(() => {
      gathering = undefined
      void work()
    }, gatherMs)
  }

  function add(namespace: string, deployment?: string): void {
    if (deployment !== undefined) return void dirty.add(`${namespace}/${deployment}`)
    for (const { name } of source.namespace(namespace)?.copies.deployments() ?? [])
      dirty.add(`${namespace}/${name}`)
    for (const id of shown.keys()) if (id.startsWith(`${namespace}/`)) dirty.add(id)
  }

  /** One after the other: what is found out later must be published later. */
  function work(): Promise<void> {
    working = (working ?? Promise.resolve())
      .then(lookAtAll)
      .catch((error: unknown) => log('console failed', { reason: reason(error) }))
    return working
  }

  async function lookAtAll(): Promise<void> {
    const byNamespace = new Map<string, string[]>()
    for (const id of dirty) push(byNamespace, id.slice(0, id.indexOf('/')), id)
    dirty.clear()
    for (const [name, ids] of byNamespace) {
      const namespace = source.namespace(name)
      const pods = groupPods(namespace)
      const replicaSets = groupReplicaSets(namespace)
      let count = 0
      let events: string[] = []
      for (const id of ids) {
        const deployment = id.slice(name.length + 1)
        const own = pods.get(deployment) ?? []
        events.push(...look(id, namespace, deployment, own, replicaSets.get(deployment) ?? []))
        count += own.length + 10
        if (count < podsPerTurn) continue
        publish(events)
        events = []
        count = 0
        await nextTurn()
        if (!loaded) return // forgotten meanwhile
      }
      publish(events)
    }
  }

  function look(
    id: string,
    namespace: Namespace | undefined,
    name: string,
    pods: readonly Pod[],
    replicaSets: readonly ReplicaSet[],
  ): string[] {
    const before = shown.get(id)
    const now = describe(id, namespace, name, pods, replicaSets)
    const events: string[] = []
    for (const [instance, json] of now?.instances ?? [])
      if (before?.instances.get(instance) !== json)
        events.push(`{"type":"instance_status","payload":${json}}`)
    for (const instance of before?.instances.keys() ?? [])
      if (!now?.instances.has(instance)) events.push(gone('instance_gone', instance))
    if (now) shown.set(id, now)
    else shown.delete(id)
    if (now && now.app !== before?.app) events.push(`{"type":"app_status","payload":${now.app}}`)
    if (!now && before) events.push(gone('app_gone', id))
    return events
  }

  function describe(
    id: string,
    namespace: Namespace | undefined,
    name: string,
    pods: readonly Pod[],
    allReplicaSets: readonly ReplicaSet[],
  ): Shown | undefined {
    const deployment = namespace?.copies.deployment(name)
    if (!namespace || !deployment) return undefined
    const services = namespace.copies.services()
    const record = namespace.record(name)
    const replicaSets = allReplicaSets.filter(({ controller }) => controller?.uid === deployment.uid)
    const byUid = new Map(replicaSets.map(replicaSet => [replicaSet.uid, replicaSet]))
    try {
      const why = source.why(deployment, pods, replicaSets)
      const app = describeApp({
        deployment,
        replicaSets,
        pods,
        services,
        record,
        why,
        tabs: tabs.ofApp(pods, record),
      })
      const instances = pods.map(pod =>
        describeInstance({
          deployment,
          pod,
          replicaSet: byUid.get(pod.controller?.uid ?? ''),
          record,
          services,
          status: source.statusOf(pod),
          tabs: tabs.ofPod(pod),
        }),
      )
      return {
        app: JSON.stringify(app),
        instances: new Map(instances.map(instance => [instance.id, JSON.stringify(instance)])),
      }
    } catch (error) {
      log('app not shown', { app: id, reason: reason(error) })
      return shown.get(id)
    }
  }
}

function gone(type: 'app_gone' | 'instance_gone', id: string): string {
  return JSON.stringify({ type, payload: { id } } satisfies ConsoleEvent)
}

/** By the name of their Deployment. */
function groupPods(namespace: Namespace | undefined): Map<string, Pod[]> {
  const groups = new Map<string, Pod[]>()
  for (const pod of namespace?.copies.pods() ?? []) {
    const deployment = deploymentOf(pod)
    if (deployment !== undefined) push(groups, deployment, pod)
  }
  return groups
}

function groupReplicaSets(namespace: Namespace | undefined): Map<string, ReplicaSet[]> {
  const groups = new Map<string, ReplicaSet[]>()
  for (const replicaSet of namespace?.copies.replicaSets() ?? [])
    if (replicaSet.controller?.kind === 'Deployment') push(groups, replicaSet.controller.name, replicaSet)
  return groups
}

function push<T>(groups: Map<string, T[]>, key: string, value: T): void {
  const group = groups.get(key)
  if (group) group.push(value)
  else groups.set(key, [value])
}
