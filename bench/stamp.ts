// How long until every pod of a large cluster is told, what that asks of the API server, and what the controller weighs: the real webhook before a real
// kube-apiserver. 5,000 pods of 200 Deployments run on a fake kubelet before it starts, none of them told anything: as after an outage.

import { setTimeout as sleep } from 'node:timers/promises'
import { startControlPlane } from '../test/cluster/control-plane.ts'
import type { ControlPlane } from '../test/cluster/control-plane.ts'
import { startFakeKubelet } from '../test/cluster/fake-kubelet.ts'
import { freePort } from '../test/cluster/process.ts'
import { until } from '../test/cluster/wait.ts'
import { applyManifests, webDeployment, webService } from '../test/tier2/installation.ts'
import type { Host } from '../test/tier3/installation.ts'
import { rounded } from './figures.ts'
import { residentBytes, startBundle } from './processes.ts'

// 5,000 pods in 200 Deployments of very different sizes.
const sizes = Array.from({ length: 200 }, (_, index) => (index % 10 === 0 ? 160 : 10))
const namespaces = 4
const pods = sizes.reduce((sum, size) => sum + size, 0)

export async function stamp(host: Host) {
  const cluster = await startControlPlane()
  host.teardown(cluster.stop)
  const kubelet = await startFakeKubelet(cluster)
  host.teardown(kubelet.close)
  const [port, metricsPort] = [await freePort(), await freePort()]
  await applyManifests(cluster, port)
  await populate(cluster)
  const seen = await until(`${pods} running pods`, async () => (await running(cluster)) === pods && pods, 900)
  host.comment(`${seen} pods run`)
  const told = new Map<string, number>() // pod → when
  const watch = cluster.watch('/api/v1/pods', ({ object: { metadata } }) => {
    const { annotations } = metadata as { annotations?: Record<string, string> }
    if (annotations?.['spa-reloader.io/release'])
      told.set(metadata.name, told.get(metadata.name) ?? performance.now())
  })
  host.teardown(watch.close)
  const before = await requests(cluster)
  const start = performance.now()
  const webhook = startBundle('dist/webhook.js', {
    KUBECONFIG: await cluster.kubeconfigOf('spa-reloader', 'spa-reloader-webhook'),
    SPA_SIDECAR_IMAGE: 'spa-reloader-sidecar:bench',
    SPA_WEBHOOK_PORT: String(port),
    SPA_METRICS_PORT: String(metricsPort),
  })
  host.teardown(webhook.stop)
  let most = 0
  const weighing = setInterval(() => (most = Math.max(most, residentBytes(webhook.pid))), 200)
  await until('every pod to be told', () => told.size === pods, 600)
  const end = Math.max(...told.values())
  await sleep(5_000) // whatever it does afterwards
  clearInterval(weighing)
  const after = await requests(cluster)
  const small = [...told].filter(([name]) => isSmall(name)).map(([, time]) => time)
  return {
    pods,
    seconds: rounded((end - start) / 1_000),
    small_seconds: rounded((Math.max(...small) - start) / 1_000),
    requests: after.writes - before.writes,
    refused_429: after.refused - before.refused,
    rss_mib: rounded(most / 1024 / 1024),
    node: process.version,
  }
}

function isSmall(pod: string): boolean {
  return sizes[Number(/^web-(\d+)-/.exec(pod)?.[1])] === 10
}

/** As if they had been injected: the webhook is not there yet. */
async function populate(cluster: ControlPlane): Promise<void> {
  const labels = { 'spa-reloader.io/inject': 'enabled' }
  for (let index = 0; index < namespaces; index++)
    await cluster.api('POST', '/api/v1/namespaces', { metadata: { name: `bench-${index}`, labels } })
  await sleep(2_000) // their ServiceAccounts
  for (const [index, replicas] of sizes.entries()) {
    const namespace = `bench-${index % namespaces}`
    const own = { web: `web-${index}`, 'spa-reloader.io/injected': 'true' }
    const deployment = webDeployment('web:1', { name: `web-${index}`, replicas, labels: own })
    await cluster.api('POST', `/apis/apps/v1/namespaces/${namespace}/deployments`, deployment)
    await cluster.api(
      'POST',
      `/api/v1/namespaces/${namespace}/services`,
      webService({ web: `web-${index}` }, `web-${index}`),
    )
  }
}

async function running(cluster: ControlPlane): Promise<number> {
  await sleep(2_000)
  const { body } = await cluster.api<{ items: { status: { readyReplicas?: number } }[] }>(
    'GET',
    '/apis/apps/v1/deployments',
  )
  return body.items.reduce((sum, { status }) => sum + (status.readyReplicas ?? 0), 0)
}

/** The controller's writes, and what was refused of anybody's, by the API server's own count. */
async function requests(cluster: ControlPlane): Promise<{ writes: number; refused: number }> {
  const { body } = await cluster.api<string>('GET', '/metrics')
  let [writes, refused] = [0, 0]
  for (const [, labels = '', count] of body.matchAll(/^apiserver_request_total\{([^}]*)\} (\S+)$/gm)) {
    const has = (label: string) => labels.includes(label)
    const isStamp = has('resource="pods"') && has('subresource=""') && has('verb="PATCH"')
    if (
      isStamp ||
      (has('resource="releases"') && !has('verb="GET"') && !has('verb="LIST"') && !has('verb="WATCH"'))
    )
      writes += Number(count)
    if (has('code="429"')) refused += Number(count)
  }
  return { writes, refused }
}
