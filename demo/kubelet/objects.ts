// A pod, with the fields that the demo's kubelet goes by.

import type { KubeObject } from '../api-server/objects.ts'

export interface Pod extends KubeObject {
  spec: {
    nodeName?: string
    terminationGracePeriodSeconds: number
    containers: Container[]
    volumes?: Volume[]
  }
}

export interface Container {
  name: string
  image: string
  env?: { name: string; value?: string; valueFrom?: { fieldRef: { fieldPath: string } } }[]
  ports?: { name?: string; containerPort: number }[]
  readinessProbe?: Probe
  lifecycle?: { preStop?: { exec: { command: string[] } } }
  volumeMounts?: { name: string; mountPath: string }[]
}

export interface Probe {
  httpGet: { path: string; port: number | string }
  periodSeconds?: number
}

export interface Volume {
  name: string
  downwardAPI?: { items: { path: string; fieldRef: { fieldPath: string } }[] }
}

/** What a fieldRef speaks of; '' for what is not there, as the kubelet has it. */
export function fieldOf({ metadata }: Pod, podIP: string, fieldPath: string): string {
  const [, map, key = ''] = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(fieldPath) ?? []
  if (map) return stringsOf(metadata[map])[key] ?? ''
  switch (fieldPath) {
    case 'metadata.name':
      return metadata.name
    case 'metadata.namespace':
      return metadata.namespace ?? ''
    case 'metadata.labels':
      return Object.entries(stringsOf(metadata.labels))
        .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
        .join('\n')
    case 'status.podIPs':
      return podIP
    default:
      throw new Error(`the demo's kubelet does not know the field ${fieldPath}`)
  }
}

function stringsOf(data: unknown): Record<string, string> {
  return (data ?? {}) as Record<string, string>
}
