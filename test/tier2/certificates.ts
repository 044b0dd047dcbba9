// Certificates on a real API server, which looks at them by its own clock: so it is the webhook's clock that is moved. The tests follow
// one installation through its life.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { until } from '../cluster/wait.ts'
import { webDeployment, webService } from './installation.ts'
import { createPod, createPods, installReplicas } from './replicas.ts'

const dayMs = 24 * 60 * 60_000
const minuteMs = 60_000
const secret = '/api/v1/namespaces/spa-reloader/secrets/spa-reloader-ca'
const configuration = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/0-spa-reloader'

const { cluster, open, start, cut, leader } = await installReplicas(t)
const clock = join(cluster.dir, 'clock')
moveClock(-250 * dayMs)
const env = {
  NODE_OPTIONS: `--import=${pathToFileURL(join(import.meta.dirname, 'moved-clock.js')).href}`,
  SPA_TEST_CLOCK: clock,
}
const replicas = [await start(env), await start(env)]
const [first = ''] = await authorities()
const shop = await open(t, 'shop')
await shop.apply(webService(), webDeployment('web:1', { replicas: 0 }))

t.test('a leaf that has ended: pods are admitted as they are', async t => {
  t.same(await authorities(), [first, first], 'both replicas have the same authority')
  t.match(await createPod(cluster, 'shop'), /^201 /)
})

t.test('by the clock of today it is renewed, and pods are injected', async t => {
  moveClock(0)
  await look()
  await until('the API server to trust us', injects)
  t.same(await authorities(), [first, first])
})

t.test('the authority is old, and another one takes over: no pod is missed', async t => {
  await leader()
  await look()
  await until('the next authority to be trusted', async () => (await trusted()) === 2)
  t.same(await authorities(), [first, first], 'it is trusted, but does not sign yet')
  await until('the API server to trust us', injects)
  const created = createPods(cluster, 'shop')
  moveClock(11 * minuteMs)
  await leader() // its Lease was lost to the clock for a moment
  const second = await until('both to have a leaf of it', async () => {
    await look()
    const [one, two] = await authorities()
    return one !== first && one === two && one
  })
  const { pods, missed } = await created.end()
  t.ok(pods > 10, `${pods} pods`)
  t.same(missed, [])
  cut()
  await until('the API server to look at the new leaf', injects)
  t.match(second, /^spa-reloader CA /)
  t.equal(await trusted(), 2, 'the old one is still trusted')
})

t.test('a caBundle that is wiped is back within seconds', async t => {
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
    const wiped = performance.now()
    await cluster.api('PATCH', configuration, { webhooks })
    await until('it to be back', async () => (await trusted()) > 0)
    const ms = performance.now() - wiped
    t.ok(ms < 5_000, `${Math.round(ms)} ms`)
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

t.test('a Secret that is deleted is back within seconds, with the same authority', async t => {
  const { body } = await cluster.api<{ data: object }>('GET', secret)
  const deleted = performance.now()
  await cluster.api('DELETE', secret)
  const after = await until('it to be back', async () => {
    const answer = await cluster.api<{ data: object }>('GET', secret)
    return answer.status === 200 && answer.body.data
  })
  const ms = performance.now() - deleted
  t.ok(ms < 5_000, `${Math.round(ms)} ms`)
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

/** They look once a minute, and when the Secret moves. */
async function look(): Promise<void> {
  await new Promise(resolve => setTimeout(resolve, 200))
  await cluster.api('PATCH', secret, { metadata: { annotations: { looked: String(performance.now()) } } })
}

function authorities(): Promise<string[]> {
  return Promise.all(replicas.map(replica => replica.authority()))
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
