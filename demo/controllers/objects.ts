// The objects of the controllers, with the fields that they read. They come from the demo's own API server, which has filled in the defaults.

import type { KubeObject } from '../api-server/objects.ts'

export interface Deployment extends KubeObject {
  spec: {
    replicas: number
    paused?: boolean
    strategy: { rollingUpdate?: { maxSurge?: number | string; maxUnavailable?: number | string } }
    selector: { matchLabels: Record<string, string> }
    template: PodTemplate
  }
  status?: Record<string, unknown>
}

export interface ReplicaSet extends KubeObject {
  spec: { replicas: number; template: PodTemplate }
  status?: {
    replicas?: number
    readyReplicas?: number
    availableReplicas?: number
    observedGeneration?: number
  }
}

export interface Pod extends KubeObject {
  status?: { phase?: string; conditions?: { type: string; status: string }[] }
}

export interface PodTemplate {
  metadata?: { labels?: Record<string, string>; annotations?: Record<string, string> }
  spec: Record<string, unknown>
}

export function annotationsOf({ metadata }: KubeObject): Record<string, string> {
  return (metadata.annotations ?? {}) as Record<string, string>
}

/** The reference with which what is made for `owner` names it. */
export function ownerReference({ apiVersion, kind, metadata: { name, uid } }: KubeObject) {
  return { apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true }
}

export function isOwnedBy(object: KubeObject, owner: KubeObject): boolean {
  return object.metadata.ownerReferences?.some(({ uid }) => uid === owner.metadata.uid) ?? false
}

/** The path of one object of apps/v1 or of a pod. */
export function pathOf({ apiVersion, kind, metadata }: KubeObject): string {
  return `${collectionPath(apiVersion, kind, metadata.namespace)}/${metadata.name}`
}

export function collectionPath(apiVersion: string, kind: string, namespace = ''): string {
  return `${apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`}/namespaces/${namespace}/${kind.toLowerCase()}s`
}
