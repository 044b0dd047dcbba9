// Policies about traffic decide the capture, and what comes later is told. No network here enforces them.

import t from 'tap'
import type { Test } from 'tap'
import type { Pod } from '../cluster/fake-kubelet.ts'
import { until } from '../cluster/wait.ts'
import { install, webDeployment, webService } from './installation.ts'
import type { Installation } from './installation.ts'
import { isInjected } from './shop.ts'
import type { Manifest, Shop } from './shop.ts'

const a = 'a'.repeat(64)
const crd = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'ciliumnetworkpolicies.cilium.io' },
  spec: {
    group: 'cilium.io',
    scope: 'Namespaced',
    names: {
      kind: 'CiliumNetworkPolicy',
      listKind: 'CiliumNetworkPolicyList',
      plural: 'ciliumnetworkpolicies',
      singular: 'ciliumnetworkpolicy',
    },
    versions: [
      {
        name: 'v2',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
}

t.test('policies', async t => {
  const installation = await install(t)

  t.test('by the number of the port: not injected, and an Event says why', async t => {
    const shop = await open(t, installation, 'numeric')
    await apply(installation, shop, policy(8080))
    await shop.apply(webService(), webDeployment('web:1', { replicas: 1 }))
    await restartUntil(shop, pods => pods.every(pod => !isInjected(pod)))
    const [message] = await eventsOf(shop, 'InjectionSkipped', 1)
    t.match(message, /^numeric-policy: NetworkPolicy numeric\/web: .*allow the port by its name/)

    await apply(installation, shop, policy('http'))
    await restartUntil(shop, pods => pods.every(isInjected))
  })

  t.test("a client's policy in its own namespace counts, too", async t => {
    const shop = await open(t, installation, 'behind')
    const egress = {
      ...policy(8080, 'ingress-of-behind'),
      spec: {
        podSelector: {},
        policyTypes: ['Egress'],
        egress: [
          {
            to: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'behind' } } }],
            ports: [{ port: 8080 }],
          },
        ],
      },
    }
    await installation.cluster.api('POST', '/api/v1/namespaces', { metadata: { name: 'ingress-of-behind' } })
    await installation.cluster.kubectl(['apply', '-f', '-'], JSON.stringify(egress))
    await shop.apply(webService(), webDeployment('web:1', { replicas: 1 }))
    await restartUntil(shop, pods => pods.every(pod => !isInjected(pod)))
    const [message] = await eventsOf(shop, 'InjectionSkipped', 1)
    t.match(message, /^numeric-policy: NetworkPolicy ingress-of-behind\/web: /)
  })

  t.test('a policy and a Service that come later are told once', async t => {
    const shop = await open(t, installation, 'later')
    await shop.apply(webService(), webDeployment('web:1'))
    await shop.told('the injected pods', ({ phase }) => phase === 'ready')
    t.ok((await shop.living()).every(isInjected))
    await apply(installation, shop, policy(8080))
    t.match((await eventsOf(shop, 'InjectionWarning', 1))[0], /^numeric-policy: NetworkPolicy later\/web: /)
    await apply(installation, shop, policy('http'))
    const numbered = webService({}, 'numbered') as Manifest & { spec: { ports: object[] } }
    numbered.spec.ports = [{ name: 'http', port: 80, targetPort: 8080 }]
    await shop.apply(numbered)
    t.match((await eventsOf(shop, 'InjectionWarning', 2))[0], /^bypassed: numbered: /)
    await shop.scale(3)
    await shop.settled('scaled', ({ status }) => status.readyReplicas === 3)
    t.equal((await eventsOf(shop, 'InjectionWarning', 2)).length, 2, 'not at each look')
  })

  t.test("a network plugin's kind is found; the annotation goes before its doubts", async t => {
    const { cluster } = installation
    await cluster.kubectl(['apply', '-f', '-'], JSON.stringify(crd))
    await cluster.kubectl([
      'wait',
      '--for=condition=Established',
      'crd/ciliumnetworkpolicies.cilium.io',
      '--timeout=5m',
    ])
    await installation.killWebhook() // kinds are looked up at start, and every ten minutes
    await installation.startWebhook()
    const shop = await open(t, installation, 'cilium')
    const web = {
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumNetworkPolicy',
      metadata: { name: 'web', namespace: 'cilium' },
      spec: { ingress: [{ toPorts: [{ ports: [{ port: '8080', protocol: 'TCP' }] }] }] },
    }
    await cluster.kubectl(['apply', '-f', '-'], JSON.stringify(web))
    await shop.apply(webService(), webDeployment('web:1', { replicas: 1 }))
    await restartUntil(shop, pods => pods.every(pod => !isInjected(pod)))
    const [message] = await eventsOf(shop, 'InjectionSkipped', 1)
    t.match(message, /^other-policy: CiliumNetworkPolicy\.cilium\.io cilium\/web: /)
    const annotations = { 'spa-reloader.io/capture': 'name' }
    await shop.apply(webDeployment('web:1', { replicas: 1, annotations }))
    await restartUntil(shop, pods => pods.every(isInjected))
    await shop.told('the injected pods', ({ phase }) => phase === 'ready')
  })
})

function policy(port: string | number, namespace?: string) {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'web', ...(namespace && { namespace }) },
    spec: { podSelector: { matchLabels: { app: 'web' } }, ingress: [{ ports: [{ port }] }] },
  }
}

async function open(t: Test, installation: Installation, namespace: string): Promise<Shop> {
  const shop = await installation.open(t, namespace)
  shop.behaviour.images.set('web:1', a)
  return shop
}

async function apply({ cluster }: Installation, { namespace }: Shop, object: object): Promise<void> {
  await cluster.kubectl(['-n', namespace, 'apply', '-f', '-'], JSON.stringify(object))
}

/** Until the webhook has heard of what was changed a moment ago. */
async function restartUntil(shop: Shop, isMeant: (pods: Pod[]) => boolean): Promise<void> {
  await until('the pods that are meant', async () => {
    await shop.settled('there', ({ status }) => status.updatedReplicas === 1 && status.replicas === 1)
    const pods = await shop.living()
    if (pods.length === 1 && isMeant(pods)) return true
    await shop.restart()
    return false
  })
}

/** The messages of a Deployment's Events, in their order, once there are so many. */
async function eventsOf(shop: Shop, reason: string, count: number): Promise<string[]> {
  return until(`${count} Events ${reason}`, async () => {
    const text = await shop.kubectl(`get events --field-selector reason=${reason} -o json`)
    const { items } = JSON.parse(text) as { items: { message: string }[] }
    const messages = items.map(({ message }) => message)
    return messages.length >= count && messages.toSorted()
  })
}
