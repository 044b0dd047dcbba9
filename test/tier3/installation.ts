// Our product on a real node, as a user installs it: images from our Dockerfiles, `kubectl apply -f manifests`, a labelled namespace.

import { join } from 'node:path'
import type { Test } from 'tap'
import { tabsPath } from '../../protocol/tabs.ts'
import type { PodTabs } from '../../protocol/tabs.ts'
import { buildImage } from '../cluster/images.ts'
import { startNode } from '../cluster/node.ts'
import type { Node } from '../cluster/node.ts'
import { until } from '../cluster/wait.ts'

const app = 'test/cluster/app'

export interface Cluster extends Node {
  /** Builds the sample app with a version and pushes it as `tag`; the tag may have stood for another one until then. */
  buildApp(version: string, tag: string): Promise<void>
  /** kubectl in a namespace. */
  inNamespace(namespace: string, command: string): Promise<string>
  pods(namespace: string): Promise<RunningPod[]>
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
  await node.kubectl([
    '-n',
    'spa-reloader',
    'rollout',
    'status',
    'deployment/spa-reloader-webhook',
    '--timeout=120s',
  ])
  return {
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
    async pods(namespace) {
      const { body } = await node.api<{ items: RunningPod[] }>('GET', `/api/v1/namespaces/${namespace}/pods`)
      return body.items
    },
  }
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
 * name. Resolves with the Service's URL once the rollout is complete.
 */
export async function deployWeb(
  cluster: Cluster,
  { namespace, labelled, ...app }: { namespace: string; labelled: boolean; replicas?: number } & Changes,
): Promise<string> {
  await makeNamespace(cluster, namespace, labelled)
  const url = await deploy(cluster, { namespace, name: 'web', image: 'web:1', port: 'http', ...app })
  await until('the Service to answer', async () => (await fetch(url)).ok)
  return url
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
  if (labelled) await cluster.kubectl(['label', 'namespace', name, 'spa-reloader.io/inject=enabled'])
}

/** A Deployment and its Service. Resolves with the Service's URL once the rollout is complete. */
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
  const probe = { httpGet: { path: '/healthz', port }, periodSeconds: 1 }
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
                readinessProbe: probe,
                livenessProbe: probe,
                securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
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
  await cluster.inNamespace(namespace, `rollout status deployment/${name} --timeout=120s`)
  const address = await cluster.inNamespace(namespace, `get service ${name} -o jsonpath={.spec.clusterIP}`)
  return `http://${address}/`
}

/** How many tabs are connected to the pod. */
export async function tabsOn({ status }: RunningPod): Promise<number> {
  const response = await fetch(`http://${status.podIP}:14021${tabsPath}`)
  return ((await response.json()) as PodTabs).total
}
