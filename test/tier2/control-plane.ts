// The ground that the other tests of this tier stand on: real controllers on our fake kubelet.

import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import type { KubernetesObject } from '../cluster/api.ts'
import { startControlPlane } from '../cluster/control-plane.ts'
import type { ControlPlane } from '../cluster/control-plane.ts'
import { imageIdFormats, startFakeKubelet } from '../cluster/fake-kubelet.ts'
import type { FakeKubelet, Pod } from '../cluster/fake-kubelet.ts'
import { until } from '../cluster/wait.ts'

t.test('a Deployment rolls out on the fake kubelet, also after the API server was killed', async t => {
  const { cluster, kubelet } = await startCluster(t)
  kubelet.images.set('web:1', 'a'.repeat(64))
  await apply(cluster, 'shop', deployment('web:1'))
  const first = await rolledOut(cluster, 'web:1', 2)
  t.same(first.map(imageIdOf), Array(2).fill(`web@sha256:${'a'.repeat(64)}`))
  t.same(
    new Set(first.map(pod => pod.spec.nodeName)),
    new Set(['node-1', 'node-2']),
    'pods are spread over the nodes',
  )
  const addresses = new Set(first.map(podIpOf))
  await until('the Service to lead to every pod', async () =>
    isDeepStrictEqual(new Set(await endpointsIn(cluster, 'shop')), addresses),
  )

  await cluster.restartApiServer()
  kubelet.images.set('web:2', 'b'.repeat(64))
  kubelet.formatImageId = imageIdFormats.digest
  await cluster.kubectl(['-n', 'shop', 'set', 'image', 'deployment/web', 'web=web:2'])
  const second = await rolledOut(cluster, 'web:2', 2)
  t.same(second.map(imageIdOf), Array(2).fill(`sha256:${'b'.repeat(64)}`))
})

t.test('pods can be held back, and terminating pods stay as long as the test wants', async t => {
  const { cluster, kubelet } = await startCluster(t)
  await apply(cluster, 'shop', deployment('web:1'))
  const old = await rolledOut(cluster, 'web:1', 2)

  kubelet.terminationMs = 3_600_000
  const releaseStart = kubelet.hold(pod => pod.spec.containers[0]?.image === 'web:2', 'start')
  await cluster.kubectl(['-n', 'shop', 'set', 'image', 'deployment/web', 'web=web:2'])
  const waiting = await until('a pod that waits', async () =>
    (await pods(cluster)).find(pod => pod.spec.containers[0]?.image === 'web:2' && statusOf(pod)),
  )
  t.equal(waiting.status.phase, 'Pending')
  t.equal(imageIdOf(waiting), '', 'nothing was pulled yet')

  const releaseReady = kubelet.hold(pod => pod.spec.containers[0]?.image === 'web:2')
  releaseStart()
  const running = await until('a pod that runs', async () =>
    (await pods(cluster)).find(
      pod => pod.metadata.uid === waiting.metadata.uid && pod.status.phase === 'Running',
    ),
  )
  t.equal(statusOf(running)?.ready, false)
  t.equal(
    (await pods(cluster)).filter(pod => pod.metadata.deletionTimestamp).length,
    0,
    'no old pod had to go',
  )

  releaseReady()
  const isOld = (pod: Pod) => old.some(({ metadata }) => metadata.uid === pod.metadata.uid)
  await until('the old pods to terminate', async () =>
    (await pods(cluster)).filter(isOld).every(pod => pod.metadata.deletionTimestamp),
  )
  t.equal((await pods(cluster)).length, 4, 'they are still there')
  kubelet.endTerminating()
  await until('the old pods to be gone', async () => !(await pods(cluster)).some(isOld))
})

t.test('a ServiceAccount has its own rights, not those of the administrator', async t => {
  const { cluster } = await startCluster(t)
  await cluster.kubectl(['create', 'namespace', 'shop'])
  await cluster.kubectl(['create', 'serviceaccount', 'reader', '-n', 'shop'])
  await cluster.kubectl(['create', 'role', 'reader', '-n', 'shop', '--verb=list', '--resource=pods'])
  const binding = [
    'create',
    'rolebinding',
    'reader',
    '-n',
    'shop',
    '--role=reader',
    '--serviceaccount=shop:reader',
  ]
  await cluster.kubectl(binding)
  const kubeconfig = ['--kubeconfig', await cluster.kubeconfigOf('shop', 'reader')]
  await until('the right to count', () =>
    cluster.kubectl([...kubeconfig, 'get', 'pods', '-n', 'shop', '-o', 'name']),
  )
  await t.rejects(
    cluster.kubectl([...kubeconfig, 'get', 'secrets', '-n', 'shop']),
    /shop:reader.*cannot list/,
  )
})

/** The addresses behind the namespace's Services. Their controller follows the pods' readiness a moment later. */
async function endpointsIn(cluster: ControlPlane, namespace: string): Promise<string[]> {
  const slices = await cluster.api<{ items: KubernetesObject[] }>(
    'GET',
    `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`,
  )
  const endpoints = slices.body.items.flatMap(
    slice => (slice.endpoints as { addresses: string[] }[] | null) ?? [],
  )
  return endpoints.flatMap(({ addresses }) => addresses)
}

async function startCluster(t: Test): Promise<{ cluster: ControlPlane; kubelet: FakeKubelet }> {
  const cluster = await startControlPlane()
  t.teardown(cluster.stop)
  const kubelet = await startFakeKubelet(cluster)
  t.teardown(kubelet.close)
  return { cluster, kubelet }
}

async function apply(cluster: ControlPlane, namespace: string, objects: unknown): Promise<void> {
  await cluster.kubectl(['create', 'namespace', namespace])
  await cluster.kubectl(['apply', '-n', namespace, '-f', '-'], JSON.stringify(objects))
}

async function rolledOut(cluster: ControlPlane, image: string, count: number): Promise<Pod[]> {
  await cluster.kubectl(['-n', 'shop', 'rollout', 'status', 'deployment/web', '--timeout=5m'])
  return until(`${count} pods of ${image}`, async () => {
    const all = await pods(cluster)
    return all.length === count && all.every(pod => pod.spec.containers[0]?.image === image) && all
  })
}

async function pods(cluster: ControlPlane): Promise<Pod[]> {
  const { status, body } = await cluster.api<{ items: Pod[] }>('GET', '/api/v1/namespaces/shop/pods')
  if (status !== 200) throw new Error(`${status}: ${JSON.stringify(body)}`)
  return body.items
}

function statusOf(pod: Pod) {
  const { containerStatuses = [] } = pod.status as {
    containerStatuses?: { imageID: string; ready: boolean }[]
  }
  return containerStatuses[0]
}

function imageIdOf(pod: Pod): string | undefined {
  return statusOf(pod)?.imageID
}

function podIpOf(pod: Pod): unknown {
  return (pod.status as { podIP?: string }).podIP
}

function deployment(image: string) {
  const labels = { app: 'web' }
  return {
    apiVersion: 'v1',
    kind: 'List',
    items: [
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'web' },
        spec: {
          replicas: 2,
          selector: { matchLabels: labels },
          template: {
            metadata: { labels },
            spec: {
              initContainers: [
                { name: 'prepare', image: 'busybox' },
                { name: 'sidecar', image: 'sidecar:1', restartPolicy: 'Always' },
              ],
              containers: [{ name: 'web', image, ports: [{ name: 'http', containerPort: 8080 }] }],
            },
          },
        },
      },
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'web' },
        spec: { selector: labels, ports: [{ port: 80, targetPort: 'http' }] },
      },
    ],
  }
}
