// What a pod has of its own in a cluster: its network and its mounts. Here all pods share 127.0.0.1 and one file system, so each
// port of a pod becomes a free port of this machine, each mounted volume a folder, and the containers' environment says so.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { file, sidecarEnv } from '../../protocol/names.ts'
import type { Ports } from '../ports.ts'
import { fieldOf } from './objects.ts'
import type { Container, Pod } from './objects.ts'
import { createVolume } from './volume.ts'

export interface Sandbox {
  /** As the pod itself knows it. */
  podIP: string
  /** Each port of the pod → where it is on this machine. */
  ports: ReadonlyMap<number, number>
  /** Where a port of the pod is on this machine; by number, or by name as its container has it. */
  port(wanted: number | string, container?: Container): number | undefined
  environment(container: Container): Record<string, string>
  /** Brings the downward-API volumes up to date. */
  refresh(pod: Pod): void
}

const podIP = '127.0.0.1'
const isPortVariable = /(^|_)PORT$/

/** `dir` is a folder for the pod's volumes; it may not exist yet. A short one, for there will be unix sockets in it. */
export async function createSandbox(pod: Pod, dir: string, ports: Ports): Promise<Sandbox> {
  const mapped = new Map<number, number>()
  for (const number of pod.spec.containers.flatMap(portsOf))
    if (!mapped.has(number)) mapped.set(number, await ports.next())
  const volumes = (pod.spec.volumes ?? []).map(({ name, downwardAPI }) => {
    const folder = join(dir, name)
    mkdirSync(folder, { recursive: true })
    return { name, folder, items: downwardAPI?.items ?? [], volume: downwardAPI && createVolume(folder) }
  })
  refresh(pod)
  return { podIP, ports: mapped, port, environment, refresh }

  function port(wanted: number | string, container?: Container): number | undefined {
    const number =
      typeof wanted === 'number'
        ? wanted
        : container?.ports?.find(({ name }) => name === wanted)?.containerPort
    return number === undefined ? undefined : mapped.get(number)
  }

  function environment({ env = [], volumeMounts = [] }: Container): Record<string, string> {
    const variables: Record<string, string> = { [sidecarEnv.listenAddress]: podIP }
    for (const { name, value = '', valueFrom } of env) {
      const text = valueFrom ? fieldOf(pod, podIP, valueFrom.fieldRef.fieldPath) : value
      variables[name] = isPortVariable.test(name) ? String(port(Number(text)) ?? text) : text
    }
    for (const { name, mountPath } of volumeMounts) {
      const folder = volumes.find(volume => volume.name === name)?.folder
      if (folder && mountPath === file.podDir) variables[sidecarEnv.podDir] = folder
      if (folder && mountPath === file.runDir) variables[sidecarEnv.runDir] = folder
    }
    return variables
  }

  function refresh(pod: Pod): void {
    for (const { volume, items } of volumes)
      volume?.write(
        Object.fromEntries(
          items.map(({ path, fieldRef }) => [path, fieldOf(pod, podIP, fieldRef.fieldPath)]),
        ),
      )
  }
}

/** Declared, or said in the environment: a program need not declare what it listens on. */
function portsOf({ ports = [], env = [] }: Container): number[] {
  const said = env.filter(({ name }) => isPortVariable.test(name)).map(({ value }) => Number(value))
  return [...ports.map(({ containerPort }) => containerPort), ...said.filter(Number.isInteger)]
}
