// One namespace's copies of what release states are worked out from, and which Deployments each change of them concerns.
// Where the record is kept is the caller's: in Release objects (webhook/), or in memory (standalone).

import { isDeepStrictEqual } from 'node:util'
import type { Log } from '../protocol/log.ts'
import type { Api } from './api.ts'
import { nextLapse } from './neighbours.ts'
import { deploymentOf, isOf, nextRelease } from './next.ts'
import { parseDeployment, parsePod, parseReplicaSet, parseService, selects } from './objects.ts'
import type { Deployment, Pod, ReplicaSet, Service } from './objects.ts'
import type { ReleaseRecord } from './record.ts'
import { watchResource } from './watch.ts'

export interface NamespaceCopiesOptions {
  api: Api
  namespace: string
  log: Log
  /** As of {@link watchResource}: how often everything is listed anew, in milliseconds. Default: only where it must be. */
  relistMs?: number
  /** Called when one of the watches, named by its resource, stops working, with what is wrong, and with undefined when it works again. */
  onTrouble?(resource: string, trouble: string | undefined): void
  /** Something moved that may change this Deployment's state. Called with its name, also when it is gone. */
  onMoved(deployment: string): void
}

export interface NamespaceCopies {
  /** Resolves when every kind of object has been listed: a state worked out from half of them would be wrong. */
  synced: Promise<void>
  deployments(): Deployment[]
  deployment(name: string): Deployment | undefined
  services(): Service[]
  /** All of the namespace. */
  pods(): Iterable<Pod>
  replicaSets(): Iterable<ReplicaSet>
  /** Those of its pods that run or are going to. */
  podsOf(deployment: Deployment): Pod[]
  replicaSetsOf(deployment: Deployment): ReplicaSet[]
  /** What {@link nextRelease} makes of the copies. */
  next(deployment: Deployment, last: ReleaseRecord | undefined, around: Around): ReleaseRecord | undefined
  /** After how many milliseconds the passing of time alone may change what {@link next} says at that moment; undefined where it does not. */
  againMs(deployment: Deployment, now: Date): number | undefined
  close(): Promise<void>
}

export interface Around {
  /** The last record of any Deployment: others may stand behind the same Services. */
  recordOf(deployment: string): ReleaseRecord | undefined
  /** The Namespace's annotations. */
  defaults: Record<string, string>
  now: Date
}

export function copyNamespace({
  api,
  namespace,
  log,
  relistMs,
  onTrouble,
  onMoved,
}: NamespaceCopiesOptions): NamespaceCopies {
  const core = `/api/v1/namespaces/${namespace}`
  const apps = `/apis/apps/v1/namespaces/${namespace}`
  const deployments = watchResource({
    ...common('deployments'),
    path: `${apps}/deployments`,
    parse: parseDeployment,
    onChange: ({ object }) => onMoved(object.name),
  })
  const replicaSets = watchResource({
    ...common('replicasets'),
    path: `${apps}/replicasets`,
    parse: parseReplicaSet,
    onChange: ({ object }) => object.controller?.kind === 'Deployment' && onMoved(object.controller.name),
  })
  const pods = watchResource({
    ...common('pods'),
    path: `${core}/pods`,
    parse: parsePod,
    onChange({ object, before }) {
      podMoved(object)
      // A Service that selects it no more, or a ReplicaSet that let go of it, lost a pod.
      if (before && !isDeepStrictEqual(before.labels, object.labels)) podMoved(before)
    },
  })
  const services = watchResource({
    ...common('services'),
    path: `${core}/services`,
    parse: parseService,
    onChange: allMoved, // also those that the Service does not select any more
  })
  const watches = [deployments, replicaSets, pods, services]
  const synced = listed()
  synced.catch(() => {}) // closed before: nobody has to hear
  return {
    synced,
    deployments: () => [...deployments.objects.values()],
    deployment: name => deployments.objects.get(`${namespace}/${name}`),
    services: () => [...services.objects.values()],
    pods: () => pods.objects.values(),
    replicaSets: () => replicaSets.objects.values(),
    podsOf,
    replicaSetsOf,
    next,
    againMs,
    close,
  }

  function common(resource: string) {
    return {
      api,
      log,
      ...(relistMs && { relistMs }),
      onTrouble: (trouble: string | undefined) => onTrouble?.(resource, trouble),
    }
  }

  async function listed(): Promise<void> {
    await Promise.all(watches.map(watch => watch.synced))
  }

  async function close(): Promise<void> {
    await Promise.all(watches.map(watch => watch.close()))
  }

  function podMoved(pod: Pod): void {
    if (pod.controller?.kind !== 'ReplicaSet') return
    const deployment = deploymentOf(pod)
    if (deployment !== undefined) onMoved(deployment)
    selectedMoved([...services.objects.values()].filter(service => selects(service, pod.labels)))
  }

  /** A Service connects Deployments: what is live behind it may have changed for each of them. */
  function selectedMoved(moved: readonly Service[]): void {
    for (const { name, template } of deployments.objects.values())
      if (moved.some(service => selects(service, template.labels))) onMoved(name)
  }

  function allMoved(): void {
    for (const { name } of deployments.objects.values()) onMoved(name)
  }

  function podsOf(deployment: Deployment): Pod[] {
    return [...pods.objects.values()].filter(pod => isOf(deployment, pod))
  }

  function replicaSetsOf({ uid }: Deployment): ReplicaSet[] {
    return [...replicaSets.objects.values()].filter(({ controller }) => controller?.uid === uid)
  }

  function next(
    deployment: Deployment,
    last: ReleaseRecord | undefined,
    { recordOf, defaults, now }: Around,
  ): ReleaseRecord | undefined {
    const world = {
      deployment,
      replicaSets: replicaSetsOf(deployment),
      pods: [...pods.objects.values()],
      services: [...services.objects.values()],
      defaults,
      others: otherRecords(deployment.name, recordOf),
    }
    return nextRelease(last, world, now)
  }

  function againMs(deployment: Deployment, now: Date): number | undefined {
    const shared = [...services.objects.values()].filter(service =>
      selects(service, deployment.template.labels),
    )
    // Hardly any is not ready: what costs more is asked of those.
    const neighbours = [...pods.objects.values()].filter(
      pod => !pod.ready && !isOf(deployment, pod) && shared.some(service => selects(service, pod.labels)),
    )
    return nextLapse(neighbours, now)
  }

  function otherRecords(name: string, recordOf: Around['recordOf']): ReleaseRecord[] {
    const names = [...deployments.objects.values()].map(deployment => deployment.name)
    return names.flatMap(other => (other === name ? [] : (recordOf(other) ?? [])))
  }
}
