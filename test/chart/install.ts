// Helm installs, upgrades and removes the chart on a real API server.

import t from 'tap'
import type { KubernetesObject } from '../cluster/api.ts'
import { helmBinary } from '../cluster/binaries.ts'
import { startControlPlane } from '../cluster/control-plane.ts'
import { run } from '../cluster/process.ts'
import { chart } from './render.ts'

const cluster = await startControlPlane()
t.teardown(cluster.stop)
const configuration = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/0-spa-reloader'
const caBundle = Buffer.from('-----BEGIN CERTIFICATE-----').toString('base64')

t.test('an upgrade leaves the caBundle that the webhook wrote, and changes what was set', async t => {
  await helm('install', '--create-namespace')
  t.equal(await bundle(), undefined, 'the chart has none')
  const webhooks = [{ name: 'inject.spa-reloader.io', clientConfig: { caBundle } }]
  const mine = {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: '0-spa-reloader' },
    webhooks,
  }
  const query = '?fieldManager=spa-reloader&force=true'
  const { status } = await cluster.api('PATCH', configuration + query, mine, 'application/apply-patch+yaml')
  t.equal(status, 200)
  await helm('upgrade', '--set', 'replicas=3,excludedNamespaces[0]=legacy')
  t.equal(await bundle(), caBundle)
  const { body } = await cluster.api('GET', '/apis/apps/v1/namespaces/tools/deployments/spa-reloader-webhook')
  t.match(body.spec, { replicas: 3 })
  t.match(JSON.stringify((await cluster.api('GET', configuration)).body.webhooks), '["legacy","tools"]')
})

t.test('removed, it leaves the Releases and nothing else', async t => {
  const release = {
    apiVersion: 'spa-reloader.io/v1',
    kind: 'Release',
    metadata: { name: 'web', namespace: 'default' },
  }
  await cluster.kubectl([
    'wait',
    '--for=condition=Established',
    'crd/releases.spa-reloader.io',
    '--timeout=5m',
  ])
  await cluster.kubectl(['apply', '-f', '-'], JSON.stringify(release))
  await run(helmBinary(), ['uninstall', 'spa-reloader', '--namespace', 'tools'], environment())
  t.match(await cluster.api('GET', configuration), { status: 404 })
  t.match(await cluster.api('GET', '/apis/spa-reloader.io/v1/namespaces/default/releases/web'), {
    status: 200,
  })
  const roles = await cluster.kubectl([
    'get',
    'clusterrole,clusterrolebinding,validatingadmissionpolicy',
    '-o',
    'name',
  ])
  t.notMatch(roles, 'spa-reloader')
})

function helm(command: string, ...flags: string[]): Promise<string> {
  return run(helmBinary(), [command, 'spa-reloader', chart, '--namespace', 'tools', ...flags], environment())
}

function environment() {
  return { env: { KUBECONFIG: cluster.kubeconfig } }
}

async function bundle(): Promise<unknown> {
  const { body } = await cluster.api<
    KubernetesObject & { webhooks: { clientConfig: { caBundle?: string } }[] }
  >('GET', configuration)
  return body.webhooks[0]?.clientConfig.caBundle
}
