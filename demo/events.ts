// Kubernetes' Events, as controllers and the kubelet write them. One that cannot be written is left out.

import { randomUUID } from 'node:crypto'
import type { Api } from '../release/api.ts'
import type { KubeObject } from './api-server/objects.ts'

export interface Happening {
  reason: string
  message: string
  /** Of a pod: which of its containers. */
  container?: string
  /** Default: Normal. */
  type?: 'Warning'
}

export type Recorder = (about: KubeObject, happening: Happening) => void

export function createRecorder(api: Pick<Api, 'request'>, component: string): Recorder {
  return ({ apiVersion, kind, metadata }, { reason, message, container, type = 'Normal' }) => {
    const { namespace, name, uid } = metadata
    const time = new Date().toISOString().replace(/\.\d+Z$/, 'Z')
    const fieldPath = container && `spec.containers{${container}}`
    const body = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${name}.${randomUUID().slice(0, 8)}`, namespace },
      involvedObject: { apiVersion, kind, namespace, name, uid, ...(fieldPath && { fieldPath }) },
      source: { component },
      type,
      reason,
      message,
      count: 1,
      firstTimestamp: time,
      lastTimestamp: time,
    }
    api.request({ method: 'POST', path: `/api/v1/namespaces/${namespace}/events`, body }).catch(() => {})
  }
}
