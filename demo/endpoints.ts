// Which ports a Service leads to: those of its ready pods, found by the port's name as the pods have it now. So it leads to the
// sidecar's front where there is one, although nobody has changed the Service.

import type { Log } from '../protocol/log.ts'
import type { Api } from '../release/api.ts'
import { parsePod, parseService, selects } from '../release/objects.ts'
import type { Pod, Service } from '../release/objects.ts'
import { isServing } from '../release/rollout.ts'
import { watchResource } from '../release/watch.ts'

export interface Endpoints {
  /** Ports of this machine. */
  ports(): number[]
  close(): Promise<void>
}

export interface EndpointsOptions {
  api: Api
  namespace: string
  /** The Service. */
  name: string
  /** Where a pod's port is on this machine. */
  portOf(uid: string, containerPort: number): number | undefined
  log: Log
}

export function watchEndpoints({ api, namespace, name, portOf, log }: EndpointsOptions): Endpoints {
  const path = `/api/v1/namespaces/${namespace}`
  const services = watchResource({ api, log, path: `${path}/services`, parse: parseService })
  const pods = watchResource({ api, log, path: `${path}/pods`, parse: parsePod })
  return { ports, close }

  function ports(): number[] {
    const service = services.objects.get(`${namespace}/${name}`)
    if (!service) return []
    return [...pods.objects.values()]
      .filter(pod => isServing(pod) && selects(service, pod.labels))
      .flatMap(pod => portOf(pod.uid, targetOf(service, pod)) ?? [])
  }

  async function close(): Promise<void> {
    await Promise.all([services.close(), pods.close()])
  }
}

function targetOf({ ports: [port] }: Service, { spec }: Pod): number {
  const target = port?.targetPort ?? 0
  if (typeof target === 'number') return target
  const named = spec.containers.flatMap(({ ports }) => ports).find(({ name }) => name === target)
  return named?.containerPort ?? 0
}
