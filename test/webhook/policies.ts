// Which kinds of policies there are is asked of the API server; here one that answers by hand.

import t from 'tap'
import type { Test } from 'tap'
import { createApi } from '../../release/api.ts'
import { watchPolicies } from '../../webhook/policies.ts'
import { json, kubeConfig, serve } from '../release/server.ts'
import { until } from '../demo/contract/cluster.ts'

const groups = (...names: string[]) => ({
  groups: names.map(name => ({ name, versions: [{ groupVersion: `${name}/v2` }] })),
})
const cilium = {
  resources: [
    { name: 'ciliumnetworkpolicies', kind: 'CiliumNetworkPolicy' },
    { name: 'ciliumnetworkpolicies/status', kind: 'CiliumNetworkPolicy' },
    { name: 'ciliumnodes', kind: 'CiliumNode' },
  ],
}
const items = (...specs: object[]) => ({
  metadata: { resourceVersion: '1' },
  items: specs.map((spec, index) => ({ metadata: { name: `p${index}`, namespace: 'shop' }, spec })),
})

/** Path → answer; undefined: 404. A watch stays open and brings nothing. */
async function watch(t: Test, answers: Record<string, object | number | undefined>, discoverMs?: number) {
  const asked: string[] = []
  const logged: string[] = []
  const server = await serve(({ url, res }) => {
    asked.push(url.pathname)
    const answer = answers[url.pathname] ?? 404
    if (typeof answer === 'number') return json(res, answer, { message: 'no' })
    if (url.searchParams.has('watch')) return res.writeHead(200).flushHeaders()
    json(res, 200, answer)
  })
  const api = createApi(() => kubeConfig(server.url))
  const policies = watchPolicies({
    api,
    log: message => void logged.push(message),
    onMoved: () => {},
    ...(discoverMs && { discoverMs }),
  })
  t.teardown(async () => {
    await policies.close()
    api.close()
    await server.close()
  })
  const names = () => policies.all().map(({ kind, namespace, name }) => `${kind} ${namespace}/${name}`)
  return { policies, names, asked, logged }
}

const network = '/apis/networking.k8s.io/v1/networkpolicies'
const kind = '/apis/cilium.io/v2/ciliumnetworkpolicies'

t.test('the kinds that the cluster has are watched, and no others', async t => {
  const answers = {
    [network]: items({ podSelector: {} }),
    '/apis': groups('apps', 'cilium.io'),
    '/apis/cilium.io/v2': cilium,
    [kind]: items({ ingress: [] }),
  }
  const { policies, names, asked } = await watch(t, answers)
  await policies.synced
  t.same(names(), ['NetworkPolicy shop/p0', 'CiliumNetworkPolicy.cilium.io shop/p0'])
  t.same(new Set(asked), new Set(Object.keys(answers)))
})

t.test('a kind that only an older version of its group has is found, and each is read once', async t => {
  const name = 'policy.networking.k8s.io'
  const resource = (kind: string, plural: string) => ({ name: plural, kind })
  const cluster = resource('ClusterNetworkPolicy', 'clusternetworkpolicies')
  const admin = resource('AdminNetworkPolicy', 'adminnetworkpolicies')
  const versions = ['v1alpha2', 'v1alpha1'].map(version => ({ groupVersion: `${name}/${version}` }))
  const { policies, names } = await watch(t, {
    [network]: items(),
    '/apis': { groups: [{ name, versions }] },
    [`/apis/${name}/v1alpha2`]: { resources: [cluster] },
    [`/apis/${name}/v1alpha2/clusternetworkpolicies`]: items({}),
    [`/apis/${name}/v1alpha1`]: { resources: [admin, cluster] },
    [`/apis/${name}/v1alpha1/adminnetworkpolicies`]: items({}),
    [`/apis/${name}/v1alpha1/clusternetworkpolicies`]: items({}),
  })
  await policies.synced
  t.same(names(), [`ClusterNetworkPolicy.${name} shop/p0`, `AdminNetworkPolicy.${name} shop/p0`])
})

t.test('a kind that is refused, or discovery that is, does not hold admissions up', async t => {
  const refusing = {
    [network]: items(),
    '/apis': groups('cilium.io'),
    '/apis/cilium.io/v2': cilium,
    [kind]: 403,
  }
  const first = await watch(t, refusing)
  await first.policies.synced
  t.same(first.names(), [])
  const second = await watch(t, { ...refusing, '/apis': 403 })
  await second.policies.synced
  t.same(second.logged, ['kinds of policies not found out'])
})

t.test('a kind that comes later is found, and one that goes is left', async t => {
  const answers: Record<string, object | number | undefined> = {
    [network]: items(),
    '/apis': groups(),
    '/apis/cilium.io/v2': cilium,
    [kind]: items({ ingress: [] }),
  }
  const { policies, names } = await watch(t, answers, 20)
  await policies.synced
  t.same(names(), [])
  answers['/apis'] = groups('cilium.io')
  await until(async () => names().length === 1)
  answers['/apis'] = groups()
  await until(async () => names().length === 0)
})
