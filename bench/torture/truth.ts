// What the API server says of a Deployment, noted as it says it. Shares no code with what it is to judge.

import type { KubernetesObject } from '../../test/cluster/api.ts'
import type { ControlPlane } from '../../test/cluster/control-plane.ts'
import { isInjected } from '../../test/tier3/installation.ts'
import type { World } from './log.ts'

interface Deployment {
  metadata: { generation: number; annotations?: Record<string, string> }
  spec: { replicas: number; template: object }
  status: {
    observedGeneration?: number
    replicas?: number
    updatedReplicas?: number
    availableReplicas?: number
  }
}

interface Pod {
  metadata: { name: string; uid: string; labels: Record<string, string>; deletionTimestamp?: string }
  spec: { containers: { name: string }[]; initContainers?: { name: string }[] }
  status: {
    conditions?: { type: string; status: string }[]
    containerStatuses?: { name: string; imageID: string }[]
  }
}

export interface Truth {
  readonly worlds: World[]
  close(): void
}

/** Watches the Deployment `web` of a namespace in which nothing else is. */
export function watchTruth(cluster: Pick<ControlPlane, 'watch'>, namespace: string): Truth {
  const worlds: World[] = []
  const pods = new Map<string, Pod>()
  let deployment: Deployment | undefined
  const watches = [
    cluster.watch(`/apis/apps/v1/namespaces/${namespace}/deployments`, ({ object }) => {
      deployment = object as unknown as Deployment
      note()
    }),
    cluster.watch(`/api/v1/namespaces/${namespace}/pods`, ({ type, object }) => {
      if (type === 'DELETED') pods.delete(object.metadata.uid)
      else pods.set(object.metadata.uid, object as KubernetesObject & Pod)
      note()
    }),
  ]
  return { worlds, close: () => watches.forEach(watch => watch.close()) }

  function note(): void {
    if (!deployment) return
    const world = worldOf(deployment, [...pods.values()])
    const { at: _, ...last } = worlds.at(-1) ?? { at: 0 }
    if (JSON.stringify(last) !== JSON.stringify(world)) worlds.push({ at: Date.now(), ...world })
  }
}

/** Takes a Deployment and all its pods. */
export function worldOf({ metadata, spec, status }: Deployment, pods: readonly Pod[]): Omit<World, 'at'> {
  const serving = pods.filter(isServing)
  const hashes = new Set(serving.map(({ metadata }) => metadata.labels['pod-template-hash']))
  const { observedGeneration = 0, replicas = 0, updatedReplicas = 0, availableReplicas = 0 } = status
  const counts = [replicas, updatedReplicas, availableReplicas, serving.length]
  return {
    generation: metadata.generation,
    template: JSON.stringify(spec.template),
    isComplete:
      observedGeneration >= metadata.generation &&
      hashes.size <= 1 &&
      counts.every(count => count === spec.replicas),
    serving: [...new Set(serving.map(digestOf))].sort(),
    isBare: !pods.every(isInjected),
  }
}

function isServing({ metadata, status }: Pod): boolean {
  const isReady = status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')
  return !metadata.deletionTimestamp && isReady === true
}

function digestOf({ status }: Pod): string {
  const image = status.containerStatuses?.find(({ name }) => name === 'web')?.imageID ?? ''
  return /[0-9a-f]{64}$/.exec(image)?.[0] ?? ''
}
