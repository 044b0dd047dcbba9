// The certificate and the caBundle together, on the demo's API server.

import t from 'tap'
import type { Test } from 'tap'
import { startApiServer } from '../../demo/api-server/server.ts'
import { install } from '../../demo/manifests.ts'
import { createApi } from '../../release/api.ts'
import { certificatesIn, createAuthority, toData } from '../../webhook/authority.ts'
import type { KeyPair } from '../../webhook/authority.ts'
import { openTrust } from '../../webhook/trust.ts'
import { connect, until } from '../demo/contract/cluster.ts'
import { kubeConfig } from '../release/server.ts'

const configuration = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/0-spa-reloader'
const secret = '/api/v1/namespaces/spa-reloader/secrets/spa-reloader-ca'

t.test('not ready before the configuration has the authority; both replicas have the same', async t => {
  const { open, bundle } = await start(t)
  const one = await open()
  t.notOk(one.isTrusted())
  const two = await open()
  await until(async () => one.isTrusted() && two.isTrusted())
  t.equal((await bundle()).length, 1)
})

t.test(
  'a caBundle that is wiped comes back, at once the first times, and later where somebody goes on',
  async t => {
    const { open, bundle, wipe } = await start(t)
    const one = await open()
    await until(async () => one.isTrusted())
    const before = await bundle()
    await wipe()
    await until(async () => (await bundle()).length === 1 && one.isTrusted())
    t.same(await bundle(), before)
    for (let times = 0; times < 2; times++) {
      await wipe()
      await until(async () => (await bundle()).length === 1)
    }
    await wipe()
    await until(async () => !one.isTrusted())
    await new Promise(resolve => setTimeout(resolve, 300))
    t.notOk(one.isTrusted(), 'the fourth time within a minute it waits')
    await until(async () => one.isTrusted())
  },
)

t.test('a Secret that is deleted comes back as it was', async t => {
  const { open, send, bundle } = await start(t)
  const one = await open()
  await until(async () => one.isTrusted())
  const before = (await send('GET', secret)).body.data
  const trusted = await bundle()
  await send('DELETE', secret)
  await until(async () => (await send('GET', secret)).status === 200)
  t.same((await send('GET', secret)).body.data, before)
  t.same(await bundle(), trusted)
  t.same(one.renewed, [])
})

t.test('a Secret that somebody replaced: the new authority is trusted first, and then signs', async t => {
  const { open, send, bundle } = await start(t)
  const one = await open()
  await until(async () => one.isTrusted())
  const [old] = await bundle()
  const authority = createAuthority(new Date())
  const data = Object.fromEntries(
    Object.entries(toData(authority)).map(([key, text]) => [key, Buffer.from(text).toString('base64')]),
  )
  await send('PATCH', secret, { data })
  await until(async () => one.renewed.length === 1 && one.isTrusted())
  t.same(await bundle(), [authority.signer.cert, old], 'another replica may still serve the old one')
})

async function start(t: Test) {
  const server = await startApiServer({ log: () => {} })
  const api = createApi(() => kubeConfig(server.url))
  await install(api, 'manifests')
  t.teardown(async () => {
    api.close()
    await server.close()
  })
  const { send } = connect(api)
  return { send, open, bundle, wipe }

  async function open() {
    const renewed: KeyPair[] = []
    const trust = await openTrust({
      api,
      namespace: 'spa-reloader',
      tlsDir: undefined,
      dnsNames: ['localhost'],
      isLeading: () => false,
      onRenew: leaf => renewed.push(leaf),
      log: () => {},
    })
    t.teardown(trust.close)
    return Object.assign(trust, { renewed })
  }

  async function bundle(): Promise<string[]> {
    const { webhooks } = (await send('GET', configuration)).body as unknown as {
      webhooks: { clientConfig: { caBundle?: string } }[]
    }
    return webhooks.flatMap(({ clientConfig: { caBundle = '' } }) =>
      certificatesIn(Buffer.from(caBundle, 'base64').toString()),
    )
  }

  async function wipe(): Promise<void> {
    const { webhooks } = (await send('GET', configuration)).body as unknown as {
      webhooks: { clientConfig: Record<string, unknown> }[]
    }
    for (const { clientConfig } of webhooks) delete clientConfig.caBundle
    await send('PATCH', configuration, { webhooks })
  }
}
