// A scheduler and a kubelet for one machine without containers: what an image would run is started as it is, the apps in this
// process and the sidecars as processes of their own.

import { join } from 'node:path'
import type { Log } from '../../protocol/log.ts'
import type { Api } from '../../release/api.ts'
import { watchResource } from '../../release/watch.ts'
import type { Recorder } from '../events.ts'
import type { Images } from '../images.ts'
import type { Ports } from '../ports.ts'
import { createAddresses } from './address.ts'
import type { Pod } from './objects.ts'
import { runPod } from './pod.ts'
import type { PodListener, RunningPod } from './pod.ts'

export interface KubeletOptions {
  api: Api
  images: Images
  ports: Ports
  /** For the pods' volumes. A short path: it holds unix sockets, whose paths have at most 104 bytes. */
  dir: string
  heard: PodListener
  record: Recorder
  log: Log
}

export interface Kubelet {
  /** Where a port of a pod is on this machine. */
  port(uid: string, containerPort: number): number | undefined
  /** Ends every pod without ceremony. */
  close(): Promise<void>
}

/** Starts at once. */
export function runKubelet({ api, images, ports, dir, heard, record, log }: KubeletOptions): Kubelet {
  const pods = new Map<string, RunningPod>()
  const addresses = createAddresses()
  let started = 0
  const watch = watchResource({
    api,
    log,
    path: '/api/v1/pods',
    parse: raw => raw as Pod,
    onChange: ({ type, object }) => (type === 'delete' ? forget(object) : sync(object)),
  })
  return { port: (uid, containerPort) => pods.get(uid)?.port(containerPort), close }

  function sync(pod: Pod): void {
    const { uid = '' } = pod.metadata
    const known = pods.get(uid)
    if (known) return known.update(pod)
    const [address, folder] = [addresses.next(), join(dir, `p${++started}`)]
    pods.set(uid, runPod(pod, { api, images, ports, dir: folder, address, heard, record }))
  }

  function forget({ metadata: { uid = '' } }: Pod): void {
    void pods.get(uid)?.kill()
    pods.delete(uid)
  }

  async function close(): Promise<void> {
    await watch.close()
    await Promise.all([...pods.values()].map(pod => pod.kill()))
  }
}
