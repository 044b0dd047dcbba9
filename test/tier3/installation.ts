// Our product on a real node, as a user installs it: images from our Dockerfiles, `kubectl apply -f manifests`, a labelled namespace.

import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { Test } from 'tap'
import { tabsPath } from '../../protocol/tabs.ts'
import type { PodTabs } from '../../protocol/tabs.ts'
import { buildImage } from '../cluster/images.ts'
import { startNode } from '../cluster/node.ts'
import type { Node } from '../cluster/node.ts'
import { untilInjected } from '../cluster/trial-pod.ts'
import { until } from '../cluster/wait.ts'

const app = 'test/cluster/app'

export interface Cluster extends Node {
  /** Builds the sample app with a version and pushes it as `tag`; the tag may have stood for another one until then. */
  buildApp(version: string, tag: string): Promise<void>
  /** kubectl in a namespace. */
  inNamespace(namespace: string, command: string): Promise<string>
  pods(namespace: string, labelSelector?: string): Promise<RunningPod[]>
  /** Resolves when a Deployment's rollout is complete. */
  rolledOut(namespace: string, deployment: string): Promise<void>
  /**
   * Resolves when a Service's pods are all ready, none is about to go, and connections are led to them alone: kube-proxy writes its rules a second
   * after a pod has changed, or later, and until then leads to pods that go, or have gone.
   */
  routed(namespace: string, service: string): Promise<void>
}

export interface RunningPod {
  metadata: { name: string; uid: string; deletionTimestamp?: string; labels?: Record<string, string> }
  spec: { containers: { name: string }[]; initContainers?: { name: string }[] }
  status: {
    podIP?: string
    conditions?: { type: string; status: string }[]
    containerStatuses?: { name: string; restartCount: number }[]
    initContainerStatuses?: { name: string; restartCount: number }[]
  }
}

/** A test, or who else lets things end with it. */
export type Host = Pick<Test, 'comment' | 'teardown'>

/** Ends with the test. */
export async function install(t: Host): Promise<Cluster> {
  const build = async (name: string) => ({
    id: await buildImage({ dockerfile: `Dockerfile.${name}`, context: '.' }),
    tag: `spa-reloader-${name}:0.1.0`,
  })
  const images = Promise.all(['sidecar', 'webhook'].map(build)) // while the node starts
  images.catch(() => {}) // awaited below
  const node = await startNode(line => t.comment(line))
  t.teardown(node.stop)
  await Promise.all((await images).map(({ id, tag }) => node.pushImage(id, tag)))
  await node.kubectl(['apply', '-f', 'manifests'])
  const cluster: Cluster = {
    ...node,
    async buildApp(version, tag) {
      await node.buildImage({
        dockerfile: join(app, 'Dockerfile'),
        context: app,
        buildArgs: { VERSION: version },
        tag,
      })
    },
    inNamespace: (namespace, command) => node.kubectl(['-n', namespace, ...command.split(' ')]),
    pods,
    async rolledOut(namespace, deployment) {
      await cluster.inNamespace(namespace, `rollout status deployment/${deployment} --timeout=300s`)
    },
    async routed(namespace, service) {
      const path = `/api/v1/namespaces/${namespace}/services/${service}`
      const { body } = await node.api<{ spec: { selector: Record<string, string> } }>('GET', path)
      const labels = Object.entries(body.spec.selector).map(label => label.join('='))
      await until(`connections to be led to the pods of ${service} alone`, async () => {
        const selected = await pods(namespace, labels.join())
        const addresses = new Set(selected.map(({ status }) => status.podIP))
        const isSteady = selected.every(pod => isReady(pod) && !pod.metadata.deletionTimestamp)
        return isSteady && isDeepStrictEqual(await routes(namespace, service), addresses)
      })
    },
  }
  await settled(cluster, 'spa-reloader', 'spa-reloader-webhook')
  return cluster

  async function pods(namespace: string, labelSelector = ''): Promise<RunningPod[]> {
    const query = `labelSelector=${encodeURIComponent(labelSelector)}`
    const path = `/api/v1/namespaces/${namespace}/pods?${query}`
    return (await node.api<{ items: RunningPod[] }>('GET', path)).body.items
  }

  /** The pods' addresses to which kube-proxy leads connections to a Service now. */
  async function routes(namespace: string, service: string): Promise<Set<string | undefined>> {
    const rules = await node.machine.run('iptables-save', ['-t', 'nat'])
    const rule = new RegExp(`^-A KUBE-SVC-.* "${namespace}/${service}(?::\\S+)? -> ([^:"]+)`, 'gm')
    return new Set(Array.from(rules.matchAll(rule), ([, address]) => address))
  }
}

/** Resolves when the rollout of a Deployment is complete and the Service of its name leads to its pods alone. */
export async function settled(
  { rolledOut, routed }: Cluster,
  namespace: string,
  name: string,
): Promise<void> {
  await rolledOut(namespace, name)
  await routed(namespace, name)
}

export function isReady({ status }: RunningPod): boolean {
  return (status.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True')
}

/** Whether it has the sidecar. */
export function isInjected({ spec: { containers, initContainers = [] } }: Pick<RunningPod, 'spec'>): boolean {
  return [...containers, ...initContainers].some(({ name }) => name === 'spa-reloader')
}

/** What is to be otherwise in the Deployment's spec, its pods' metadata and spec, and the container's. */
export interface Changes {
  deployment?: object
  metadata?: object
  pod?: object
  container?: object
}

/**
 * A namespace under Pod Security `restricted` with the app in it as `helm create` writes one: a named port, probes and a Service that use the
 * name. Resolves with the Service's URL once that leads to all of its pods.
 */
export async function deployWeb(
  cluster: Cluster,
  { namespace, labelled, ...app }: { namespace: string; labelled: boolean; replicas?: number } & Changes,
): Promise<string> {
  await makeNamespace(cluster, namespace, labelled)
  return deploy(cluster, { namespace, name: 'web', image: 'web:1', port: 'http', ...app })
}

/** Makes it, unless it is `default`, and puts it under that level of Pod Security. */
export async function makeNamespace(
  cluster: Cluster,
  name: string,
  labelled: boolean,
  level: 'restricted' | 'privileged' = 'restricted',
): Promise<void> {
  if (name !== 'default') await cluster.kubectl(['create', 'namespace', name])
  await cluster.kubectl(['label', 'namespace', name, `pod-security.kubernetes.io/enforce=${level}`])
  if (labelled) await labelNamespace(cluster, name)
}

/**
 * Resolves when a pod that is tried there gets the sidecar. On a busy machine the webhook may hear of the label more than a second later, and admits a
 * pod that comes before as it is.
 */
export async function labelNamespace(cluster: Cluster, name: string): Promise<void> {
  await cluster.kubectl(['label', 'namespace', name, 'spa-reloader.io/inject=enabled'])
  await untilInjected(cluster, name, 300) // in the torture the webhook may be away
}

/** What Pod Security `restricted` asks of a container. */
const securityContext = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } }

/** A Deployment and its Service. Resolves with the Service's URL once that leads to all of its pods. */
export async function deploy(
  cluster: Cluster,
  {
    namespace,
    name,
    image,
    port,
    targetPort = port,
    replicas = 3,
    deployment = {},
    metadata = {},
    pod = {},
    container = {},
  }: {
    namespace: string
    /** Of both, and of the container. */
    name: string
    image: string
    /** The port's name. */
    port: string
    /** Default: the name. */
    targetPort?: number | string
    replicas?: number
  } & Changes,
): Promise<string> {
  const httpGet = { path: '/healthz', port }
  const objects = [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name },
      spec: {
        selector: { app: name },
        ports: [{ name: port, port: 80, targetPort, protocol: 'TCP' }],
      },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name },
      spec: {
        replicas,
        selector: { matchLabels: { app: name } },
        ...deployment,
        template: {
          metadata: { labels: { app: name }, ...metadata },
          spec: {
            automountServiceAccountToken: false,
            securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
            containers: [
              {
                name,
                image,
                imagePullPolicy: 'Always',
                ports: [{ name: port, containerPort: 8080, protocol: 'TCP' }],
                readinessProbe: { httpGet, periodSeconds: 1, timeoutSeconds: 5 },
                livenessProbe: { httpGet }, // every 10 s: what starts slowly on a busy machine lives on
                securityContext,
                ...container,
              },
            ],
            ...pod,
          },
        },
      },
    },
  ]
  for (const object of objects)
    await cluster.kubectl(['apply', '-n', namespace, '-f', '-'], JSON.stringify(object))
  await settled(cluster, namespace, name)
  const address = await cluster.inNamespace(namespace, `get service ${name} -o jsonpath={.spec.clusterIP}`)
  return `http://${address}/`
}

/** How many tabs are connected to the pod. */
export async function tabsOn({ status }: RunningPod): Promise<number> {
  const response = await fetch(`http://${status.podIP}:14021${tabsPath}`)
  return ((await response.json()) as PodTabs).total
}
