// A scheduler and a kubelet that run nothing: pods are bound to a node of that name, reported as running and ready with an
// IP and an imageID per container, and taken away when deleted. What a test wants otherwise it sets here.
// As on a real node, a container's image is resolved when it starts: a later change of `images` re-pushes the tag.

import { createHash } from 'node:crypto'
import type { Api, KubernetesObject } from './api.ts'

/** What a test may set, at any time. */
export interface Behaviour {
  /** Image as written in a pod → the 64 hex digits of what its tag stands for now. Others get digits made of their name. */
  images: Map<string, string>
  /** How imageID is written; a test may set its own. Default `repoDigest`. */
  formatImageId: ImageIdFormat
  /** How long deleted pods go on terminating. Default 0; it is read when the deletion is seen. */
  terminationMs: number
  /** Node → by how many milliseconds its clock is ahead of ours. */
  clockAheadMs: Map<string, number>
}

/** What it has of a behaviour holds for the namespaces that have none of their own. */
export interface FakeKubelet extends Behaviour {
  /** The behaviour of one namespace's pods, so that several tests can share a cluster. It begins with the defaults. */
  behaviourIn: (namespace: string) => Behaviour
  /**
   * Holds pods back, those that are running included: before their containers start (`start`) or before they are ready
   * (`ready`, the default). Returns what lets them go on.
   */
  hold: (isHeld: (pod: Pod) => boolean, at?: 'start' | 'ready') => () => void
  /** Running containers end, and start again with what their tags mean now. */
  restart: (isMeant: (pod: Pod) => boolean) => void
  /** Ends the life of pods that terminate, whatever `terminationMs` said. */
  endTerminating: (isMeant?: (pod: Pod) => boolean) => void
  close: () => void
}

export type ImageIdFormat = (image: string, hex: string, pod: Pod, node: string) => string

/** The forms seen in clusters: a repo digest (pulled), a bare config digest (side-loaded) and plain hex (older CRI-O). */
export const imageIdFormats = {
  repoDigest: (image, hex) => `${repository(image)}@sha256:${hex}`,
  digest: (_image, hex) => `sha256:${hex}`,
  hex: (_image, hex) => hex,
} as const satisfies Record<string, ImageIdFormat>

export type Pod = KubernetesObject & {
  metadata: {
    namespace: string
    deletionTimestamp?: string
    labels?: Record<string, string>
    annotations?: Record<string, string>
  }
  spec: PodSpec
  status: PodStatus
}

interface PodSpec {
  nodeName?: string
  schedulingGates?: unknown[]
  initContainers?: Container[]
  containers: Container[]
}

interface Container {
  name: string
  image: string
  restartPolicy?: string
}

interface PodStatus {
  phase?: string
  conditions?: { type: string; status: string; lastTransitionTime?: string }[]
  containerStatuses?: { restartCount?: number }[]
}

/** What stays the same as long as its containers run. */
interface Sandbox {
  podIP: string
  restarts: number
  containers: Map<string, { containerID: string; imageID: string; startedAt: string }>
}

/** Registers the nodes and starts to run pods. `api` is the administrator's. */
export async function startFakeKubelet(
  api: Pick<Api, 'watch'> & { api: Api['request'] },
  { nodes = ['node-1', 'node-2'] }: { nodes?: string[] } = {},
): Promise<FakeKubelet> {
  for (const name of nodes) await register(name)
  const pods = new Map<string, Pod>() // by uid, as last seen
  const sandboxes = new Map<string, Sandbox>()
  const holds = new Set<{ isHeld: (pod: Pod) => boolean; at: 'start' | 'ready' }>()
  const ends = new Map<string, NodeJS.Timeout>()
  const writing = new Set<string>()
  let bound = 0
  let made = 0
  let isClosed = false
  const behaviours = new Map<string, Behaviour>()
  const kubelet: FakeKubelet = {
    ...defaultBehaviour(),
    behaviourIn,
    hold,
    restart,
    endTerminating,
    close,
  }
  const watch = api.watch('/api/v1/pods', ({ type, object }) => {
    const pod = object as Pod
    if (type === 'DELETED') return forget(pod.metadata.uid)
    pods.set(pod.metadata.uid, pod)
    sync(pod.metadata.uid)
  })
  return kubelet

  function behaviourIn(namespace: string): Behaviour {
    const behaviour = behaviours.get(namespace) ?? defaultBehaviour()
    behaviours.set(namespace, behaviour)
    return behaviour
  }

  function behaviourOf(pod: Pod): Behaviour {
    return behaviours.get(pod.metadata.namespace) ?? kubelet
  }

  function hold(isHeld: (pod: Pod) => boolean, at: 'start' | 'ready' = 'ready') {
    const held = { isHeld, at }
    holds.add(held)
    for (const uid of pods.keys()) sync(uid)
    return () => {
      holds.delete(held)
      for (const uid of pods.keys()) sync(uid)
    }
  }

  function restart(isMeant: (pod: Pod) => boolean) {
    for (const [uid, pod] of pods) {
      const sandbox = sandboxes.get(uid)
      if (!sandbox || !pod.spec.nodeName || !isMeant(pod)) continue
      const { podIP, restarts } = sandbox
      sandboxes.set(uid, { podIP, restarts: restarts + 1, containers: started(pod, pod.spec.nodeName) })
      sync(uid)
    }
  }

  function endTerminating(isMeant: (pod: Pod) => boolean = () => true) {
    for (const pod of pods.values()) if (pod.metadata.deletionTimestamp && isMeant(pod)) void remove(pod)
  }

  function close() {
    isClosed = true
    watch.close()
    for (const timer of ends.values()) clearTimeout(timer)
  }

  async function register(name: string) {
    const { status, body } = await api.api('POST', '/api/v1/nodes', { metadata: { name } })
    if (status !== 201 && status !== 409) throw new Error(`no node ${name}: ${JSON.stringify(body)}`)
  }

  function forget(uid: string) {
    pods.delete(uid)
    sandboxes.delete(uid)
    clearTimeout(ends.get(uid))
    ends.delete(uid)
  }

  /** One write at a time for each pod; what changed meanwhile is seen by the next round. */
  function sync(uid: string) {
    const pod = pods.get(uid)
    if (!pod || isClosed || writing.has(uid)) return
    if (pod.metadata.deletionTimestamp) return terminate(pod)
    const write = nextWrite(pod)
    if (!write) return
    writing.add(uid)
    void isAnswered(pod, write).then(answered => {
      writing.delete(uid)
      if (!answered) setTimeout(sync, 100, uid).unref()
      else if (pods.get(uid) !== pod) sync(uid) // otherwise the event of our write tells
      return undefined
    })
  }

  /** Refused is answered too: then the pod is not what we took it for, and its next event says what it is. */
  async function isAnswered(pod: Pod, write: () => ReturnType<Api['request']>): Promise<boolean> {
    try {
      const { status, body } = await write()
      // What we wrote counts before its event comes, so that it is not written again.
      if (status === 200 && pods.get(pod.metadata.uid) === pod) pods.set(pod.metadata.uid, body as Pod)
      return status !== 429 && status < 500
    } catch {
      return false // the API server restarts
    }
  }

  function nextWrite(pod: Pod): (() => ReturnType<Api['request']>) | undefined {
    const path = pathOf(pod)
    const { nodeName, schedulingGates = [] } = pod.spec
    if (!nodeName) {
      if (schedulingGates.length > 0 || isBound(pod)) return undefined
      const target = { kind: 'Node', name: nodes[bound++ % nodes.length] }
      return () => api.api('POST', `${path}/binding`, { metadata: { name: pod.metadata.name }, target })
    }
    if (!nodes.includes(nodeName)) return undefined
    const status = statusOf(pod, nodeName)
    const isSaid = restartsOf(status) === restartsOf(pod.status) && isReady(status) === isReady(pod.status)
    if (isReported(pod) && status.phase === pod.status.phase && isSaid) return undefined
    return () => api.api('PATCH', `${path}/status`, { metadata: { uid: pod.metadata.uid }, status })
  }

  /** Bound by us, but the event that tells the node's name has not come yet. */
  function isBound(pod: Pod): boolean {
    return (pod.status.conditions ?? []).some(
      ({ type, status }) => type === 'PodScheduled' && status === 'True',
    )
  }

  function statusOf(pod: Pod, node: string) {
    const held = [...holds].filter(({ isHeld }) => isHeld(pod)).map(({ at }) => at)
    const hasSandbox = sandboxes.has(pod.metadata.uid)
    if (held.includes('start') && !hasSandbox) return waitingStatus(pod)
    return runningStatus(pod, sandboxOf(pod, node), held.length === 0)
  }

  function sandboxOf(pod: Pod, node: string): Sandbox {
    const { uid } = pod.metadata
    const known = sandboxes.get(uid)
    if (known) return known
    made++
    const podIP = `10.244.${made >> 8}.${made & 255}`
    const sandbox: Sandbox = { podIP, restarts: 0, containers: started(pod, node) }
    sandboxes.set(uid, sandbox)
    return sandbox
  }

  function started(pod: Pod, node: string): Sandbox['containers'] {
    const { images, formatImageId, clockAheadMs } = behaviourOf(pod)
    const startedAt = timestamp(clockAheadMs.get(node))
    const all = [...(pod.spec.initContainers ?? []), ...pod.spec.containers]
    return new Map(
      all.map(({ name, image }) => {
        const hex = images.get(image) ?? pinned(image) ?? sha256(image)
        const imageID = formatImageId(image, hex, pod, node)
        return [name, { containerID: `containerd://${sha256(pod.metadata.uid + name)}`, imageID, startedAt }]
      }),
    )
  }

  function terminate(pod: Pod) {
    const { uid } = pod.metadata
    if (ends.has(uid)) return
    ends.set(
      uid,
      setTimeout(() => void remove(pod), behaviourOf(pod).terminationMs),
    )
  }

  async function remove(pod: Pod): Promise<void> {
    const { uid } = pod.metadata
    try {
      const { status } = await api.api('DELETE', pathOf(pod), {
        gracePeriodSeconds: 0,
        preconditions: { uid },
      })
      if (status !== 429 && status < 500) return
    } catch {
      // The API server restarts.
    }
    if (!isClosed)
      ends.set(
        uid,
        setTimeout(() => void remove(pod), 100),
      )
  }
}

function defaultBehaviour(): Behaviour {
  return {
    images: new Map(),
    formatImageId: imageIdFormats.repoDigest,
    terminationMs: 0,
    clockAheadMs: new Map(),
  }
}

function waitingStatus(pod: Pod) {
  return {
    phase: 'Pending',
    conditions: conditions(pod, { Initialized: false, ContainersReady: false, Ready: false }),
    initContainerStatuses: (pod.spec.initContainers ?? []).map(waiting),
    containerStatuses: pod.spec.containers.map(waiting),
  }
}

function waiting({ name, image }: Container) {
  const state = { waiting: { reason: 'ContainerCreating' } }
  return { name, image, imageID: '', ready: false, started: false, restartCount: 0, state }
}

function runningStatus(pod: Pod, { podIP, restarts, containers }: Sandbox, ready: boolean) {
  const running = (container: Container, isReady: boolean) => {
    const { imageID, containerID, startedAt } = containers.get(container.name)!
    const { name, image } = container
    const state = { running: { startedAt } }
    return { name, image, imageID, containerID, ready: isReady, started: true, restartCount: restarts, state }
  }
  const completed = (container: Container) => {
    const status = running(container, true)
    const { startedAt } = status.state.running
    const terminated = {
      exitCode: 0,
      reason: 'Completed',
      startedAt,
      finishedAt: startedAt,
      containerID: status.containerID,
    }
    return { ...status, started: false, state: { terminated } }
  }
  return {
    phase: 'Running',
    podIP,
    podIPs: [{ ip: podIP }],
    hostIP: '192.0.2.10',
    hostIPs: [{ ip: '192.0.2.10' }],
    startTime: containers.values().next().value?.startedAt,
    conditions: conditions(pod, { Initialized: true, ContainersReady: ready, Ready: ready }),
    initContainerStatuses: (pod.spec.initContainers ?? []).map(container =>
      // restartPolicy Always makes an init container a sidecar: it goes on running.
      container.restartPolicy === 'Always' ? running(container, true) : completed(container),
    ),
    containerStatuses: pod.spec.containers.map(container => running(container, ready)),
  }
}

/** All of the pod's conditions: those named with their new status, the others as they are. */
function conditions(pod: Pod, changes: Record<string, boolean>) {
  const before = pod.status.conditions ?? []
  const kept = before.filter(({ type }) => !(type in changes))
  const changed = Object.entries(changes).map(([type, isTrue]) => {
    const status = isTrue ? 'True' : 'False'
    const old = before.find(condition => condition.type === type)
    return old?.status === status ? old : { type, status, lastTransitionTime: timestamp() }
  })
  return [...kept, ...changed]
}

function isReported(pod: Pod): boolean {
  return pod.status.containerStatuses !== undefined
}

function restartsOf({ containerStatuses: [first] = [] }: PodStatus): number {
  return first?.restartCount ?? 0
}

function isReady(status: PodStatus): boolean {
  return (status.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True')
}

function pathOf(pod: Pod): string {
  return `/api/v1/namespaces/${pod.metadata.namespace}/pods/${pod.metadata.name}`
}

/** The image without tag and digest. A colon before the last slash belongs to the registry's port. */
function repository(image: string): string {
  return image.replace(/@.*$/, '').replace(/:[^/:]*$/, '')
}

function pinned(image: string): string | undefined {
  return /@sha256:([0-9a-f]{64})$/.exec(image)?.[1]
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** Kubernetes' times are whole seconds. */
function timestamp(aheadMs = 0): string {
  return new Date(Date.now() + aheadMs).toISOString().replace(/\.\d+Z$/, 'Z')
}
