// The life of one pod on the demo's only node: bound, started, reported, refreshed, ended and taken away.

import { patchType, refusal } from '../../release/api.ts'
import type { Api, ApiRequest } from '../../release/api.ts'
import type { Recorder } from '../events.ts'
import type { Images } from '../images.ts'
import type { Ports } from '../ports.ts'
import type { LogLine } from '../programs.ts'
import { openAddress } from './address.ts'
import { awaitImage, runContainer, timestamp } from './container.ts'
import type { RunningContainer } from './container.ts'
import type { Pod } from './objects.ts'
import { createSandbox } from './sandbox.ts'
import type { Sandbox } from './sandbox.ts'

export interface PodOptions {
  api: Api
  images: Images
  ports: Ports
  /** For its volumes. */
  dir: string
  /** As others see it. */
  address: string
  heard: PodListener
  record: Recorder
}

export interface PodListener {
  ready(pod: Pod): void
  ending(pod: Pod): void
  line(pod: Pod, line: LogLine): void
  /** A container ended by itself, for the `ends`th time. */
  crashed(pod: Pod, container: string, how: string, ends: number): void
  /** The kubelet itself could not do what it should. */
  failed(pod: Pod, error: unknown): void
}

export interface RunningPod {
  /** Takes the pod as it is now. */
  update(pod: Pod): void
  /** Where one of its ports is on this machine; undefined while it is not started. */
  port(wanted: number): number | undefined
  /** Ends it without ceremony; resolves when nothing of it runs any more. */
  kill(): Promise<void>
}

const nodeName = 'demo'

export function runPod(first: Pod, options: PodOptions): RunningPod {
  const { api, images, ports, dir, address, heard, record } = options
  let pod = first
  let sandbox: Sandbox | undefined
  let containers: RunningContainer[] = []
  let closeAddress: (() => void) | undefined
  let isEnding = false
  let isDead = false
  let isReady = false
  let isReportDue = false
  const startedAt = timestamp()
  let readySince = startedAt
  const starting = start()
  starting.catch((error: unknown) => heard.failed(pod, error))
  return { update, port: wanted => sandbox?.port(wanted), kill }

  async function start(): Promise<void> {
    if (!pod.spec.nodeName) await send({ method: 'POST', path: '/binding', body: binding() })
    const made = await createSandbox(pod, dir, ports)
    if (isDead) return
    sandbox = made
    closeAddress = openAddress(address, made.ports)
    if (!first.spec.nodeName)
      tell('Scheduled', `Successfully assigned ${pod.metadata.namespace}/${pod.metadata.name} to ${nodeName}`)
    containers = pod.spec.containers.map(spec => {
      const image = images.pull(spec.image)
      if (!image) {
        tell('Failed', `Failed to pull image "${spec.image}": not found`, spec.name, 'Warning')
        tell('BackOff', `Back-off pulling image "${spec.image}"`, spec.name)
        return awaitImage(spec)
      }
      tell('Pulled', `Successfully pulled image "${spec.image}"`, spec.name)
      return runContainer({
        spec,
        image,
        sandbox: made,
        pod: pod.metadata.name,
        onChange: changed,
        onLine: line => heard.line(pod, line),
        onStart: () => tell('Started', `Started container ${spec.name}`, spec.name),
        onEnd(how, ends) {
          heard.crashed(pod, spec.name, how, ends)
          tell('BackOff', `Back-off restarting failed container ${spec.name}`, spec.name, 'Warning')
        },
      })
    })
    changed()
  }

  function tell(reason: string, message: string, container?: string, type?: 'Warning'): void {
    if (!isDead) record(pod, { reason, message, ...(container && { container }), ...(type && { type }) })
  }

  function update(next: Pod): void {
    pod = next
    if (pod.metadata.deletionTimestamp) {
      if (!isEnding) end().catch((error: unknown) => heard.failed(pod, error))
    } else sandbox?.refresh(pod) // the kubelet refreshes no volume of a pod that ends
  }

  async function end(): Promise<void> {
    isEnding = true
    await starting
    heard.ending(pod)
    const graceMs = 1000 * pod.spec.terminationGracePeriodSeconds
    await Promise.all(containers.map(container => container.stop(graceMs)))
    closeAddress?.()
    await send({ method: 'DELETE', query: { gracePeriodSeconds: 0 } })
  }

  async function kill(): Promise<void> {
    isDead = true
    closeAddress?.()
    await Promise.all(containers.map(container => container.kill()))
  }

  /** Containers change by twos and threes: one report for all. */
  function changed(): void {
    if (isReportDue) return
    isReportDue = true
    setImmediate(() => {
      isReportDue = false
      if (!isEnding && !isDead) report().catch((error: unknown) => heard.failed(pod, error))
    })
  }

  async function report(): Promise<void> {
    const wasReady = isReady
    isReady = containers.length > 0 && containers.every(container => container.isReady())
    if (isReady !== wasReady) readySince = timestamp()
    const status = {
      phase: 'Running',
      podIP: address,
      podIPs: [{ ip: address }],
      conditions: ['Ready', 'ContainersReady', 'Initialized', 'PodScheduled'].map(type => ({
        type,
        status: isReady || !type.endsWith('Ready') ? 'True' : 'False',
        lastTransitionTime: type.endsWith('Ready') ? readySince : startedAt,
      })),
      containerStatuses: containers.map(container => container.status()),
    }
    await send({ method: 'PATCH', path: '/status', contentType: patchType.merge, body: { status } })
    if (isReady && !wasReady) heard.ready(pod)
  }

  /** What has gone in the meantime needs nothing any more. */
  async function send({ path = '', ...request }: Partial<ApiRequest>): Promise<void> {
    const { namespace, name } = pod.metadata
    const whole = `/api/v1/namespaces/${namespace}/pods/${name}${path}`
    const response = await api.request({ ...request, path: whole })
    if (response.status >= 300 && response.status !== 404 && !isDead)
      throw new Error(`${request.method} ${whole}: ${refusal(response)}`)
  }

  function binding() {
    const { name } = pod.metadata
    return {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name },
      target: { apiVersion: 'v1', kind: 'Node', name: nodeName },
    }
  }
}
