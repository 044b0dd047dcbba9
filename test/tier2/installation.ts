// Our webhook on a real control plane: installed from manifests/, running as its own ServiceAccount. Only the way to it differs: the
// API server has no pod network here, so the configuration names a URL on this machine instead of the Service.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import https from 'node:https'
import { join } from 'node:path'
import type { Test } from 'tap'
import { parseAllDocuments } from 'yaml'
import type { KubernetesObject } from '../cluster/api.ts'
import { startControlPlane } from '../cluster/control-plane.ts'
import type { ControlPlane } from '../cluster/control-plane.ts'
import { startFakeKubelet } from '../cluster/fake-kubelet.ts'
import type { FakeKubelet } from '../cluster/fake-kubelet.ts'
import { freePort, startProgram } from '../cluster/process.ts'
import type { Program } from '../cluster/process.ts'
import { until } from '../cluster/wait.ts'
import { openShop } from './shop.ts'
import type { Manifest, Shop } from './shop.ts'
import { untilInjected } from '../cluster/trial-pod.ts'

export interface Installation {
  cluster: ControlPlane
  kubelet: FakeKubelet
  /** A labelled namespace of its own, once its pods are injected; it is watched until the test ends. */
  open(t: Test, namespace: string): Promise<Shop>
  /** Resolves when it is ready, its caBundle seen in the configuration. */
  startWebhook(): Promise<void>
  killWebhook(): Promise<void>
  webhookPid(): number | undefined
}

export function manifests(): KubernetesObject[] {
  return readdirSync('manifests')
    .filter(file => file.endsWith('.yaml'))
    .sort()
    .flatMap(file => parseAllDocuments(readFileSync(join('manifests', file), 'utf8')))
    .map(document => document.toJS() as KubernetesObject)
}

/**
 * All but the Deployment; the API server asks whoever listens on that port of this machine, and waits for longer than elsewhere: that a slow machine's
 * pods come out without the sidecar is no finding.
 */
export async function applyManifests(cluster: ControlPlane, port: number): Promise<void> {
  for (const object of manifests()) {
    if (object.kind === 'Deployment') continue
    if (object.kind === 'MutatingWebhookConfiguration')
      for (const webhook of object.webhooks as object[])
        Object.assign(webhook, {
          clientConfig: { url: `https://localhost:${port}/mutate` },
          timeoutSeconds: 30,
        })
    await cluster.kubectl(['apply', '-f', '-'], JSON.stringify(object))
  }
}

/** Starts everything. It ends with the test. */
export async function install(t: Test): Promise<Installation> {
  if (!existsSync('dist/webhook.js')) throw new Error('dist/webhook.js is missing: npm run build')
  const cluster = await startControlPlane()
  t.teardown(cluster.stop)
  const kubelet = await startFakeKubelet(cluster)
  t.teardown(kubelet.close)
  const [port, metricsPort] = [await freePort(), await freePort()]
  await applyManifests(cluster, port)
  const kubeconfig = await cluster.kubeconfigOf('spa-reloader', 'spa-reloader-webhook')
  const log = join(cluster.dir, 'webhook.log')
  let webhook: Program | undefined
  t.teardown(() => webhook?.stop())
  await startWebhook()
  return {
    cluster,
    kubelet,
    open,
    startWebhook,
    killWebhook,
    webhookPid: () => webhook?.pid,
  }

  async function open(t: Test, namespace: string): Promise<Shop> {
    const shop = await openShop(cluster, kubelet, namespace)
    t.teardown(shop.close)
    await untilInjected(cluster, namespace)
    return shop
  }

  async function startWebhook(): Promise<void> {
    const program = startProgram(process.execPath, ['dist/webhook.js'], {
      log,
      env: {
        KUBECONFIG: kubeconfig,
        SPA_SIDECAR_IMAGE: 'spa-reloader-sidecar:test',
        SPA_WEBHOOK_PORT: String(port),
        SPA_METRICS_PORT: String(metricsPort),
      },
    })
    webhook = program
    await Promise.race([until('the webhook to be ready', () => isReady(port)), program.failed])
  }

  async function killWebhook(): Promise<void> {
    await webhook?.stop()
    webhook = undefined
  }
}

/** Whether a webhook on this port says that it is. */
export function isReady(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const options = { host: '127.0.0.1', port, path: '/readyz', agent: false, rejectUnauthorized: false }
    const request = https.get(options, response => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    request.on('error', () => resolve(false))
  })
}

interface Wishes {
  name?: string
  replicas?: number
  /** Besides `app: web`, in the template and in the selector. */
  labels?: Record<string, string>
  /** Of the template. */
  annotations?: Record<string, string>
  /** Into the Deployment's spec. */
  spec?: object
  /** Into the pod's spec. */
  pod?: object
  /** Into the app's container. */
  container?: object
}

/** A Deployment as `helm create` writes it: the port has a name, probes and Service use it. */
export function webDeployment(image: string, wishes: Wishes = {}): Manifest {
  const { name = 'web', replicas = 2, labels, annotations, spec, pod, container } = wishes
  const probe = { httpGet: { path: '/', port: 'http' }, periodSeconds: 1 }
  const all = { app: 'web', ...labels }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: all },
      ...spec,
      template: {
        metadata: { labels: all, ...(annotations && { annotations }) },
        spec: {
          containers: [
            {
              name: 'web',
              image,
              ports: [{ name: 'http', containerPort: 8080 }],
              livenessProbe: probe,
              readinessProbe: probe,
              ...container,
            },
          ],
          ...pod,
        },
      },
    },
  }
}

export function webService(labels: Record<string, string> = {}, name = 'web'): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { selector: { app: 'web', ...labels }, ports: [{ name: 'http', port: 80, targetPort: 'http' }] },
  }
}
