// The goldens of the webhook against a real API server: it takes each pod that comes out, and asks us as it asks in production,
// twice where another webhook comes after us.

import t from 'tap'
import type { Test } from 'tap'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { Registry } from 'prom-client'
import { createAdmission } from '../../webhook/admission.ts'
import type { ReviewAnswer } from '../../webhook/admission.ts'
import { redirectIn } from '../../webhook/capture-redirect.ts'
import { openCertificate } from '../../webhook/certificate.ts'
import { createMetrics } from '../../webhook/metrics.ts'
import { containersOf } from '../../webhook/pod.ts'
import { list, object } from '../../release/raw.ts'
import type { Raw } from '../../release/raw.ts'
import { createServer } from '../../webhook/server.ts'
import type { Answer, KubernetesObject } from '../cluster/api.ts'
import { startControlPlane } from '../cluster/control-plane.ts'
import { until } from '../cluster/wait.ts'
import { manifests } from './installation.ts'
import { admit, readGolden, readGoldens, settings } from '../webhook/goldens.ts'

const cluster = await startControlPlane()
t.teardown(cluster.stop)
await makeNamespace('shop')

t.test('each golden is accepted', async t => {
  for (const { name, expected } of readGoldens()) {
    const [pod] = expected as Raw[]
    if (pod?.kind !== 'Pod') continue
    const { status, body } = await create('shop', pod)
    t.equal(status, 201, `${name} ${String(body.message)}`)
  }
})

t.test('at no level of Pod Security is an injected pod refused that was admitted before', async t => {
  for (const level of ['privileged', 'baseline', 'restricted']) {
    const labels = { 'pod-security.kubernetes.io/enforce': level }
    await makeNamespace(level, labels)
    let count = 0
    for (const { name, pod, context, settings } of readGoldens()) {
      const before = hardened(pod)
      if ((await create(level, before)).status !== 201) continue
      for (const native of [false, true]) {
        // Whether a redirect is possible follows the level, too.
        const redirect = context.redirect && redirectIn('labelled', { labels, annotations: {} })
        const around = { ...context, ...(redirect && { redirect }) }
        const { patched } = admit(before, around, { ...settings, isNative: () => native })
        const { status, body } = await create(level, patched)
        t.equal(status, 201, `${name}, ${level}, ${native ? 'native' : 'plain'} ${String(body.message)}`)
      }
      count++
    }
    t.ok(count > 20, `${level}: ${count} pods`)
  }
})

t.test('what is Guaranteed stays Guaranteed, in both forms', async t => {
  for (const golden of ['guaranteed', 'pod-resources', 'sizes-guaranteed', 'sizes-pod'])
    for (const native of [false, true]) {
      const { pod, context, settings } = readGolden(golden)
      const { patched } = admit(pod, context, { ...settings, isNative: () => native })
      t.equal(await qosClass(pod), 'Guaranteed')
      t.equal(await qosClass(patched), 'Guaranteed', `${golden} ${native ? 'native' : 'plain'}`)
    }
})

t.test(
  'asked by the API server, again after another webhook, we inject once and leave its work alone',
  async t => {
    const { goldens, answers } = await serveWebhooks(t)
    await makeNamespace('asked', { 'spa-reloader.io/inject': 'enabled' })
    for (const { name, pod, context, settings, expected } of readGoldens()) {
      const [golden] = expected as Raw[]
      Object.assign(goldens, { context, settings })
      answers.length = 0
      const { status, body } = await create('asked', pod)
      t.equal(status, 201, `${name} ${String(body.message)}`)
      const containers = allContainers(body)
      const sidecars = containers.filter(container => container.name === 'spa-reloader')
      if (golden?.kind !== 'Pod' || name === 'injected') continue
      const expectedPorts = [...allContainers(golden).map(portsAndName), { name: 'late', ports: [] }]
      t.same(byName(containers.map(portsAndName)), byName(expectedPorts), name)
      t.equal(sidecars.length, 1)
      t.equal(
        sidecars[0]?.image,
        mirrored({ image: settings.image }),
        `${name}: what another webhook made of our container stays`,
      )
      t.ok(list(sidecars[0]?.env).some(({ name }) => name === 'HTTP_PROXY'))
      const secrets = '/var/run/secrets/kubernetes.io/serviceaccount'
      const mounts = list(sidecars[0]?.volumeMounts).filter(({ mountPath }) => mountPath === secrets)
      const volume = name === 'feed-watch' ? 'spa-reloader-token' : 'spa-reloader-no-token'
      t.match(mounts, [{ name: volume, readOnly: true }], `${name}: no token but where it is asked for`)
      const others = containers.filter(container => container.name !== 'spa-reloader')
      t.notOk(JSON.stringify(others).includes('spa-reloader-token'), `${name}: never in another container`)
      const results = answers.map(({ response }) => response.auditAnnotations.result)
      t.same(results, ['injected', 'unchanged'], name)
    }
  },
)

t.test('Pod Security restricted admits what it admitted without us', async t => {
  const { goldens } = await serveWebhooks(t)
  await makeNamespace('strict', {
    'spa-reloader.io/inject': 'enabled',
    'pod-security.kubernetes.io/enforce': 'restricted',
  })
  const { pod, context } = readGolden('no-token')
  goldens.context = context
  const strict = hardened(pod)
  t.match(await create('strict', pod), { status: 403 }, 'it is enforced')
  const { status, body } = await create('strict', strict)
  t.equal(status, 201, String(body.message))
  t.ok(containersOf(body as Raw).some(({ container }) => container.name === 'spa-reloader'))

  const low = readGolden('env-low')
  goldens.context = low.context
  const moved = await create('strict', low.pod)
  t.equal(moved.status, 201, String(moved.body.message))
  const { sysctls } = object(object(object(moved.body).spec).securityContext)
  t.same(sysctls, [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }])
})

/** What a policy engine does to each container, ours too: the image comes from a mirror, and a proxy is set. */
function meddle(pod: Raw) {
  return (['containers', 'initContainers'] as const).flatMap(where =>
    containersOf(pod, where).flatMap(({ container, index }) => [
      { op: 'replace', path: `/spec/${where}/${index}/image`, value: mirrored(container) },
      ...(Array.isArray(container.env)
        ? [
            {
              op: 'add',
              path: `/spec/${where}/${index}/env/-`,
              value: { name: 'HTTP_PROXY', value: 'http://proxy' },
            },
          ]
        : []),
    ]),
  )
}

function mirrored({ image }: Raw): string {
  return `mirror.example/${String(image)}`
}

/** Our webhook, and one that comes after it, adds a container and changes the others, with the configuration of manifests/. */
async function serveWebhooks(t: Test) {
  const goldens = { context: readGolden('helm').context, settings }
  const answers: ReviewAnswer[] = []
  const certificate = await openCertificate({
    secret: { read: async () => undefined, create: async () => 'created', replace: async () => 'moved' },
    dnsNames: ['localhost'],
    onRenew: () => {},
    log: () => {},
  })
  const admission = createAdmission({
    settings: {
      ...settings,
      pullSecrets: [],
      isNative: () => goldens.settings.isNative(),
    },
    context: async () => goldens.context,
    metrics: createMetrics(new Registry()),
    log: () => {},
  })
  const server = createServer({
    port: 0,
    certificate: certificate.leaf,
    admit: async review => {
      const answer = await admission(review)
      answers.push(answer)
      return answer
    },
    unready: () => undefined,
    log: () => {},
  })
  const late = createHttpsServer(certificate.leaf, (request, response) => {
    void json(request).then(data => {
      const { uid, object: pod } = object(object(data).request)
      const has = containersOf(pod as Raw).some(({ container }) => container.name === 'late')
      const container = {
        name: 'late',
        image: 'late:1',
        securityContext: {
          allowPrivilegeEscalation: false,
          runAsNonRoot: true,
          capabilities: { drop: ['ALL'] },
          seccompProfile: { type: 'RuntimeDefault' },
        },
      }
      const patch = has
        ? []
        : [...meddle(pod as Raw), { op: 'add', path: '/spec/containers/-', value: container }]
      const encoded = Buffer.from(JSON.stringify(patch)).toString('base64')
      const answer = { uid, allowed: true, patchType: 'JSONPatch', patch: encoded }
      response.end(
        JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: answer }),
      )
    })
  })
  late.listen(0)
  t.teardown(async () => {
    await cluster.kubectl(['delete', 'mutatingwebhookconfiguration', '--all'])
    late.close()
    late.closeAllConnections()
    await server.close(0)
  })
  const ours = manifests().find(({ kind }) => kind === 'MutatingWebhookConfiguration')!
  const caBundle = Buffer.from(certificate.ca).toString('base64')
  const at = (port: number) => ({ url: `https://localhost:${port}/mutate`, caBundle })
  const [webhook] = ours.webhooks as Raw[]
  webhook!.timeoutSeconds = 30 // a slow machine is no finding
  await configure({ ...ours, webhooks: [{ ...webhook, clientConfig: at(await server.open()) }] })
  await configure({
    ...ours,
    metadata: { name: '9-late' },
    webhooks: [
      {
        ...webhook,
        name: 'late.example.com',
        failurePolicy: 'Fail',
        clientConfig: at((late.address() as AddressInfo).port),
      },
    ],
  })
  await makeNamespace('probe', { 'spa-reloader.io/inject': 'enabled' })
  const { pod } = readGolden('helm')
  await until('the API server to know of the webhooks', async () => {
    const { body } = await create('probe', pod)
    return containersOf(body as Raw).length === 3
  })
  return { goldens, answers }
}

async function configure(configuration: unknown): Promise<void> {
  await cluster.kubectl(['apply', '-f', '-'], JSON.stringify(configuration))
}

async function makeNamespace(name: string, labels: Record<string, string> = {}): Promise<void> {
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }
  await cluster.kubectl(['apply', '-f', '-'], JSON.stringify(namespace))
  await until('the ServiceAccount', async () => {
    const { status } = await cluster.api('GET', `/api/v1/namespaces/${name}/serviceaccounts/default`)
    return status === 200
  })
}

async function create(namespace: string, pod: Raw): Promise<Answer<KubernetesObject>> {
  return cluster.api<KubernetesObject>('POST', `/api/v1/namespaces/${namespace}/pods?dryRun=All`, pod)
}

async function qosClass(pod: Raw): Promise<unknown> {
  const { body } = await create('shop', pod)
  return object(body.status).qosClass
}

/** The same pod with what Pod Security `restricted` asks of its containers, where they say nothing. */
function hardened(pod: Raw): Raw {
  const strict = structuredClone(pod)
  for (const where of ['containers', 'initContainers'] as const)
    for (const { container } of containersOf(strict, where))
      if (Object.keys(object(container.securityContext)).length === 0)
        container.securityContext = {
          allowPrivilegeEscalation: false,
          runAsNonRoot: true,
          capabilities: { drop: ['ALL'] },
          seccompProfile: { type: 'RuntimeDefault' },
        }
  return strict
}

function allContainers(pod: unknown): Raw[] {
  const { containers, initContainers } = object(object(pod).spec)
  return [...list(containers), ...list(initContainers)]
}

function byName<T extends { name: unknown }>(items: T[]): T[] {
  return items.toSorted((a, b) => (String(a.name) < String(b.name) ? -1 : 1))
}

function portsAndName({ name, ports }: Raw) {
  return { name, ports: list(ports).map(({ name, containerPort }) => ({ name, containerPort })) }
}
