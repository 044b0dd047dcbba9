// A Kubernetes object as the API server keeps it: the whole JSON, of which only the metadata has a known shape.

import { isObject, isString } from '../../protocol/release.ts'

export interface KubeObject {
  apiVersion: string
  kind: string
  metadata: Metadata
  [field: string]: unknown
}

export interface Metadata {
  name: string
  namespace?: string
  uid?: string
  resourceVersion?: string
  generation?: number
  labels?: Record<string, string>
  ownerReferences?: { uid: string; controller?: boolean }[]
  deletionTimestamp?: string
  [field: string]: unknown
}

/** Takes a request's body. An object may come without a name, when it has a generateName. */
export function parseObject(data: unknown): KubeObject | undefined {
  if (!isObject(data) || !isString(data.apiVersion) || !isString(data.kind)) return undefined
  const metadata = data.metadata ?? {}
  if (!isObject(metadata)) return undefined
  const { labels, ownerReferences, name } = metadata
  if (labels !== undefined && labels !== null && !(isObject(labels) && Object.values(labels).every(isString)))
    return undefined
  if (ownerReferences !== undefined && !Array.isArray(ownerReferences)) return undefined
  return { ...data, metadata: { ...metadata, name: isString(name) ? name : '' } } as KubeObject
}
