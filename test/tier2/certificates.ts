// Certificates on a real API server, which looks at them by its own clock: so it is the webhook's clock that is moved. The tests follow
// one installation through its life.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import type { KubernetesObject } from '../cluster/api.ts'
import { until } from '../cluster/wait.ts'
import { webDeployment, webService } from './installation.ts'
import { createPods, installReplicas } from './replicas.ts'
import type { Leaf } from './replicas.ts'
import { openShop } from './shop.ts'
import { createPod } from '../cluster/trial-pod.ts'

const dayMs = 24 * 60 * 60_000
const minuteMs = 60_000
const atOnceSeconds = 20 // far less than the minute after which they look by themselves
const secret = '/api/v1/namespaces/spa-reloader/secrets/spa-reloader-ca'
const configuration = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/0-spa-reloader'

const { cluster, kubelet, start, cut } = await installReplicas(t)
const clock = join(cluster.dir, 'clock')
moveClock(-250 * dayMs)
const env = {
  NODE_OPTIONS: `--import=${pathToFileURL(join(import.meta.dirname, 'moved-clock.js')).href}`,
  SPA_TEST_CLOCK: clock,
}
const replicas = [await start(env), await start(env)]
const [first = ''] = await authorities()
const shop = await openShop(cluster, kubelet, 'shop')
t.teardown(shop.close)
await shop.apply(webService(), webDeployment('web:1', { replicas: 0 }))

t.test('a leaf that has ended: pods are admitted as they are', async t => {
  t.same(await authorities(), [first, first], 'both replicas have the same authority')
  t.match(await createPod(cluster, 'shop'), /^201 /)
})

t.test('by the clock of today it is renewed, and pods are injected', async t => {
  moveClock(0)
  await until('both to have a leaf of today', async () => {
    await look()
    return (await leaves()).every(({ isValid }) => isValid)
  })
  await until('the API server to trust us', injects)
  t.same(await authorities(), [first, first])
})

t.test('the authority is old, and another one takes over: no pod is missed', async t => {
  await until('the next authority to be trusted', async () => {
    await look()
    return (await trusted()) === 2
  })
  t.same(await authorities(), [first, first], 'it is trusted, but does not sign yet')
  await until('the API server to trust us', injects)
  const created = createPods(cluster, 'shop')
  moveClock(11 * minuteMs)
  const second = await until('both to have a leaf of it', async () => {
    await look()
    const [one, two] = await authorities()
    return one !== first && one === two && one
  })
  await until('some pods', () => created.count() > 10)
  const { missed } = await created.end()
  t.same(missed, [])
  cut()
  await until('the API server to look at the new leaf', injects)
  t.match(second, /^spa-reloader CA /)
  t.equal(await trusted(), 2, 'the old one is still trusted')
})

t.test('a caBundle that is wiped is back at once, not when they look again', async t => {
  const { body } = await cluster.api<{ webhooks: { clientConfig: { caBundle?: string } }[] }>(
    'GET',
    configuration,
  )
  const before = body.webhooks.map(({ clientConfig }) => clientConfig.caBundle)
  for (const caBundle of [undefined, Buffer.from('nonsense').toString('base64')]) {
    const webhooks = body.webhooks.map(webhook => ({
      ...webhook,
      clientConfig: { ...webhook.clientConfig, caBundle },
    }))
    await cluster.api('PATCH', configuration, { webhooks })
    await until('it to be back', async () => (await trusted()) > 0, atOnceSeconds)
  }
  const after = await cluster.api<{ webhooks: { clientConfig: { caBundle?: string } }[] }>(
    'GET',
    configuration,
  )
  t.same(
    after.body.webhooks.map(({ clientConfig }) => clientConfig.caBundle),
    before,
  )
  await until('the API server to trust us', injects)
})

t.test('a Secret that is deleted is back at once, with the same authority', async t => {
  const { body } = await cluster.api<KubernetesObject & { data: object }>('GET', secret)
  const { uid } = body.metadata
  await cluster.api('DELETE', secret)
  const after = await until(
    'it to be back',
    async () => {
      const answer = await cluster.api<KubernetesObject & { data: object }>('GET', secret)
      return answer.status === 200 && answer.body.metadata.uid !== uid && answer.body.data
    },
    atOnceSeconds,
  )
  t.same(after, body.data)
  t.equal(await createPod(cluster, 'shop'), undefined)
})

t.test('who applies the manifest again takes nothing away', async t => {
  const { body } = await cluster.api('GET', configuration)
  const { webhooks } = body as unknown as { webhooks: { clientConfig: Record<string, unknown> }[] }
  for (const { clientConfig } of webhooks) delete clientConfig.caBundle
  const { apiVersion, kind } = body
  const manifest = { apiVersion, kind, metadata: { name: '0-spa-reloader' }, webhooks }
  await cluster.kubectl(['apply', '-f', '-'], JSON.stringify(manifest))
  t.equal(await trusted(), 2)
  await cluster.kubectl(
    ['apply', '--server-side', '--force-conflicts', '--field-manager=helm', '-f', '-'],
    JSON.stringify(manifest),
  )
  t.equal(await trusted(), 2)
})

function moveClock(ms: number): void {
  writeFileSync(clock, String(ms))
}

/** They look once a minute, and when the Secret moves. Not all may be ready to do something about it: it is to be called again and again. */
async function look(): Promise<void> {
  await cluster.api('PATCH', secret, { metadata: { annotations: { looked: String(performance.now()) } } })
}

function leaves(): Promise<Leaf[]> {
  return Promise.all(replicas.map(replica => replica.leaf()))
}

async function authorities(): Promise<string[]> {
  return (await leaves()).map(({ authority }) => authority)
}

/** How many authorities the API server trusts. */
async function trusted(): Promise<number> {
  const { body } = await cluster.api<{ webhooks: { clientConfig: { caBundle?: string } }[] }>(
    'GET',
    configuration,
  )
  const counts = body.webhooks.map(({ clientConfig: { caBundle = '' } }) => {
    const pem = Buffer.from(caBundle, 'base64').toString()
    return pem.match(/BEGIN CERTIFICATE/g)?.length ?? 0
  })
  return Math.min(...counts)
}

async function injects(): Promise<boolean> {
  return (await createPod(cluster, 'shop')) === undefined
}
