// The admission policies hold our own ServiceAccount to what it does: whoever steals its token can do no more with it.

import { readFileSync } from 'node:fs'
import t from 'tap'
import { openApi } from '../cluster/api.ts'
import { until } from '../cluster/wait.ts'
import { install, webDeployment, webService } from './installation.ts'

const installation = await install(t)
const { cluster } = installation
const { apply, living, ready, kubectl, behaviour } = await installation.open(t, 'shop')
const a = 'a'.repeat(64)
behaviour.images.set('web:1', a)
await apply(
  webService(),
  webDeployment('web:1'),
  webDeployment('web:1', { name: 'plain', annotations: plain() }),
)
const stamped = await ready(1, a)
const [pod] = (await living()).filter(({ metadata }) => metadata.labels?.['spa-reloader.io/injected'])
const other = await until('the pod that is not injected', async () =>
  (await living()).find(({ metadata }) => !metadata.labels?.['spa-reloader.io/injected']),
)
const ours = openApi(
  cluster.server,
  tokenOf(await cluster.kubeconfigOf('spa-reloader', 'spa-reloader-webhook')),
  ca(),
)
t.teardown(ours.close)
const release = 'spa-reloader.io/release'
await until('the policies to hold', async () => (await patch(pod, { labels: { probe: 'x' } })).status === 422)

t.test("the controller's stamps pass, and so do its writes of the caBundle", async t => {
  t.match(stamped, { phase: 'ready' }, 'all pods of the Deployment carry it')
  t.match(await patch(pod, { annotations: { [release]: '{}' } }), { status: 200 })
  await cluster.kubectl([
    'patch',
    'mutatingwebhookconfiguration',
    '0-spa-reloader',
    '--type=json',
    '-p',
    removal,
  ])
  await installation.killWebhook()
  await installation.startWebhook() // resolves when it has seen its caBundle there again
})

t.test('any other change of a pod is refused', async t => {
  const changes: Record<string, [metadata: object, spec?: object]> = {
    'may not change labels': [{ labels: { app: 'other' } }],
    'may change no annotation of a pod but spa-reloader.io/release': [{ annotations: { note: 'x' } }],
    'may not change the spec': [{}, { containers: [{ name: 'web', image: 'evil:1' }] }],
  }
  for (const [message, [metadata, spec]] of Object.entries(changes))
    t.match(
      await patch(pod, metadata, spec),
      { status: 422, body: { message: new RegExp(message) } },
      message,
    )
  const more = [
    { annotations: { 'spa-reloader.io/status': '{}' } },
    { annotations: { 'spa-reloader.io/status': null } },
    { annotations: { [release]: '{}', note: 'x' } },
    { finalizers: ['example.com/hold'] },
    { ownerReferences: null },
    { labels: { 'spa-reloader.io/injected': null } },
  ]
  for (const metadata of more) t.match(await patch(pod, metadata), { status: 422 }, JSON.stringify(metadata))
})

t.test('a pod that we did not inject is not ours to write on', async t => {
  t.match(await patch(other, { annotations: { [release]: '{}' } }), {
    status: 422,
    body: { message: /only write on pods that it has injected/ },
  })
})

t.test('nothing of the webhook configuration can be changed but the caBundle', async t => {
  const path = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/0-spa-reloader'
  const changes = [
    { op: 'remove', path: '/webhooks/0/namespaceSelector' },
    { op: 'remove', path: '/webhooks/0/matchConditions' },
    { op: 'replace', path: '/webhooks/0/failurePolicy', value: 'Fail' },
    { op: 'replace', path: '/webhooks/0/rules/0/resources', value: ['*'] },
    { op: 'replace', path: '/webhooks/0/clientConfig/url', value: 'https://example.com/' },
    { op: 'remove', path: '/webhooks/0' },
  ]
  for (const change of changes)
    t.match(
      await ours.request('PATCH', path, [change], 'application/json-patch+json'),
      { status: 422, body: { message: /nothing of its webhook configuration but the caBundle/ } },
      JSON.stringify(change),
    )
  const bundle = {
    op: 'replace',
    path: '/webhooks/0/clientConfig/caBundle',
    value: Buffer.from(ca()).toString('base64'),
  }
  t.match(await ours.request('PATCH', path, [bundle], 'application/json-patch+json'), { status: 200 })
})

t.test('of a Deployment that asks for it the annotation that restarts it, and nothing else', async t => {
  await cluster.kubectl(['apply', '-f', 'manifests/restart'])
  const annotations = { 'spa-reloader.io/restart': 'auto', note: 'x' }
  await apply(webDeployment('web:1', { name: 'asking', labels: { tier: 'b' }, annotations, replicas: 0 }))
  const change = (body: object, name = 'asking', query = '') =>
    ours.request(
      'PATCH',
      `/apis/apps/v1/namespaces/shop/deployments/${name}${query}`,
      body,
      'application/strategic-merge-patch+json',
    )
  const template = (metadata: object, spec: object = {}) => ({ spec: { template: { metadata, spec } } })
  const restart = template({ annotations: { 'spa-reloader.io/restarted': new Date().toISOString() } })
  // Until the policy holds all of it would pass.
  const probe = () => change({ spec: { paused: true } }, 'asking', '?dryRun=All')
  await until('the right and the policy', async () => (await probe()).status === 422)
  const changes = [
    template({}, { containers: [{ name: 'web', image: 'evil:1' }] }),
    template({}, { serviceAccountName: 'default' }),
    template({}, { hostNetwork: true }),
    template({ labels: { note: 'x' } }),
    template({ annotations: { 'spa-reloader.io/container': 'web' } }),
    template({ annotations: { note: 'y' } }),
    template({ annotations: { note: null } }),
    { spec: { replicas: 1 } },
    { spec: { minReadySeconds: 1 } },
    { metadata: { labels: { note: 'x' } } },
    { metadata: { annotations: { note: 'x' } } },
    { metadata: { finalizers: ['example.com/hold'] } },
    { metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'a', uid: 'a' }] } },
  ]
  for (const body of changes)
    t.match(
      await change(body),
      { status: 422, body: { message: /change nothing of a Deployment but the annotation/ } },
      JSON.stringify(body),
    )
  t.match(await change(restart, 'plain'), { status: 422, body: { message: /that ask for it/ } })
  t.match(await change(restart), { status: 200 })
  await cluster.kubectl(['annotate', 'namespace', 'shop', 'spa-reloader.io/restart=auto'])
  await until('the Namespace to ask for all', async () => (await change(restart, 'plain')).status === 200)
})

t.test('everybody else goes on as before', async t => {
  await kubectl(`label pod ${pod!.metadata.name} note=x`)
  await kubectl(`annotate pod ${pod!.metadata.name} note=x`)
  t.pass('an administrator may')
})

const removal = '[{"op":"remove","path":"/webhooks/0/clientConfig/caBundle"}]'

function plain() {
  return { 'spa-reloader.io/capture': 'none' }
}

function patch(to: typeof pod, metadata: object, spec?: object) {
  const path = `/api/v1/namespaces/shop/pods/${to!.metadata.name}`
  return ours.request(
    'PATCH',
    path,
    { metadata, ...(spec && { spec }) },
    'application/strategic-merge-patch+json',
  )
}

function tokenOf(kubeconfig: string): string {
  const { users } = JSON.parse(readFileSync(kubeconfig, 'utf8')) as { users: { user: { token: string } }[] }
  return users[0]!.user.token
}

function ca(): string {
  return readFileSync(cluster.caFile, 'utf8')
}
