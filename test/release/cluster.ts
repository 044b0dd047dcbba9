// A tiny cluster for the rules: what the Deployment controller would have written, without running one.

import { nextRelease } from '../../release/next.ts'
import { parseDeployment, parsePod, parseReplicaSet, parseService } from '../../release/objects.ts'
import type { Pod, ReplicaSet } from '../../release/objects.ts'
import type { ReleaseRecord } from '../../release/record.ts'

export const digest = (letter: string) => letter.repeat(64).slice(0, 64)
export const a = digest('a')
export const b = digest('b')
export const c = digest('c')

interface PodFacts {
  hash: string
  digest?: string
  /** What the init container reports. */
  init?: string
  ready?: boolean
  /** RFC 3339. */
  readySince?: string
  terminating?: boolean
  finished?: boolean
  injected?: boolean
  imageID?: string
  labels?: Record<string, string>
  deployment?: string
  /** The uid of its ReplicaSet. */
  replicaSet?: string
  /** Seconds. */
  created?: number
  /** How often its containers were started again. */
  restarts?: number
}

interface ReplicaSetFacts {
  hash: string
  revision: number
  image: string
  /** The image of an init container that brings the app's files. */
  init?: string
  replicas?: number
  created?: number
  uid?: string
  /** The revisions that it had before. */
  history?: string
}

export interface Facts {
  revision: number
  replicas?: number
  generation?: number
  observedGeneration?: number
  status?: { replicas: number; updatedReplicas: number; availableReplicas: number }
  deadlineExceeded?: boolean
  replicaSets: ReplicaSetFacts[]
  pods: PodFacts[]
  uid?: string
  created?: string
  resourceVersion?: string
  /** Of the template, besides `app: web`. */
  labels?: Record<string, string>
  /** Of the template. */
  annotations?: Record<string, string>
  /** Of the template's app, in place of `http`. */
  ports?: { name?: string; containerPort: number }[]
  services?: ServiceFacts[]
  others?: ReleaseRecord[]
}

interface ServiceFacts {
  selector: Record<string, string>
  name?: string
  ports?: { name?: string; port?: number; targetPort?: string | number; protocol?: string }[]
}

const time = (second: number) =>
  new Date(Date.UTC(2026, 10, 22, 9, 0, second)).toISOString().replace('.000', '')
const template = (image: string, { labels, annotations, ports }: Facts, init?: string) => ({
  metadata: { labels: { app: 'web', ...labels }, annotations },
  spec: {
    containers: [
      // A named port too: without a Service nothing tells which one is the app.
      { name: 'metrics', image: 'exporter:1', ports: [{ name: 'exporter', containerPort: 9090 }] },
      {
        name: 'web',
        image,
        ports: ports ?? [{ name: 'http', containerPort: 80 }],
        ...(init && { volumeMounts: [{ name: 'html' }] }),
      },
    ],
    ...(init && {
      initContainers: [{ name: 'assets', image: init, volumeMounts: [{ name: 'html' }] }],
      volumes: [{ name: 'html', emptyDir: {} }],
    }),
  },
})

/** Builds what `nextRelease` reads. Without `status` the rollout is complete. */
export function world(facts: Facts) {
  const { revision, replicas = 1, generation = 1, observedGeneration = generation } = facts
  const newest = facts.replicaSets.find(rs => rs.revision === revision)
  const deployment = parseDeployment({
    metadata: {
      name: 'web',
      namespace: 'shop',
      uid: facts.uid ?? 'd3f1c2aa-0000-4000-8000-000000000000',
      creationTimestamp: facts.created ?? time(0),
      generation,
      resourceVersion: facts.resourceVersion ?? '1',
      annotations: { 'deployment.kubernetes.io/revision': String(revision) },
    },
    spec: { replicas, template: template(newest?.image ?? 'web:0', facts) },
    status: {
      observedGeneration,
      ...(facts.status ?? { replicas, updatedReplicas: replicas, availableReplicas: replicas }),
      conditions: facts.deadlineExceeded
        ? [{ type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' }]
        : [],
    },
  })
  if (!deployment) throw new Error('the test made no Deployment')
  return {
    deployment,
    replicaSets: facts.replicaSets.map(set => replicaSet(set, facts)),
    pods: facts.pods.map(pod),
    services: (facts.services ?? [{ selector: { app: 'web' } }]).map((service, index) => {
      const { selector, name = `service-${index}`, ports = [{ port: 80, targetPort: 'http' }] } = service
      const parsed = parseService({ metadata: { name, namespace: 'shop' }, spec: { selector, ports } })
      if (!parsed) throw new Error('the test made no Service')
      return parsed
    }),
    others: facts.others ?? [],
  }
}

function replicaSet(facts: ReplicaSetFacts, of: Facts): ReplicaSet {
  const { hash, revision, image, init, replicas = 1, created = revision, uid = `rs-${hash}`, history } = facts
  const parsed = parseReplicaSet({
    metadata: {
      name: `web-${hash}`,
      namespace: 'shop',
      uid,
      creationTimestamp: time(created),
      labels: { app: 'web', 'pod-template-hash': hash },
      annotations: {
        'deployment.kubernetes.io/revision': String(revision),
        ...(history && { 'deployment.kubernetes.io/revision-history': history }),
      },
      ownerReferences: [{ kind: 'Deployment', name: 'web', uid: 'd3f1c2aa', controller: true }],
    },
    spec: { replicas, template: template(image, of, init) },
  })
  if (!parsed) throw new Error('the test made no ReplicaSet')
  return parsed
}

function pod(facts: PodFacts, index: number): Pod {
  const { hash, digest, ready = true, terminating = false, injected = true, deployment = 'web' } = facts
  const { replicaSet = `rs-${hash}` } = facts
  const parsed = parsePod({
    metadata: {
      name: `${deployment}-${hash}-${index}`,
      namespace: 'shop',
      uid: `pod-${index}`,
      creationTimestamp: time(facts.created ?? 0),
      labels: {
        app: 'web',
        'pod-template-hash': hash,
        ...(injected && { 'spa-reloader.io/injected': 'true' }),
        ...facts.labels,
      },
      ownerReferences: [
        { kind: 'ReplicaSet', name: `${deployment}-${hash}`, uid: replicaSet, controller: true },
      ],
      ...(terminating && { deletionTimestamp: time(59) }),
    },
    spec: { containers: [] },
    status: {
      phase: facts.finished ? 'Failed' : 'Running',
      ...(facts.init && {
        initContainerStatuses: [
          {
            name: 'assets',
            imageID: `assets@sha256:${facts.init}`,
            restartCount: facts.restarts,
            state: { terminated: { startedAt: time(index) } },
          },
        ],
      }),
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: facts.readySince }],
      containerStatuses: [
        {
          name: 'spa-reloader',
          imageID: `repo@sha256:${'9'.repeat(64)}`,
          state: { running: { startedAt: time(1) } },
        },
        ...(digest || facts.imageID
          ? [
              {
                name: 'web',
                imageID: facts.imageID ?? `repo@sha256:${digest}`,
                restartCount: facts.restarts,
                state: { running: { startedAt: time(index) } },
              },
            ]
          : []),
      ],
    },
  })
  if (!parsed) throw new Error('the test made no Pod')
  return parsed
}

/** Runs the rules over a history; returns the record after each step. */
export function play(...steps: Facts[]): ReleaseRecord[] {
  let last: ReleaseRecord | undefined
  return steps.map((facts, index) => {
    const now = new Date(Date.UTC(2026, 10, 22, 10, 0, index))
    const next = nextRelease(last, world(facts), now)
    if (!next) throw new Error(`step ${index} gave no record`)
    last = next
    return next
  })
}

export const webA = { hash: 'aaa', revision: 1, image: 'web:1' }
export const webB = { hash: 'bbb', revision: 2, image: 'web:2' }
export const onA: Facts = { revision: 1, replicaSets: [webA], pods: [{ hash: 'aaa', digest: a }] }
/** Both pods are there, the rollout is under way. */
export const rollingToB: Facts = {
  revision: 2,
  replicaSets: [webA, webB],
  status: { replicas: 2, updatedReplicas: 1, availableReplicas: 1 },
  pods: [
    { hash: 'aaa', digest: a },
    { hash: 'bbb', digest: b, ready: false },
  ],
}
export const onB: Facts = {
  revision: 2,
  replicaSets: [{ ...webA, replicas: 0 }, webB],
  pods: [{ hash: 'bbb', digest: b }],
}
/** What is another Deployment's own world. */
export const onCanary: Facts = {
  revision: 1,
  replicaSets: [{ hash: 'ccc', revision: 1, image: 'web:3' }],
  pods: [{ hash: 'ccc', digest: c }],
}
