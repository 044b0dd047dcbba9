import t from 'tap'
import type { ReleaseState } from '../../protocol/release.ts'
import { parseService } from '../../release/objects.ts'
import type { Service } from '../../release/objects.ts'
import { decide } from '../../webhook/decide.ts'
import type { Breaker } from '../../webhook/breaker.ts'
import type { Redirect } from '../../webhook/capture-redirect.ts'
import type { Context } from '../../webhook/decide.ts'
import { reasons } from '../../webhook/reasons.ts'
import type { Reason } from '../../webhook/reasons.ts'
import type { Raw } from '../../release/raw.ts'
import { parseNetworkPolicy, parseOtherPolicy } from '../../webhook/policy.ts'

const hash = '6c487dcc49'
const replicaSet = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `web-${hash}`, controller: true }

interface Facts {
  labels?: Record<string, string>
  annotations?: Record<string, string>
  owner?: object | null
  /** Into the pod's spec. */
  spec?: object
  /** Of the only container. */
  ports?: object[]
  container?: object
  /** Of the Service's only port; null: no Service. */
  service?: object | null
  /** Of the Namespace. */
  defaults?: Record<string, string>
  redirect?: Redirect
  /** Specs: of a NetworkPolicy where it has a podSelector, else of another kind. */
  policies?: object[]
  breaker?: Breaker
}

function pod(facts: Facts): Raw {
  const { labels, annotations, owner = replicaSet, spec, container } = facts
  const { ports = [{ name: 'http', containerPort: 8080 }] } = facts
  return {
    metadata: {
      generateName: `web-${hash}-`,
      labels: { app: 'web', 'pod-template-hash': hash, ...labels },
      ...(annotations && { annotations }),
      ...(owner && { ownerReferences: [{ kind: 'Other', name: 'x' }, owner] }),
    },
    spec: { containers: [{ name: 'nginx', image: 'nginx:1', ports, ...container }], ...spec },
  }
}

function decideOn(facts: Facts) {
  const { service = {}, defaults = {}, redirect, policies = [] } = facts
  const port = { name: '', port: 80, targetPort: 'http', ...service }
  const web = parseService({ metadata: { name: 'web' }, spec: { selector: { app: 'web' }, ports: [port] } })!
  return decide(pod(facts), {
    ...nothing,
    annotations: defaults,
    services: service ? [web] : [],
    redirect,
    breaker: () => facts.breaker,
    policies: policies.map(policy =>
      'podSelector' in policy
        ? parseNetworkPolicy({ metadata: { name: 'web', namespace: 'shop' }, spec: policy })!
        : parseOtherPolicy('Other.example.com', {
            metadata: { name: 'web', namespace: 'shop' },
            spec: policy,
          })!,
    ),
  })
}

const nothing: Context = {
  name: 'shop',
  labels: { 'kubernetes.io/metadata.name': 'shop' },
  annotations: {},
  services: [],
  policies: [],
  release: () => undefined,
}

/** One term of required node affinity for each list of operating systems. */
function tiedTo(...terms: string[][]): object {
  const nodeSelectorTerms = terms.map(values => ({
    matchExpressions: [
      { key: 'pool', operator: 'Exists' },
      { key: 'kubernetes.io/os', operator: 'In', values },
    ],
  }))
  return {
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } },
  }
}

t.test('a pod that may run on Linux, too, is no Windows pod', async t => {
  for (const spec of [tiedTo(['linux']), tiedTo(['windows', 'linux']), tiedTo(['windows'], ['linux'])])
    t.match(decideOn({ spec }), { inject: {} })
})

const breaker: Breaker = {
  cause: 'container',
  says: 'ErrImagePull',
  image: 'sidecar:1',
  since: '2026-11-27T12:00:00Z',
  retry: '2026-11-27T12:10:00Z',
  trips: 1,
}

const skipped: Record<Exclude<Reason, 'not-a-pod'>, Facts[]> = {
  'opted-out': [{ labels: { 'spa-reloader.io/inject': 'false' } }],
  breaker: [{ breaker }],
  'host-network': [{ spec: { hostNetwork: true } }],
  windows: [
    { spec: { os: { name: 'windows' } } },
    { spec: { nodeSelector: { 'kubernetes.io/os': 'windows' } } }, //
    { spec: tiedTo(['windows']) },
  ],
  'not-owned-by-replicaset': [
    { owner: null },
    { owner: { ...replicaSet, controller: false } },
    { owner: { ...replicaSet, kind: 'DaemonSet' } },
    { owner: { ...replicaSet, kind: 'StatefulSet' } },
    { owner: { ...replicaSet, kind: 'Job', apiVersion: 'batch/v1' } },
    { owner: { ...replicaSet, apiVersion: 'example.com/v1' } },
  ],
  'not-owned-by-deployment': [
    { owner: { ...replicaSet, name: 'web' } },
    { owner: { ...replicaSet, name: 'made-by-hand-without-a-deployment' } },
    { owner: { ...replicaSet, name: `-${hash}` } },
    { labels: { 'pod-template-hash': '' } },
  ],
  'already-injected': [
    { container: { name: 'spa-reloader' } },
    { spec: { initContainers: [{ name: 'spa-reloader-redirect' }] } },
    { spec: { volumes: [{ name: 'spa-reloader-pod', emptyDir: {} }] } },
    { container: { name: 'spa-reloader' }, annotations: { 'spa-reloader.io/status': '{"port": 80}' } },
    { container: { name: 'spa-reloader' }, annotations: { 'spa-reloader.io/status': 'nonsense' } },
  ],
  'capture-none': [
    { annotations: { 'spa-reloader.io/capture': 'none' } },
    { defaults: { 'spa-reloader.io/capture': 'none' } },
  ],
  'no-service': [
    { service: null, ports: [{ containerPort: 80 }] },
    {
      service: null,
      ports: [
        { name: 'a', containerPort: 1 },
        { name: 'b', containerPort: 2 },
      ],
    },
  ],
  'port-not-found': [{ service: { targetPort: 'web' }, ports: [{ containerPort: 80 }] }],
  udp: [{ service: { protocol: 'UDP' }, ports: [{ name: 'http', containerPort: 80, protocol: 'UDP' }] }],
  'not-http': [
    { service: { appProtocol: 'https' } },
    { service: { appProtocol: 'kubernetes.io/h2c' } },
    { service: { targetPort: 'grpc' }, ports: [{ name: 'grpc', containerPort: 9000 }] },
    { service: { name: 'redis', targetPort: 'main' }, ports: [{ name: 'main', containerPort: 6379 }] },
    { service: null, ports: [{ name: 'https', containerPort: 8443 }] },
  ],
  'numeric-target': [
    { service: { targetPort: 8080 } },
    { service: { targetPort: 80 }, ports: [] },
    {
      service: { targetPort: 'other' },
      annotations: { 'spa-reloader.io/port': '8080' },
      ports: [
        { name: 'http', containerPort: 8080 },
        { name: 'other', containerPort: 8080 },
      ],
    },
  ],
  'pod-security': [{ service: { targetPort: 8080 }, redirect: 'refused' }],
  'port-without-name': [
    { service: null, ports: [{ containerPort: 8080 }], annotations: { 'spa-reloader.io/port': '8080' } },
  ],
  'host-port': [{ ports: [{ name: 'http', containerPort: 8080, hostPort: 80 }] }],
  'numeric-policy': [
    { policies: [{ podSelector: {}, ingress: [{ ports: [{ port: 8080 }] }] }] }, //
  ],
  'other-policy': [{ policies: [{ ingress: [{ toPorts: [{ ports: [{ port: '8080' }] }] }] }] }],
  'no-free-port': [
    {
      spec: {
        initContainers: [
          {
            name: 'i',
            ports: Array.from({ length: 200 }, (_, index) => ({ containerPort: 14_000 + index })),
          },
        ],
      },
    },
  ],
}

for (const [reason, examples] of Object.entries(skipped)) {
  t.test(`${reason}: ${reasons[reason as Reason]}`, async t => {
    for (const facts of examples) {
      const { deployment } = decideOn(facts)
      t.match(decideOn(facts), { skip: [reason] }, JSON.stringify(facts))
      t.equal(deployment, reason.startsWith('not-owned') ? undefined : 'web')
    }
  })
}

t.test('what is no pod is skipped', async t => {
  for (const raw of [null, 1, 'x', [], {}, { spec: {} }, { spec: { containers: {} } }])
    t.same(decide(raw, nothing), { skip: ['not-a-pod'], deployment: undefined, warnings: [] })
})

t.test('all reasons that lie in the pod itself are told at once', async t => {
  const facts = { spec: { hostNetwork: true }, owner: null, labels: { 'spa-reloader.io/inject': 'false' } }
  t.match(decideOn(facts), { skip: ['opted-out', 'host-network', 'not-owned-by-replicaset'] })
})

t.test('the pod of a Deployment is injected by the name of its port', async t => {
  t.same(decideOn({}), {
    inject: {
      name: 'web',
      app: { container: 'nginx', port: 8080, portName: 'http' },
      capture: 'name',
      front: 14020,
      admin: 14021,
      feed: 'downward',
      expose: 'image',
      forwarded: 'add',
      revalidate: 'add',
      missing: 'refuse',
      page: 'plain',
      cache: 'memory',
      accessLog: 'off',
      maxTabs: undefined,
      amounts: { cpu: '10m', cpuLimit: undefined, memory: '64Mi', memoryLimit: '192Mi' },
      anyUser: false,
      release: undefined,
      before: undefined,
    },
    deployment: 'web',
    warnings: [],
  })
})

t.test('the Deployment is named by the ReplicaSet, whatever generateName was cut down to', async t => {
  const name = `${'long-'.repeat(45)}web`
  const raw = pod({ owner: { ...replicaSet, name: `${name}-${hash}` } })
  t.equal(decide(raw, nothing).deployment, name)
})

t.test('an option of the pod goes before that of the namespace', async t => {
  const defaults = {
    'spa-reloader.io/capture': 'none',
    'spa-reloader.io/expose': 'id',
    'spa-reloader.io/feed': 'watch',
  }
  const annotations = { 'spa-reloader.io/capture': 'name', 'spa-reloader.io/forwarded': 'off' }
  t.match(decideOn({ defaults, annotations }), {
    inject: { feed: 'watch', expose: 'id', forwarded: 'off' },
    warnings: [],
  })
})

t.test('what the installation wants sidecars to have is the default of pod and namespace', async t => {
  const annotations = { 'spa-reloader.io/memory': '128Mi' }
  const defaults = { 'spa-reloader.io/memory': '256Mi', 'spa-reloader.io/max-tabs': '20000' }
  const context = { ...nothing, annotations: defaults, sizes: { cpu: '50m', memoryLimit: '512Mi' } }
  t.match(decide(pod({ annotations }), context), {
    inject: { maxTabs: 20_000, amounts: { cpu: '50m', memory: '128Mi', memoryLimit: '512Mi' } },
    warnings: [],
  })
})

t.test('a malformed annotation means its default and a warning', async t => {
  const bad = {
    'spa-reloader.io/capture': 'redirekt',
    'spa-reloader.io/feed': 'Watch',
    'spa-reloader.io/expose': '',
    'spa-reloader.io/forwarded': 'OFF',
    'spa-reloader.io/container': 'apache',
    'spa-reloader.io/port': '80000',
  }
  const warnings = Object.keys(bad).map(subject => ({ code: 'bad-option', subject }))
  const inject = {
    app: { container: 'nginx', port: 8080 },
    feed: 'downward',
    expose: 'image',
    forwarded: 'add',
  }
  t.match(decideOn({ annotations: bad }), { inject, warnings })
  t.match(
    decideOn({ defaults: bad }),
    { inject, warnings: warnings.slice(0, 4) },
    'a container that the namespace names need not be in each pod',
  )
})

t.test(
  'a Service that asks for the number, or for another name of it, passes us by and is named',
  async t => {
    const ports = [
      { name: 'http', containerPort: 8080 },
      { name: 'alias', containerPort: 8080 },
    ]
    const services = [service('a', 8080), service('b', 'http'), service('c', 'alias'), service('d', 9999)]
    const decision = decide(pod({ ports }), { ...nothing, services })
    t.match(decision, { inject: { app: { portName: 'http' } } })
    t.same(decision.warnings.map(({ subject }) => subject).toSorted(), ['a', 'c'])
  },
)

function service(name: string, targetPort: string | number) {
  const ports = [{ port: 80, targetPort }]
  return parseService({ metadata: { name }, spec: { selector: { app: 'web' }, ports } })!
}

t.test('containers that are to make the version must be there', async t => {
  const version = (value: string) =>
    decideOn({
      annotations: { 'spa-reloader.io/version': value },
      spec: { initContainers: [{ name: 'assets' }] },
    })
  t.same(version('nginx,assets').warnings, [])
  t.same(version('asset').warnings, [{ code: 'bad-option', subject: 'spa-reloader.io/version' }])
})

t.test(
  'a load balancer with a firewall is told of before the first pod with another port number',
  async t => {
    const metadata = { name: 'web', annotations: { 'cloud.google.com/neg-status': '{}' } }
    const service = (targetPort: string | number, from: object = metadata) =>
      parseService({ metadata: from, spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort }] } })!
    const told = (service: Service, around: Partial<Context> = {}, facts: Facts = {}) =>
      decide(pod(facts), { ...nothing, services: [service], ...around }).warnings

    t.same(told(service('http')), [{ code: 'firewall', subject: 'web' }])
    t.same(told(service('http', { name: 'web' })), [], 'no load balancer')
    t.same(
      told(service('http', { name: 'web', annotations: { 'cloud.google.com/neg': '{"ingress": true}' } })),
      [],
      'GKE writes it on each Service, whether or not anything leads there',
    )
    const annotations = { 'spa-reloader.io/capture': 'redirect' }
    t.same(told(service('http'), { redirect: 'admitted' }, { annotations }), [], 'the number stays')
    const release = () => ({}) as ReleaseState
    t.same(told(service('http'), { release }), [], 'its pods have had the sidecar before')

    const bypassed = { ...service(8080), name: 'numbered' }
    t.same(
      told(service('http', { name: 'web' }), { services: [service('http', { name: 'web' }), bypassed] }),
      [{ code: 'bypassed', subject: 'numbered' }],
      'a number stays as well',
    )
  },
)
