// Which policies keep traffic from the front (14020) that the app (8080, named http) gets.

import t from 'tap'
import { parsePodSpec } from '../../release/objects.ts'
import { parseNetworkPolicy, parseOtherPolicy } from '../../webhook/policy.ts'
import { obstacles } from '../../webhook/reach.ts'

const app = { container: 'web', port: 8080, portName: 'http' }
const ports = [
  { name: 'http', containerPort: 8080 },
  { name: 'alias', containerPort: 8080 },
  { name: 'metrics', containerPort: 9090 },
]
const pod = {
  annotations: {},
  labels: { app: 'web', tier: 'front' },
  spec: parsePodSpec({ containers: [{ name: 'web', ports }] }),
}
const labels = { 'kubernetes.io/metadata.name': 'shop', team: 'red' }
const shop = { name: 'shop', labels, annotations: {} }

let count = 0
function inTheWay(...specs: { namespace?: string; [field: string]: unknown }[]): string[] {
  const policies = specs.map(({ namespace = 'shop', ...spec }) => {
    const metadata = { name: `p${count++}`, namespace }
    return parseNetworkPolicy({ metadata, spec: { podSelector: {}, ...spec } })!
  })
  return obstacles(pod, { app, front: 14020 }, { ...shop, policies }).map(({ code }) => code)
}

const numeric = ['numeric-policy']
const from = [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'ingress' } } }]
const to = (port: number | string, rest: object = {}) => ({ ports: [{ port, protocol: 'TCP', ...rest }] })

t.test(
  'a rule with the number of the app alone is in the way; with its name, or without ports, it is not',
  async t => {
    t.same(inTheWay({ ingress: [{ from, ...to(8080) }] }), numeric)
    t.same(inTheWay({ ingress: [to(8000, { endPort: 9000 })] }), numeric)
    t.same(inTheWay({ ingress: [to('alias')] }), numeric, 'another name keeps its number')
    t.same(inTheWay({ ingress: [{ from, ...to('http') }] }), [])
    t.same(inTheWay({ ingress: [{ from }] }), [])
    t.same(inTheWay({ ingress: [{}] }), [])
    t.same(inTheWay({ ingress: [to(8000, { endPort: 15_000 })] }), [], 'a range with both')
    t.same(inTheWay({ ingress: [{ ports: [{ protocol: 'TCP' }] }] }), [], 'every TCP port')
    t.same(inTheWay({ ingress: [{ ports: [{ port: 8080 }, { port: 14020 }] }] }), [], 'both numbers')
  },
)

t.test('what does not let traffic come to the app takes nothing from it', async t => {
  t.same(inTheWay({ ingress: [] }), [], 'nothing comes through, to neither of them')
  t.same(inTheWay({ ingress: [to(9090)] }), [])
  t.same(inTheWay({ ingress: [to(8080, { protocol: 'UDP' })] }), [])
  t.same(inTheWay({ ingress: [to('http', { protocol: 'UDP' })] }), [])
})

t.test('a policy concerns the pods that its selector takes', async t => {
  const ingress = [to(8080)]
  t.same(inTheWay({ ingress, podSelector: { matchLabels: { app: 'api' } } }), [])
  t.same(inTheWay({ ingress, podSelector: { matchLabels: { app: 'web' } } }), numeric)
  const where = (key: string, operator: string, values?: string[]) => ({
    podSelector: { matchExpressions: [{ key, operator, ...(values && { values }) }] },
  })
  t.same(inTheWay({ ingress, ...where('tier', 'In', ['front', 'back']) }), numeric)
  t.same(inTheWay({ ingress, ...where('tier', 'NotIn', ['front']) }), [])
  t.same(inTheWay({ ingress, ...where('zone', 'NotIn', ['a']) }), numeric)
  t.same(inTheWay({ ingress, ...where('tier', 'Exists') }), numeric)
  t.same(inTheWay({ ingress, ...where('zone', 'Exists') }), [])
  t.same(inTheWay({ ingress, ...where('zone', 'DoesNotExist') }), numeric)
  t.same(inTheWay({ ingress, namespace: 'other' }), [])
})

t.test('what one rule drops, another lets through', async t => {
  const ingress = [{ from, ...to(8080) }]
  t.same(inTheWay({ ingress }, { ingress: [{}] }), [], 'from anybody')
  t.same(inTheWay({ ingress }, { ingress: [{ from, ...to('http') }] }), [], 'from the same')
  const others = [{ podSelector: { matchLabels: { app: 'api' } } }]
  t.same(inTheWay({ ingress }, { ingress: [{ from: others, ...to('http') }] }), numeric, 'from others')
  t.same(inTheWay({ ingress }, { namespace: 'other', ingress: [{}] }), numeric)
})

t.test('a policy that is in the way at both ends is told once', async t => {
  const to8080 = [{ ports: [{ port: 8080 }] }]
  t.same(inTheWay({ podSelector: {}, policyTypes: ['Ingress', 'Egress'], ingress: to8080, egress: to8080 }), [
    'numeric-policy',
  ])
})

t.test('a client that may go to the number only cannot go to the front', async t => {
  const here = {
    namespaceSelector: { matchLabels: { team: 'red' } },
    podSelector: { matchLabels: { app: 'web' } },
  }
  const egress = (peer: object | undefined, port: number | string = 8080) => ({
    namespace: 'ingress',
    policyTypes: ['Egress'],
    egress: [{ ...(peer && { to: [peer] }), ...to(port) }],
  })
  t.same(inTheWay(egress(here)), numeric)
  t.same(inTheWay(egress(undefined)), numeric)
  t.same(inTheWay(egress({ ipBlock: { cidr: '0.0.0.0/0' } })), numeric)
  t.same(inTheWay(egress(here, 'http')), [], 'a name is resolved by our pod')
  t.same(inTheWay(egress({ podSelector: {} })), [], 'pods of its own namespace')
  t.same(inTheWay({ ...egress({ podSelector: {} }), namespace: 'shop' }), numeric)
  t.same(inTheWay(egress({ namespaceSelector: { matchLabels: { team: 'blue' } } })), [])
  t.same(inTheWay(egress({ ...here, podSelector: { matchLabels: { app: 'api' } } })), [])
  t.same(inTheWay(egress({ ipBlock: { cidr: '0.0.0.0/0', except: ['10.0.0.0/8'] } })), [], 'the internet')
  t.same(inTheWay(egress({ ipBlock: { cidr: '203.0.113.0/24' } })), [])
  t.same(inTheWay({ ...egress(here), policyTypes: ['Ingress'] }), [])
})

t.test('another policy may let the same clients through', async t => {
  const podSelector = { matchLabels: { app: 'nginx' } }
  const egress = { namespace: 'ingress', podSelector, egress: [to(8080)] }
  const open = { namespace: 'ingress', egress: [{}] }
  t.same(inTheWay(egress, open), [])
  t.same(inTheWay(egress, { ...open, podSelector }), [])
  t.same(inTheWay(egress, { ...open, podSelector: { matchLabels: { app: 'other' } } }), numeric)
  t.same(inTheWay(egress, { ...open, namespace: 'other' }), numeric)
})

const languages: Record<string, { names: object; others: object }> = {
  CiliumNetworkPolicy: {
    names: { ingress: [{ toPorts: [{ ports: [{ port: '8080', protocol: 'TCP' }] }] }] },
    others: { ingress: [{ toPorts: [{ ports: [{ port: 'http' }, { port: '9090' }] }] }] },
  },
  'CiliumNetworkPolicy with a range': {
    names: { egress: [{ toPorts: [{ ports: [{ port: '8000', endPort: 9000 }] }] }] },
    others: { egress: [{ toPorts: [{ ports: [{ port: '8000', endPort: 15_000 }] }] }] },
  },
  'Calico NetworkPolicy': {
    names: { ingress: [{ action: 'Allow', destination: { ports: [80, '8000:8100'] } }] },
    others: { ingress: [{ action: 'Allow', destination: { ports: ['http', 9090] } }] },
  },
  AdminNetworkPolicy: {
    names: { ingress: [{ ports: [{ portNumber: { protocol: 'TCP', port: 8080 } }] }] },
    others: { ingress: [{ ports: [{ namedPort: 'http' }] }], priority: 8080 },
  },
  'AdminNetworkPolicy with a range': {
    names: { ingress: [{ ports: [{ portRange: { protocol: 'TCP', start: 8000, end: 9000 } }] }] },
    others: { ingress: [{ ports: [{ portRange: { protocol: 'TCP', start: 9000, end: 9100 } }] }] },
  },
  AuthorizationPolicy: {
    names: { rules: [{ to: [{ operation: { ports: ['8080'] } }] }] },
    others: { rules: [{ to: [{ operation: { paths: ['/8080'] } }] }] },
  },
  ClusterNetworkPolicy: {
    names: { ingress: [{ protocols: [{ tcp: { destinationPort: { number: 8080 } } }] }] },
    others: { ingress: [{ protocols: [{ destinationNamedPort: 'http' }], number: 8080 }] },
  },
  'ClusterNetworkPolicy with a range': {
    names: {
      ingress: [{ protocols: [{ tcp: { destinationPort: { range: { start: 8000, end: 9000 } } } }] }],
    },
    others: {
      ingress: [{ protocols: [{ tcp: { destinationPort: { range: { start: 8000, end: 15_000 } } } }] }],
    },
  },
  PeerAuthentication: {
    names: { mtls: { mode: 'STRICT' }, portLevelMtls: { 8080: { mode: 'DISABLE' } } },
    others: { portLevelMtls: { 8080: { mode: 'DISABLE' }, 14020: { mode: 'DISABLE' } } },
  },
  Server: {
    names: { podSelector: { matchLabels: { app: 'web' } }, port: 8080 },
    others: { podSelector: { matchLabels: { app: 'web' } }, port: 'http' },
  },
}

for (const [language, { names, others }] of Object.entries(languages)) {
  t.test(`${language}: what names the number of the app may be in the way`, async t => {
    const ask = (spec: object, namespace?: string) => {
      const policy = parseOtherPolicy('Kind.example.com', { metadata: { name: 'p', namespace }, spec })!
      return obstacles(pod, { app, front: 14020 }, { ...shop, policies: [policy] })
    }
    t.same(ask(names, 'shop'), [{ code: 'other-policy', subject: 'Kind.example.com shop/p' }])
    t.same(ask(names), [{ code: 'other-policy', subject: 'Kind.example.com p' }], "the whole cluster's")
    t.same(ask(names, 'other'), [])
    t.same(ask(others, 'shop'), [])
  })
}

t.test("Istio's annotations on the pod name ports that its proxy takes, or leaves alone", async t => {
  const ask = (kind: string, ports: string) => {
    const annotations = { [`traffic.sidecar.istio.io/${kind}InboundPorts`]: ports }
    const around = { ...shop, policies: [] }
    return obstacles({ ...pod, annotations }, { app, front: 14020 }, around).map(({ subject }) => subject)
  }
  for (const kind of ['include', 'exclude']) {
    const subject = `annotation traffic.sidecar.istio.io/${kind}InboundPorts`
    t.same(ask(kind, '8080'), [subject])
    t.same(ask(kind, '15020, 8080'), [subject])
    for (const ports of ['', '*', '9090', '8080,14020']) t.same(ask(kind, ports), [], ports)
  }
})

t.test(
  "Linkerd's annotation on the pod, or on its Namespace, names ports that its proxy leaves alone",
  async t => {
    const name = 'config.linkerd.io/skip-inbound-ports'
    const ask = (ofPod: string | undefined, ofNamespace?: string) => {
      const around = { ...shop, policies: [], annotations: ofNamespace ? { [name]: ofNamespace } : {} }
      const annotations: Record<string, string> = ofPod === undefined ? {} : { [name]: ofPod }
      return obstacles({ ...pod, annotations }, { app, front: 14020 }, around).map(({ subject }) => subject)
    }
    for (const ports of ['8080', '4222, 8080', '8000-8100']) t.same(ask(ports), [`annotation ${name}`], ports)
    t.same(ask(undefined, '8080'), [`annotation ${name}`])
    t.same(ask('9090', '8080'), [], "the pod's own counts")
    for (const ports of ['', '9090', '8080,14020', '8000-15000']) t.same(ask(ports), [], ports)
  },
)
