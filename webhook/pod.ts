// A pod under admission. The raw JSON stays as it is, because the patch must touch nothing that we do not know; this reads it.
// Such a pod has no name and often no namespace yet: the first comes from `generateName` later, the second from the request.

import { containerName, label } from '../protocol/names.ts'
import { isObject, isString } from '../protocol/release.ts'
import { deploymentBehind, parsePodSpec } from '../release/objects.ts'
import type { PodSpec } from '../release/objects.ts'
import { list, object, string } from '../release/raw.ts'
import type { Raw } from '../release/raw.ts'

export interface NewPod {
  raw: Raw
  labels: Record<string, string>
  annotations: Record<string, string>
  /** The owner that controls it. */
  owner: { apiVersion: string; kind: string; name: string } | undefined
  hostNetwork: boolean
  windows: boolean
  spec: PodSpec
}

/** Takes anything; returns a pod, or undefined when it has no containers. */
export function parseNewPod(raw: unknown): NewPod | undefined {
  if (!isObject(raw) || !isObject(raw.spec) || !Array.isArray(raw.spec.containers)) return undefined
  const { spec } = raw
  const metadata = object(raw.metadata)
  const owner = list(metadata.ownerReferences).find(({ controller }) => controller === true)
  return {
    raw,
    labels: strings(metadata.labels),
    annotations: strings(metadata.annotations),
    owner: owner && {
      apiVersion: string(owner.apiVersion),
      kind: string(owner.kind),
      name: string(owner.name),
    },
    hostNetwork: spec.hostNetwork === true,
    windows:
      object(spec.os).name === 'windows' || object(spec.nodeSelector)[osLabel] === 'windows' || isTied(spec),
    spec: parsePodSpec(spec),
  }
}

const osLabel = 'kubernetes.io/os' // the kubelet writes it on its Node

/** Whether node affinity leaves Windows nodes only: of its terms one must hold, of a term's expressions all. */
function isTied({ affinity }: Raw): boolean {
  const { requiredDuringSchedulingIgnoredDuringExecution: required } = object(object(affinity).nodeAffinity)
  const terms = list(object(required).nodeSelectorTerms)
  return (
    terms.length > 0 &&
    terms.every(({ matchExpressions }) =>
      list(matchExpressions).some(
        ({ key, operator, values }) => key === osLabel && operator === 'In' && String(values) === 'windows',
      ),
    )
  )
}

/**
 * The Deployment behind a pod, by the name of its ReplicaSet, without asking the API server.
 * Undefined for other owners, and for ReplicaSets that nobody rolls out.
 */
export function deploymentOf({ owner, labels }: Pick<NewPod, 'owner' | 'labels'>): string | undefined {
  return isReplicaSet(owner) ? deploymentBehind(owner.name, labels[label.podTemplateHash] ?? '') : undefined
}

export function isReplicaSet(owner: NewPod['owner']): owner is NonNullable<NewPod['owner']> {
  return owner?.kind === 'ReplicaSet' && owner.apiVersion.startsWith('apps/')
}

/** Which of a pod's lists: in `initContainers` the sidecar is a native one (KEP-753). */
export type ContainerList = 'containers' | 'initContainers'

/** A raw container, and its place in the list. */
export interface Placed {
  container: Raw
  index: number
}

/** The raw containers, with their places in the list. */
export function containersOf(raw: Raw, where: ContainerList = 'containers'): Placed[] {
  const containers = object(raw.spec)[where]
  return Array.isArray(containers)
    ? containers.flatMap((container: unknown, index) => (isObject(container) ? [{ container, index }] : []))
    : []
}

export function containerOf(raw: Raw, name: string, where?: ContainerList): Placed | undefined {
  return containersOf(raw, where).find(({ container }) => container.name === name)
}

/** Our container, be it a plain one or native. */
export function sidecarOf(raw: Raw): (Placed & { where: ContainerList }) | undefined {
  for (const where of ['containers', 'initContainers'] as const) {
    const found = containerOf(raw, containerName, where)
    if (found) return { where, ...found }
  }
  return undefined
}

/** The raw ports of a raw container, with their places. */
export function portsOf(container: Raw): { port: Raw; index: number }[] {
  return Array.isArray(container.ports)
    ? container.ports.flatMap((port: unknown, index) => (isObject(port) ? [{ port, index }] : []))
    : []
}

function strings(data: unknown): Record<string, string> {
  return Object.fromEntries(
    Object.entries(object(data)).filter((entry): entry is [string, string] => isString(entry[1])),
  )
}
