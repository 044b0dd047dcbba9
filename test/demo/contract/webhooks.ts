// Admission: whom the API server asks about a new pod, what it tells them, and what it makes of the answer.

import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import { patchType } from '../../../release/api.ts'
import type { Api } from '../../../release/api.ts'
import { createCertificate } from '../../tls.ts'
import { connect, pod, until } from './cluster.ts'
import type { Json, Send } from './cluster.ts'

export function webhooksContract(t: Test, api: Api): void {
  const { send, namespace, createPod } = connect(api)

  void t.test('an apply patch of a webhook changes what it names and keeps the rest', async t => {
    const configurations = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations'
    const url = 'https://localhost:1/mutate'
    await send('POST', configurations, webhookConfiguration('apply', { url }, { 'never/there': 'x' }))
    const caBundle = Buffer.from(createCertificate().ca).toString('base64')
    const applied = await send(
      'PATCH',
      `${configurations}/apply`,
      {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'MutatingWebhookConfiguration',
        metadata: { name: 'apply' },
        webhooks: [{ name: 'contract.spa-reloader.io', clientConfig: { caBundle } }],
      },
      { fieldManager: 'contract', force: true },
      patchType.apply,
    )
    t.match(applied, {
      status: 200,
      body: {
        webhooks: [
          { clientConfig: { url, caBundle }, failurePolicy: 'Ignore', rules: [{ resources: ['pods'] }] },
        ],
      },
    })
    await send('DELETE', `${configurations}/apply`)
  })

  void t.test(
    'a webhook changes the new pods of the namespaces that it selects, and of no others',
    async t => {
      const webhook = await startWebhook(request => ({
        patch: [{ op: 'add', path: '/metadata/labels', value: { seen: String(request.operation) } }],
      }))
      const remove = await register(send, webhook, { 'contract/mutated': 'yes' })
      const [selected, other] = [await namespace({ 'contract/mutated': 'yes' }), await namespace()]
      const made = await until(async () => {
        const { body } = await createPod(`${selected.path()}/pods`, {
          ...pod(''),
          metadata: { generateName: 'p-' },
        })
        return body.metadata.labels?.seen ? body : undefined // a new configuration takes a moment to be heeded
      })
      t.equal(made.metadata.labels?.seen, 'CREATE')
      t.match(webhook.requests[0], {
        uid: /^[0-9a-f-]{36}$/,
        kind: { group: '', version: 'v1', kind: 'Pod' },
        resource: { group: '', version: 'v1', resource: 'pods' },
        namespace: selected.name,
        operation: 'CREATE',
        dryRun: false,
        object: { apiVersion: 'v1', kind: 'Pod', metadata: { generateName: 'p-', namespace: selected.name } },
      })
      t.notOk((webhook.requests[0]?.object as Json | undefined)?.metadata.name, 'its name is not made yet')
      const before = webhook.requests.length
      t.notOk((await createPod(`${other.path()}/pods`, pod('one'))).body.metadata.labels)
      t.equal(webhook.requests.length, before, 'it was not even asked')
      await remove()
      await webhook.close()
    },
  )

  void t.test('a webhook that is down keeps no pod from being made, unless its policy says so', async t => {
    const webhook = await startWebhook(() => ({ patch: [] }))
    await webhook.close()
    const removeIgnored = await register(send, webhook, { 'contract/down': 'ignore' })
    const removeFailing = await register(send, webhook, { 'contract/down': 'fail' }, 'Fail')
    const ignoring = await namespace({ 'contract/down': 'ignore' })
    const failing = await namespace({ 'contract/down': 'fail' })
    const refused = await until(async () => {
      const response = await createPod(`${failing.path()}/pods`, {
        ...pod(''),
        metadata: { generateName: 'p-' },
      })
      return response.status === 201 ? undefined : response
    })
    t.match(refused, { status: 500, body: { message: /failed calling webhook/ } })
    t.equal((await createPod(`${ignoring.path()}/pods`, pod('one'))).status, 201)
    await removeIgnored()
    await removeFailing()
  })

  void t.test("a webhook's refusal is the client's", async t => {
    const webhook = await startWebhook(() => ({
      allowed: false,
      status: { message: 'not today', code: 403 },
    }))
    const remove = await register(send, webhook, { 'contract/denied': 'yes' })
    const { path } = await namespace({ 'contract/denied': 'yes' })
    const refused = await until(async () => {
      const response = await createPod(`${path()}/pods`, {
        ...pod(''),
        metadata: { generateName: 'p-' },
      })
      return response.status === 201 ? undefined : response
    })
    t.match(refused, { status: 403, body: { message: /denied the request: not today/ } })
    await remove()
    await webhook.close()
  })
}

function webhookConfiguration(
  name: string,
  clientConfig: Record<string, unknown>,
  matchLabels: Record<string, string>,
  failurePolicy = 'Ignore',
) {
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name },
    webhooks: [
      {
        name: 'contract.spa-reloader.io',
        clientConfig,
        rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] }],
        namespaceSelector: {
          matchLabels,
          matchExpressions: [{ key: 'contract/off', operator: 'DoesNotExist' }],
        },
        failurePolicy,
        sideEffects: 'None',
        timeoutSeconds: 3,
        admissionReviewVersions: ['v1'],
      },
    ],
  }
}

async function register(
  send: Send,
  { url, ca }: { url: string; ca: string },
  matchLabels: Record<string, string>,
  failurePolicy?: string,
) {
  const configurations = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations'
  const name = `contract-${Object.values(matchLabels).join('-')}-${Object.keys(matchLabels).join('-').replace('/', '-')}`
  const caBundle = Buffer.from(ca).toString('base64')
  const { status, body } = await send(
    'POST',
    configurations,
    webhookConfiguration(name, { url, caBundle }, matchLabels, failurePolicy),
  )
  if (status !== 201) throw new Error(body.message)
  return () => send('DELETE', `${configurations}/${name}`)
}

async function startWebhook(
  answer: (request: Record<string, unknown>) => { allowed?: boolean; patch?: unknown[]; status?: unknown },
) {
  const { ca, cert, key } = createCertificate()
  const requests: Record<string, unknown>[] = []
  const server = https.createServer({ cert, key }, (req, res) => void review(req, res))
  server.listen(0, 'localhost')
  await once(server, 'listening')
  return {
    ca,
    requests,
    url: `https://localhost:${(server.address() as AddressInfo).port}/mutate`,
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }

  async function review(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { request } = JSON.parse(await text(req)) as { request: Record<string, unknown> }
    requests.push(request)
    const { patch, ...rest } = answer(request)
    const encoded = patch && {
      patchType: 'JSONPatch',
      patch: Buffer.from(JSON.stringify(patch)).toString('base64'),
    }
    const response = { uid: request.uid, allowed: true, ...encoded, ...rest }
    res.setHeader('Content-Type', 'application/json')
    res.end(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response }))
  }
}
