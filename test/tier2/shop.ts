// One labelled namespace of its own in a cluster that several tests share: its pods behave as this test wants, and what is told of
// its Deployments is written down.

import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { parseReleaseState } from '../../protocol/release.ts'
import type { ReleaseState } from '../../protocol/release.ts'
import type { ControlPlane } from '../cluster/control-plane.ts'
import type { Behaviour, FakeKubelet, Pod } from '../cluster/fake-kubelet.ts'
import { until } from '../cluster/wait.ts'

export interface Shop {
  namespace: string
  /** Of this namespace's pods. */
  behaviour: Behaviour
  /** Holds this namespace's pods back, as {@link FakeKubelet.hold} does. */
  hold(isHeld: (pod: Pod) => boolean, at?: 'start' | 'ready'): () => void
  /** Every state that the Release of `web` has had, in the order in which it was written. */
  states: ReleaseState[]
  statesOf(name: string): ReleaseState[]
  /** The state that each pod carried when it was created. */
  stampAtBirth: Map<string, ReleaseState | undefined>
  apply(...objects: Manifest[]): Promise<void>
  /** A strategic merge patch of a Deployment. */
  patch(name: string, patch: object): Promise<void>
  setImage(image: string, name?: string): Promise<void>
  /** By the subresource, as the HPA does. */
  scale(replicas: number, name?: string): Promise<void>
  /** As `kubectl rollout restart` does. */
  restart(name?: string): Promise<void>
  kubectl(command: string): Promise<string>
  pods(): Promise<Pod[]>
  /** Those that do not terminate. */
  living(): Promise<Pod[]>
  /** Waits until the newest state satisfies, and every living injected pod of that Deployment carries it. */
  told(what: string, isMeant: (state: ReleaseState) => boolean, name?: string): Promise<ReleaseState>
  /** Waits until the revision is ready with that version, and told. */
  ready(revision: number, id: string, name?: string): Promise<ReleaseState>
  /** Rolls out by `change`, the new pods held back until `rolling` is told: so both phases are seen. */
  roll(change: () => Promise<unknown>, revision: number, id: string, name?: string): Promise<ReleaseState>
  /** Waits until kubectl calls the rollout complete. */
  rolledOut(name?: string): Promise<string>
  /** Waits until the Deployment satisfies, and the webhook has had the time to say something about it. */
  settled(what: string, isMeant: (deployment: Deployment) => boolean, name?: string): Promise<void>
  close(): void
}

export interface Manifest {
  apiVersion: string
  kind: string
  metadata: { name: string }
  [field: string]: unknown
}

export interface Deployment {
  metadata: { uid: string; generation: number }
  spec: { replicas: number }
  status: {
    observedGeneration?: number
    updatedReplicas?: number
    readyReplicas?: number
    replicas?: number
    conditions?: { type: string; status: string; reason: string }[]
  }
}

const saysNothingMs = 300 // the webhook gathers moves for 20 ms and writes within a few

/** Makes the namespace. Without `label` it is not opted in. */
export async function openShop(
  cluster: ControlPlane,
  kubelet: FakeKubelet,
  namespace: string,
  label = true,
): Promise<Shop> {
  const labels = label ? { 'spa-reloader.io/inject': 'enabled' } : {}
  await expect('POST', '/api/v1/namespaces', { metadata: { name: namespace, labels } })
  // The service account admission refuses pods before it is there.
  await until('the service account', async () => {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/default`
    return (await cluster.api('GET', path)).status === 200
  })
  const histories = new Map<string, ReleaseState[]>()
  const states = statesOf('web')
  const stampAtBirth = new Map<string, ReleaseState | undefined>()
  const releases = cluster.watch(
    `/apis/spa-reloader.io/v1/namespaces/${namespace}/releases`,
    ({ type, object }) => {
      const state = parseReleaseState(object.status)
      if (!state || type === 'DELETED') return
      const history = statesOf(state.name)
      if (JSON.stringify(state) !== JSON.stringify(history.at(-1))) history.push(state)
    },
  )
  const births = cluster.watch(`/api/v1/namespaces/${namespace}/pods`, ({ type, object }) => {
    if (type === 'ADDED') stampAtBirth.set(object.metadata.name, stampOf(object as Pod))
  })
  const apps = `/apis/apps/v1/namespaces/${namespace}/deployments`
  let restarts = 0
  return {
    namespace,
    behaviour: kubelet.behaviourIn(namespace),
    hold: (isHeld, at) => kubelet.hold(pod => pod.metadata.namespace === namespace && isHeld(pod), at),
    states,
    statesOf,
    stampAtBirth,
    apply,
    patch,
    setImage: (image, name = 'web') => patch(name, templatePatch({ containers: [{ name: 'web', image }] })),
    scale: (replicas, name = 'web') =>
      expect('PATCH', `${apps}/${name}/scale`, { spec: { replicas } }).then(() => {}),
    restart: (name = 'web') => {
      const restartedAt = `${new Date().toISOString()}-${restarts++}` // kubectl's own refuses twice within a second
      return patch(name, templatePatch({}, { 'kubectl.kubernetes.io/restartedAt': restartedAt }))
    },
    kubectl: command => cluster.kubectl(['-n', namespace, ...command.split(' ')]),
    pods,
    living,
    told,
    ready,
    roll,
    rolledOut: (name = 'web') =>
      cluster.kubectl(['-n', namespace, 'rollout', 'status', `deployment/${name}`, '--timeout=5m']),
    settled,
    close() {
      releases.close()
      births.close()
    },
  }

  function statesOf(name: string): ReleaseState[] {
    const history = histories.get(name) ?? []
    histories.set(name, history)
    return history
  }

  async function expect(method: string, path: string, body: unknown, contentType?: string): Promise<unknown> {
    const answer = await cluster.api(method, path, body, contentType)
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${JSON.stringify(answer.body)}`)
    return answer.body
  }

  async function apply(...objects: Manifest[]): Promise<void> {
    for (const object of objects) {
      const { apiVersion, kind, metadata } = object
      const root = apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`
      const path = `${root}/namespaces/${namespace}/${kind.toLowerCase()}s/${metadata.name}`
      await expect('PATCH', `${path}?fieldManager=test&force=true`, object, 'application/apply-patch+yaml')
    }
  }

  async function patch(name: string, patch: object): Promise<void> {
    await expect('PATCH', `${apps}/${name}`, patch, 'application/strategic-merge-patch+json')
  }

  async function pods(): Promise<Pod[]> {
    const { body } = await cluster.api<{ items: Pod[] }>('GET', `/api/v1/namespaces/${namespace}/pods`)
    return body.items
  }

  async function living(): Promise<Pod[]> {
    return (await pods()).filter(({ metadata }) => !metadata.deletionTimestamp)
  }

  function told(
    what: string,
    isMeant: (state: ReleaseState) => boolean,
    name = 'web',
  ): Promise<ReleaseState> {
    const history = statesOf(name)
    return until(
      () => `${what} in ${namespace}; the states were ${JSON.stringify(history.map(short))}`,
      async () => {
        const state = history.at(-1)
        if (!state || !isMeant(state)) return undefined
        const injected = (await living()).filter(pod => isInjected(pod) && isOf(pod, name))
        return injected.every(pod => stampOf(pod)?.serial === state.serial) && state
      },
    )
  }

  function ready(revision: number, id: string, name?: string): Promise<ReleaseState> {
    const isMeant = (state: ReleaseState) =>
      state.phase === 'ready' && state.revision === revision && state.target.id === id
    return told(`${revision} ready ${id.slice(0, 4)}`, isMeant, name)
  }

  async function roll(change: () => Promise<unknown>, revision: number, id: string, name?: string) {
    const old = new Set((await pods()).map(({ metadata }) => metadata.uid))
    const letGo = hold(pod => !old.has(pod.metadata.uid))
    await change()
    const isRolling = (state: ReleaseState) =>
      state.phase === 'rolling' && state.revision === revision && state.target.id === id
    await told(`${revision} rolling ${id.slice(0, 4)}`, isRolling, name)
    letGo()
    return ready(revision, id, name)
  }

  function hold(isHeld: (pod: Pod) => boolean): () => void {
    return kubelet.hold(pod => pod.metadata.namespace === namespace && isHeld(pod))
  }

  async function settled(what: string, isMeant: (deployment: Deployment) => boolean, name = 'web') {
    await until(`${what} in ${namespace}`, async () => {
      const { body } = await cluster.api<Deployment & { kind: string }>('GET', `${apps}/${name}`)
      return body.status.observedGeneration === body.metadata.generation && isMeant(body)
    })
    await delay(saysNothingMs)
  }
}

/** The image of the app's container. */
export function imageOf(pod: Pod): string | undefined {
  return pod.spec.containers.find(({ name }) => name === 'web')?.image
}

/** Rolls out an image that cannot be pulled: the first new pod is there and waits, as `message` says. Returns it, and what lets such pods start. */
export async function rollOutMissing(cluster: Pick<ControlPlane, 'api'>, shop: Shop, message: string) {
  const image = 'web:missing'
  const forget = shop.hold(pod => imageOf(pod) === image, 'start')
  await shop.setImage(image)
  const [stuck] = await waitingPods(shop, 1, pod => imageOf(pod) === image)
  await sayWaiting(cluster, stuck, {
    web: { reason: 'ImagePullBackOff', message },
    'spa-reloader': { reason: 'PodInitializing' },
  })
  return { stuck, forget }
}

/** Waits until so many pods are held back from starting, and the kubelet has said so: it will write nothing more about them. */
export function waitingPods(shop: Shop, count: 1, isMeant: (pod: Pod) => boolean): Promise<[Pod]>
export function waitingPods(shop: Shop, count: number, isMeant: (pod: Pod) => boolean): Promise<Pod[]>
export function waitingPods(shop: Shop, count: number, isMeant: (pod: Pod) => boolean): Promise<Pod[]> {
  return until(`${count} pods that wait in ${shop.namespace}`, async () => {
    const all = (await shop.living()).filter(pod => isMeant(pod) && pod.status.containerStatuses)
    return all.length === count && all
  })
}

/** As a kubelet says it of containers that have not started: each name with its reason, and a message. */
export async function sayWaiting(
  { api }: Pick<ControlPlane, 'api'>,
  pod: Pod,
  waiting: Record<string, { reason: string; message?: string }>,
): Promise<void> {
  const { name, namespace } = pod.metadata
  const containerStatuses = Object.entries(waiting).map(([container, why]) => ({
    name: container,
    image: '',
    imageID: '',
    ready: false,
    restartCount: 0,
    state: { waiting: why },
  }))
  const { status } = await api('PATCH', `/api/v1/namespaces/${namespace}/pods/${name}/status`, {
    status: { containerStatuses },
  })
  if (status !== 200) throw new Error(`the status was refused: ${status}`)
}

/** A patch of a Deployment's pod template. */
export function templatePatch(spec: object, annotations?: Record<string, string>): object {
  return { spec: { template: { ...(annotations && { metadata: { annotations } }), spec } } }
}

/** The condition of a Deployment whose rollout makes no progress. */
export function isDeadline({ type, reason }: { type: string; reason: string }): boolean {
  return type === 'Progressing' && reason === 'ProgressDeadlineExceeded'
}

export function isInjected(pod: Pod): boolean {
  const { containers, initContainers = [] } = pod.spec
  return [...containers, ...initContainers].some(({ name }) => name === 'spa-reloader')
}

export function stampOf(pod: Pod): ReleaseState | undefined {
  const text = pod.metadata.annotations?.['spa-reloader.io/release']
  return text === undefined || text === '' ? undefined : parseReleaseState(JSON.parse(text))
}

function isOf(pod: Pod, deployment: string): boolean {
  return pod.metadata.name.replace(/-[^-]+-[^-]+$/, '') === deployment
}

/** `2 ready bbbb`: revision, phase and the first digits of the target's id. */
function short({ revision, phase, target }: ReleaseState): string {
  return `${revision} ${phase} ${target.id.slice(0, 4)}`
}

/**
 * What was told, as a story: for each phase of each revision how it ended, `2 ready b rollout a`: revision, phase, the first digit of the
 * id, why, and the first digit of the previous version's. `-` where there is none.
 */
export function story(states: readonly ReleaseState[]): string[] {
  const chapters = new Map<string, string>()
  for (const { epoch, revision, phase, target, why, previous } of states) {
    const line = `${revision} ${phase} ${target.id[0] ?? '-'} ${why} ${previous?.id[0] ?? '-'}`
    chapters.set(`${epoch} ${revision} ${phase}`, line)
  }
  return [...chapters.values()]
}

/** What holds of every sequence of states of one Deployment. */
export function checkHistory(t: Test, states: readonly ReleaseState[]): void {
  const wrong: string[] = []
  let last: ReleaseState | undefined
  for (const state of states) {
    const { epoch, serial, revision, phase, since, target, previous, live, known } = state
    const says = (problem: string) => wrong.push(`${problem}: ${JSON.stringify(state)}`)
    if (phase === 'ready') {
      if (target.id === '') says('ready without an id')
      const hashed = known.find(([key]) => key === target.hash)?.[1]
      const isLive = live.some(({ id }) => id === target.id)
      // Scaled to 0 and back: until a pod has reported, nobody knows what the hash stands for.
      if (hashed !== target.id && (isLive || hashed !== '')) says('the target is not known by its hash')
      if (!known.some(([, id]) => id === target.id)) says('the target is not known')
    }
    if (previous && previous.id === target.id) says('previous is the target')
    const isSameRevision = last?.epoch === epoch && last.revision === revision
    const becomesReady = phase === 'ready' && !(isSameRevision && last?.phase === 'ready')
    if (becomesReady && !live.some(({ id }) => id === target.id)) says('ready, but not live')
    if (last?.epoch === epoch) {
      if (serial !== last.serial + 1) says(`serial after ${last.serial}`)
      if (revision < last.revision) says('a revision goes back')
      if (since < last.since) says('since goes back')
      if (isSameRevision && last.phase === 'ready') {
        if (phase !== 'ready') says('back from ready')
        if (target.id !== last.target.id) says('another id within a ready revision')
      }
    } else if (serial !== 1) says('an epoch does not start at serial 1')
    last = state
  }
  t.same(wrong, [], 'every state follows from the one before')
}
