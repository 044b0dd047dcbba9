// Our webhook on a real control plane: installed from manifests/, running as its own ServiceAccount. Only the way to it differs: the
// API server has no pod network here, so the configuration names a URL on this machine instead of the Service.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { parseAllDocuments } from 'yaml'
import type { ReleaseState } from '../../protocol/release.ts'
import { parseReleaseState } from '../../protocol/release.ts'
import type { KubernetesObject } from '../cluster/api.ts'
import { startControlPlane } from '../cluster/control-plane.ts'
import type { ControlPlane } from '../cluster/control-plane.ts'
import { startFakeKubelet } from '../cluster/fake-kubelet.ts'
import type { FakeKubelet, Pod } from '../cluster/fake-kubelet.ts'
import { freePort, startProgram } from '../cluster/process.ts'
import type { Program } from '../cluster/process.ts'
import { until } from '../cluster/wait.ts'

export const namespace = 'shop'

export interface Installation {
  cluster: ControlPlane
  kubelet: FakeKubelet
  /** Every state that the Release of `web` has had, in the order in which it was written. */
  states: ReleaseState[]
  startWebhook(): Promise<void>
  killWebhook(): Promise<void>
  webhookLog(): string
  /** Applies objects in the namespace. */
  apply(...objects: object[]): Promise<void>
  kubectl(command: string): Promise<string>
  pods(): Promise<Pod[]>
  /** Waits until the newest state satisfies, and every living injected pod carries it. */
  told(what: string, isMeant: (state: ReleaseState) => boolean): Promise<ReleaseState>
}

export function manifests(): KubernetesObject[] {
  return readdirSync('manifests')
    .filter(file => file.endsWith('.yaml'))
    .sort()
    .flatMap(file => parseAllDocuments(readFileSync(join('manifests', file), 'utf8')))
    .map(document => document.toJS() as KubernetesObject)
}

/** Starts everything and labels the namespace. It ends with the test. */
export async function install(t: Test): Promise<Installation> {
  if (!existsSync('dist/webhook.js')) throw new Error('dist/webhook.js is missing: npm run build')
  const cluster = await startControlPlane()
  t.teardown(cluster.stop)
  const kubelet = await startFakeKubelet(cluster)
  t.teardown(kubelet.close)
  const [port, metricsPort] = [await freePort(), await freePort()]
  for (const object of manifests()) {
    if (object.kind === 'Deployment') continue
    if (object.kind === 'MutatingWebhookConfiguration')
      for (const webhook of object.webhooks as { clientConfig: object }[])
        webhook.clientConfig = { url: `https://localhost:${port}/mutate` }
    await cluster.kubectl(['apply', '-f', '-'], JSON.stringify(object))
  }
  const kubeconfig = await cluster.kubeconfigOf('spa-reloader', 'spa-reloader-webhook')
  const log = join(cluster.dir, 'webhook.log')
  let webhook: Program | undefined
  t.teardown(() => webhook?.stop())
  await cluster.kubectl(['create', 'namespace', namespace])
  await cluster.kubectl(['label', 'namespace', namespace, 'spa-reloader.io/inject=enabled'])
  const states: ReleaseState[] = []
  const watch = cluster.watch(`/apis/spa-reloader.io/v1/namespaces/${namespace}/releases`, ({ object }) => {
    const state = parseReleaseState(object.status)
    const last = states.at(-1)
    if (state?.name === 'web' && JSON.stringify(state) !== JSON.stringify(last)) states.push(state)
  })
  t.teardown(watch.close)
  const installation: Installation = {
    cluster,
    kubelet,
    states,
    startWebhook,
    killWebhook,
    webhookLog: () => readFileSync(log, 'utf8'),
    apply,
    kubectl: command => cluster.kubectl(['-n', namespace, ...command.split(' ')]),
    pods,
    told,
  }
  await startWebhook()
  return installation

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
    await Promise.race([until('the webhook to write its caBundle', isConfigured), program.failed])
  }

  async function isConfigured(): Promise<boolean> {
    const { body } = await cluster.api<{ webhooks: { clientConfig: { caBundle?: string } }[] }>(
      'GET',
      '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/0-spa-reloader',
    )
    const isListening = readFileSync(log, 'utf8').includes('webhook listens')
    return isListening && body.webhooks.every(({ clientConfig }) => Boolean(clientConfig.caBundle))
  }

  async function killWebhook(): Promise<void> {
    await webhook?.stop()
    webhook = undefined
  }

  async function apply(...objects: object[]): Promise<void> {
    for (const object of objects)
      await cluster.kubectl(['apply', '-n', namespace, '-f', '-'], JSON.stringify(object))
  }

  async function pods(): Promise<Pod[]> {
    const { body } = await cluster.api<{ items: Pod[] }>('GET', `/api/v1/namespaces/${namespace}/pods`)
    return body.items
  }

  function told(what: string, isMeant: (state: ReleaseState) => boolean): Promise<ReleaseState> {
    return until(`${what}; the states were ${JSON.stringify(states.map(short))}`, async () => {
      const state = states.at(-1)
      if (!state || !isMeant(state)) return undefined
      const living = (await pods()).filter(pod => !pod.metadata.deletionTimestamp && isInjected(pod))
      return living.every(pod => stampOf(pod)?.serial === state.serial) && state
    })
  }
}

export function isInjected(pod: Pod): boolean {
  return pod.spec.containers.some(({ name }) => name === 'spa-reloader')
}

export function stampOf(pod: Pod): ReleaseState | undefined {
  const text = pod.metadata.annotations?.['spa-reloader.io/release']
  return text === undefined ? undefined : parseReleaseState(JSON.parse(text))
}

/** `2 ready bbbb`: revision, phase and the first digits of the target's id. */
export function short({ revision, phase, target }: ReleaseState): string {
  return `${revision} ${phase} ${target.id.slice(0, 4)}`
}

/** A Deployment and a Service as `helm create` writes them: the port has a name, probes and Service use it. */
export function webDeployment(image: string, replicas = 2): object {
  const probe = { httpGet: { path: '/', port: 'http' }, periodSeconds: 1 }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: {
          containers: [
            {
              name: 'web',
              image,
              ports: [{ name: 'http', containerPort: 8080 }],
              livenessProbe: probe,
              readinessProbe: probe,
            },
          ],
        },
      },
    },
  }
}

export const webService = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 'http' }] },
}
