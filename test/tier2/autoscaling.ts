// Autoscaling by CPU utilisation: Kubernetes' own HPA controller works it out from the requests of every container, and gives up on the whole pod where
// one has none. What the pods use is told here by a metrics API of the test's own, in metrics-server's place.

import https from 'node:https'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { until } from '../cluster/wait.ts'
import { createCertificate } from '../tls.ts'
import { install, webDeployment, webService } from './installation.ts'
import { isInjected, openShop } from './shop.ts'
import type { Manifest, Shop } from './shop.ts'

/** Of each app; the sidecar uses next to nothing. */
const usedMillicores = 88

const { cluster, kubelet, open } = await install(t)
const server = https.createServer(createCertificate(), (request, response) => {
  metrics(request.url ?? '').then(
    body => response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(body)),
    () => response.writeHead(503).end(), // the cluster has gone, at the end
  )
})
t.teardown(() => {
  server.close()
  server.closeAllConnections()
})
await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
const objects = [
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'metrics', namespace: 'kube-system' },
    spec: { type: 'ExternalName', externalName: 'localhost' },
  },
  {
    apiVersion: 'apiregistration.k8s.io/v1',
    kind: 'APIService',
    metadata: { name: 'v1beta1.metrics.k8s.io' },
    spec: {
      group: 'metrics.k8s.io',
      version: 'v1beta1',
      groupPriorityMinimum: 100,
      versionPriority: 100,
      insecureSkipTLSVerify: true,
      service: { name: 'metrics', namespace: 'kube-system', port: (server.address() as AddressInfo).port },
    },
  },
]
for (const object of objects) await cluster.kubectl(['apply', '-f', '-'], JSON.stringify(object))

const container = { resources: { requests: { cpu: '100m' } } }

t.test('an injected Deployment is scaled by the utilisation of its app', async t => {
  const shop = await open(t, 'scaled')
  await shop.apply(webService(), webDeployment('web:1', { container, replicas: 1 }), autoscaler(40))
  const utilization = await until('a figure', async () => {
    const [metric] = (await statusOf(shop)).currentMetrics ?? []
    return metric?.resource?.current.averageUtilization
  })
  t.equal(utilization, 80, '88m of the 100m and 10m that are requested')
  await shop.settled('scaled up', ({ status }) => status.replicas === 3 && status.readyReplicas === 3)
  t.ok((await shop.living()).every(isInjected))
})

t.test('a container without a request makes the figure unknown: what ours must not do', async t => {
  const shop = await openShop(cluster, kubelet, 'unknown', false)
  t.teardown(shop.close)
  const other = { name: 'other', image: 'other:1' }
  const deployment = webDeployment('web:1', { container, replicas: 1 })
  const { template } = deployment.spec as { template: { spec: { containers: object[] } } }
  template.spec.containers.push(other)
  await shop.apply(deployment, autoscaler(40))
  const message = await until('the controller to give up', async () => {
    const { conditions = [] } = await statusOf(shop)
    return conditions.find(({ reason }) => reason === 'FailedGetResourceMetric')?.message
  })
  t.match(message, /missing request for cpu in container other/)
})

function autoscaler(averageUtilization: number): Manifest {
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'web' },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
      minReplicas: 1,
      maxReplicas: 3,
      metrics: [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } } },
      ],
    },
  }
}

interface Status {
  currentMetrics?: { resource?: { current: { averageUtilization?: number } } }[] | null
  conditions?: { reason: string; message: string }[]
}

async function statusOf({ namespace }: Shop): Promise<Status> {
  const path = `/apis/autoscaling/v2/namespaces/${namespace}/horizontalpodautoscalers/web`
  const { body } = await cluster.api<{ status: Status }>('GET', path)
  return body.status
}

/** What the API server and the HPA controller ask for: the resources that there are, and what a namespace's pods use. */
async function metrics(url: string): Promise<object> {
  const namespace = /\/namespaces\/([^/]+)\/pods/.exec(url)?.[1]
  const list = { apiVersion: 'v1', kind: 'APIResourceList', groupVersion: 'metrics.k8s.io/v1beta1' }
  if (!namespace)
    return {
      ...list,
      resources: [
        { name: 'pods', singularName: '', namespaced: true, kind: 'PodMetrics', verbs: ['get', 'list'] },
      ],
    }
  const { body } = await cluster.api<{
    items: { metadata: object; spec: Record<string, { name: string }[]> }[]
  }>('GET', `/api/v1/namespaces/${namespace}/pods`)
  const used = (name: string) => ({
    name,
    usage: { cpu: name === 'web' ? `${usedMillicores}m` : '0', memory: '32Mi' },
  })
  return {
    apiVersion: 'metrics.k8s.io/v1beta1',
    kind: 'PodMetricsList',
    items: body.items.map(({ metadata, spec }) => ({
      metadata,
      // Later than the pod has been ready by a whole window: before, it would not be counted.
      timestamp: new Date(Date.now() + 60_000).toISOString(),
      window: '15s',
      containers: [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(({ name }) => used(name)),
    })),
  }
}
