// A history of one cluster, as snapshots of its objects: what the API server would show after each thing that happened.
// It stands in for the Deployment controller (rolling update, one pod more at most, none fewer), and it is the truth that signals are measured by.

import { parseDeployment, parsePod, parseReplicaSet, parseService } from '../../release/objects.ts'
import type { Deployment, Pod, ReplicaSet, Service } from '../../release/objects.ts'

/** What a page is made of: `A`, `B` and so on. Whoever has the same letter has the same page. */
export type Bytes = string

export interface Template {
  /** The pod-template-hash: the same template has the same one, whatever its image's tag has come to mean. */
  hash: string
  image: string
  bytes: Bytes
  /** What the nodes report for those bytes, in turn. Its first digit is the letter of the bytes. */
  digests?: string[]
}

export interface PodFacts {
  name: string
  deployment: string
  hash: string
  bytes: Bytes
  phase: 'starting' | 'ready' | 'terminating'
  /** The first snapshot of the rollout that it is part of. */
  begun: number
  startedAt: string
  /** Its container has failed and started again: how often. */
  restarts: number
  /** For the objects only. */
  replicaSet: string
  digest: string
}

export interface Snapshot {
  /** What has happened since the snapshot before. */
  says: string
  /** The first snapshot since the last rollout, removal or switch began. */
  begun: number
  pods: readonly PodFacts[]
  /** The pods that a request can reach. */
  serving: readonly PodFacts[]
  /** The bytes that each Deployment is to serve, and whether all of its pods that can be reached do. */
  deployments: readonly { name: string; bytes: Bytes; isDone: boolean }[]
  /** The objects, as the controller's caches hold them. */
  objects: {
    deployments: Deployment[]
    replicaSets: ReplicaSet[]
    pods: Pod[]
    services: Service[]
  }
}

export type History = ReturnType<typeof createHistory>

interface DeploymentFacts {
  name: string
  uid: string
  created: string
  generation: number
  observed: number
  revision: number
  replicas: number
  isLate: boolean
  template: Template
  replicaSets: {
    uid: string
    revision: number
    replicas: number
    created: string
    template: Template
  }[]
}

export function digest(text: string): string {
  return text.repeat(64).slice(0, 64)
}

/** Whose bytes an id or a digest names. */
export function bytesOf(id: string): Bytes {
  return id.slice(0, 1).toUpperCase()
}

/** Each method is something that happens to the cluster; it adds the snapshots that lead through it. */
export function createHistory() {
  const snapshots: Snapshot[] = []
  const deployments = new Map<string, DeploymentFacts>()
  let pods: PodFacts[] = []
  let selector: Record<string, string> = { app: 'shop' }
  let ticks = 0
  let begun = 0

  return {
    snapshots,
    deploy,
    rollOut,
    proceed,
    expire,
    push,
    fail,
    scale,
    remove,
    select,
  }

  /** A Deployment of two pods, both ready. */
  function deploy(name: string, template: Template): void {
    begun = snapshots.length
    const created = time()
    const uid = `${(++ticks).toString(16).padStart(8, '0')}-uid`
    deployments.set(name, {
      name,
      uid,
      created,
      template,
      generation: 1,
      observed: 1,
      revision: 1,
      replicas: 2,
      isLate: false,
      replicaSets: [
        {
          uid: `rs-${++ticks}`,
          revision: 1,
          replicas: 2,
          created: time(),
          template,
        },
      ],
    })
    start(name)
    start(name)
    settle(name)
    snap(`Deployment ${name} is there: two pods of ${template.image} are ready (version ${template.bytes})`)
  }

  /** `halfway`: it stops when the first old pod has left for the first new one. */
  function rollOut(name: string, template: Template, { halfway = false } = {}): void {
    const deployment = get(name)
    begun = snapshots.length
    deployment.template = template
    deployment.generation++
    snap(`${name} is to run ${template.image} (version ${template.bytes}), template ${template.hash}`)
    deployment.observed = deployment.generation
    deployment.revision++
    const existing = deployment.replicaSets.find(({ template: { hash } }) => hash === template.hash)
    const replicaSet = existing ?? {
      uid: `rs-${++ticks}`,
      revision: 0,
      replicas: 0,
      created: time(),
      template,
    }
    if (!existing) deployment.replicaSets.push(replicaSet)
    Object.assign(replicaSet, { template, revision: deployment.revision })
    for (const pod of old(name).filter(({ phase }) => phase === 'starting')) change(pod, 'terminating')
    if (current(name).length < deployment.replicas) start(name)
    snap(`revision ${deployment.revision} of ${name} begins: a pod of it starts`)
    proceed(name, { halfway })
  }

  /** A rollout goes on to its end. */
  function proceed(name: string, { halfway = false } = {}): void {
    const deployment = get(name)
    while (old(name).length > 0 || current(name).length < deployment.replicas) {
      if (settle(name)) snap(`a pod of revision ${deployment.revision} of ${name} becomes ready`)
      sweep()
      const [leaving] = old(name)
      if (leaving) change(leaving, 'terminating')
      if (current(name).length < deployment.replicas) start(name)
      snap(
        leaving
          ? `${leaving.name}, an old pod (version ${leaving.bytes}), starts to terminate`
          : 'a pod starts',
      )
      if (halfway) return
    }
    if (settle(name)) snap(`the last pod of revision ${deployment.revision} of ${name} becomes ready`)
    sweep()
    deployment.isLate = false
    snap('the old pods are gone')
  }

  /** The deadline of a rollout has passed. */
  function expire(name: string): void {
    get(name).isLate = true
    snap(`the progress deadline of ${name} has passed`)
  }

  /** The tag of an image has come to mean other bytes. Pods that run go on with theirs. */
  function push(name: string, bytes: Bytes): void {
    const deployment = get(name)
    deployment.template = { ...deployment.template, bytes }
    replicaSetOf(name).template = deployment.template
    begun = snapshots.length
    snap(`the tag ${deployment.template.image} is pushed again: it is version ${bytes} now`)
  }

  /** The container of a pod ends and starts again, with what its tag means now; it is not ready yet. */
  function fail(name: string): void {
    const { bytes } = get(name).template
    const [pod] = current(name)
    if (!pod) throw new Error(`${name} has no pod`)
    const started = { bytes, digest: digest(bytes.toLowerCase()), restarts: pod.restarts + 1 }
    change(pod, 'starting', started)
    begun = snapshots.length
    snap(`the container of ${pod.name} ends and starts again, with version ${bytes}`)
  }

  /** `stuck`: the pods that are added never become ready. */
  function scale(name: string, replicas: number, { stuck = false } = {}): void {
    const deployment = get(name)
    // Pods that come after none are admitted with a state that is later than the ones that went.
    if (current(name).length === 0) begun = snapshots.length
    deployment.replicas = replicas
    deployment.observed = ++deployment.generation
    while (current(name).length < replicas) start(name)
    for (const pod of current(name).slice(replicas)) change(pod, 'terminating')
    snap(`${name} is scaled to ${replicas}`)
    if (!stuck && settle(name)) snap(`all pods of ${name} are ready`)
    if (sweep()) snap('the pods that left are gone')
  }

  function remove(name: string): void {
    begun = snapshots.length
    for (const pod of pods) if (pod.deployment === name) change(pod, 'terminating')
    deployments.delete(name)
    snap(`Deployment ${name} is deleted, its pods start to terminate`)
    sweep()
    snap('they are gone')
  }

  function select(labels: Record<string, string>): void {
    begun = snapshots.length
    selector = labels
    snap(`the Service selects ${JSON.stringify(labels)}`)
  }

  function start(name: string): void {
    const { template } = get(name)
    const { hash, bytes, digests = [digest(bytes.toLowerCase())] } = template
    const number = ++ticks
    pods.push({
      name: `${name}-${hash}-${number}`,
      deployment: name,
      hash,
      bytes,
      phase: 'starting',
      begun,
      startedAt: time(),
      restarts: 0,
      replicaSet: replicaSetOf(name).uid,
      digest: digests[current(name).length % digests.length] ?? '',
    })
  }

  function replicaSetOf(name: string) {
    const { replicaSets, template } = get(name)
    const found = replicaSets.find(({ template: { hash } }) => hash === template.hash)
    if (!found) throw new Error(`${name} has no ReplicaSet of ${template.hash}`)
    return found
  }

  function living(name: string): PodFacts[] {
    return pods.filter(({ deployment, phase }) => deployment === name && phase !== 'terminating')
  }
  function current(name: string): PodFacts[] {
    const { uid } = replicaSetOf(name)
    return living(name).filter(({ replicaSet }) => replicaSet === uid)
  }
  function old(name: string): PodFacts[] {
    const { uid } = replicaSetOf(name)
    return living(name).filter(({ replicaSet }) => replicaSet !== uid)
  }

  function settle(name: string): boolean {
    const starting = current(name).filter(({ phase }) => phase === 'starting')
    for (const pod of starting) change(pod, 'ready')
    return starting.length > 0
  }

  function sweep(): boolean {
    const left = pods.filter(({ phase }) => phase !== 'terminating')
    const isChange = left.length < pods.length
    pods = left
    return isChange
  }

  function change(pod: PodFacts, phase: PodFacts['phase'], started: Partial<PodFacts> = {}): void {
    pods = pods.map(other => (other.name === pod.name ? { ...other, ...started, phase } : other))
  }

  function get(name: string): DeploymentFacts {
    const found = deployments.get(name)
    if (!found) throw new Error(`no Deployment ${name}`)
    return found
  }

  function time(): string {
    return new Date(Date.UTC(2026, 0, 1, 0, 0, ++ticks)).toISOString()
  }

  function snap(says: string): void {
    const isSelected = ({ deployment }: PodFacts) =>
      Object.entries(selector).every(([key, value]) => labelsOf(deployment)[key] === value)
    const serving = pods.filter(pod => pod.phase === 'ready' && isSelected(pod))
    for (const deployment of deployments.values())
      for (const replicaSet of deployment.replicaSets)
        replicaSet.replicas = pods.filter(
          pod => pod.replicaSet === replicaSet.uid && pod.phase !== 'terminating',
        ).length
    snapshots.push({
      says,
      begun,
      pods,
      serving,
      deployments: [...deployments.values()].map(({ name, template: { bytes } }) => {
        const own = serving.filter(({ deployment }) => deployment === name)
        return {
          name,
          bytes,
          isDone: own.length > 0 && own.every(pod => pod.bytes === bytes),
        }
      }),
      objects: {
        deployments: [...deployments.values()].map(facts => deploymentObject(facts, living(facts.name))),
        replicaSets: [...deployments.values()].flatMap(replicaSetObjects),
        pods: pods.map(podObject),
        services: [serviceObject(selector)],
      },
    })
    ticks++
  }

  function deploymentObject(facts: DeploymentFacts, own: PodFacts[]): Deployment {
    const { name, uid, created, generation, observed, revision, replicas, template } = facts
    return made(
      parseDeployment({
        metadata: {
          name,
          uid,
          generation,
          namespace: 'shop',
          creationTimestamp: created,
          resourceVersion: String(begun),
          annotations: {
            'deployment.kubernetes.io/revision': String(revision),
          },
        },
        spec: { replicas, template: templateObject(name, template) },
        status: {
          observedGeneration: observed,
          replicas: own.length,
          updatedReplicas: own.filter(({ replicaSet }) => replicaSet === replicaSetUid(facts)).length,
          availableReplicas: own.filter(({ phase }) => phase === 'ready').length,
          conditions: facts.isLate ? [{ type: 'Progressing', reason: 'ProgressDeadlineExceeded' }] : [],
        },
      }),
    )
  }
}

function replicaSetUid({ replicaSets, template }: DeploymentFacts): string | undefined {
  return replicaSets.find(({ template: { hash } }) => hash === template.hash)?.uid
}

function replicaSetObjects({ name, uid, replicaSets }: DeploymentFacts): ReplicaSet[] {
  return replicaSets.map(({ template, revision, replicas, created, uid: own }) =>
    made(
      parseReplicaSet({
        metadata: {
          name: `${name}-${template.hash}`,
          uid: own,
          namespace: 'shop',
          creationTimestamp: created,
          labels: { ...labelsOf(name), 'pod-template-hash': template.hash },
          annotations: {
            'deployment.kubernetes.io/revision': String(revision),
          },
          ownerReferences: [{ kind: 'Deployment', name, uid, controller: true }],
        },
        spec: { replicas, template: templateObject(name, template) },
      }),
    ),
  )
}

function podObject(facts: PodFacts): Pod {
  const { name, deployment, hash, phase, startedAt, restarts, replicaSet, digest } = facts
  const running = { startedAt }
  return made(
    parsePod({
      metadata: {
        name,
        uid: name,
        namespace: 'shop',
        creationTimestamp: startedAt,
        labels: {
          ...labelsOf(deployment),
          'pod-template-hash': hash,
          'spa-reloader.io/injected': 'true',
        },
        ownerReferences: [
          {
            kind: 'ReplicaSet',
            name: `${deployment}-${hash}`,
            uid: replicaSet,
            controller: true,
          },
        ],
        ...(phase === 'terminating' && { deletionTimestamp: startedAt }),
      },
      spec: { containers: [] },
      status: {
        conditions: [{ type: 'Ready', status: phase === 'starting' ? 'False' : 'True' }],
        containerStatuses:
          phase === 'starting' && restarts === 0
            ? []
            : [
                {
                  name: 'web',
                  imageID: `registry/web@sha256:${digest}`,
                  restartCount: restarts,
                  state: { running },
                },
              ],
      },
    }),
  )
}

function templateObject(name: string, { image }: Template) {
  return {
    metadata: { labels: labelsOf(name) },
    spec: {
      containers: [{ name: 'web', image, ports: [{ name: 'http', containerPort: 80 }] }],
    },
  }
}

function serviceObject(selector: Record<string, string>): Service {
  return made(
    parseService({
      metadata: { name: 'shop', namespace: 'shop' },
      spec: { selector, ports: [{ port: 80, targetPort: 'http' }] },
    }),
  )
}

function labelsOf(deployment: string): Record<string, string> {
  return { app: 'shop', deployment }
}

function made<T>(parsed: T | undefined): T {
  if (!parsed) throw new Error('the model made an object that does not parse')
  return parsed
}
