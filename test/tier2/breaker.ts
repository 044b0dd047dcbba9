// What the webhook does about pods that injection harms, and about those that it missed: on a real API server with its quotas, two replicas.

import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { until } from '../cluster/wait.ts'
import type { Pod } from '../cluster/fake-kubelet.ts'
import { webDeployment, webService } from './installation.ts'
import { installReplicas } from './replicas.ts'
import type { Replica } from './replicas.ts'
import { isInjected, openShop, sayWaiting, waitingPods } from './shop.ts'
import type { Manifest, Shop } from './shop.ts'
import { createPod } from '../cluster/trial-pod.ts'

const { cluster, kubelet, open, start, cut } = await installReplicas(t)
let replicas: Replica[] = [await start(), await start()]

t.test(
  'an image that cannot be pulled: the next pods come without the sidecar, also after a restart of the webhook',
  async t => {
    const shop = await open(t, 'pull')
    const letGo = kubelet.hold(pod => pod.metadata.namespace === 'pull' && isInjected(pod), 'start')
    await shop.apply(webService(), webDeployment('web:1'))
    for (const pod of await waitingPods(shop, 2, isInjected)) await cannotPull(pod)
    const message = await eventOf(shop, 'InjectionPaused')
    t.match(
      message,
      /^breaker: the sidecar \(spa-reloader-sidecar:test\) keeps .* from starting: ImagePullBackOff/,
    )
    t.match(message, /kubectl -n pull rollout restart deployment\/web$/)
    await allInject('pull', false)

    await shop.scale(6)
    let all: Pod[] = []
    await until(
      () => `the others to be ready: ${JSON.stringify(all.map(pod => [isInjected(pod), pod.status.phase]))}`,
      async () => {
        all = await shop.living()
        return (await ready(shop)).length === 4
      },
    )
    t.notOk((await ready(shop)).some(isInjected))
    await until('it to be counted', async () => (await openBreakers()) === 1)
    t.equal(await sum('spa_reloader_ready'), 2)

    await Promise.all(replicas.map(replica => replica.kill()))
    replicas = [await start(), await start()]
    await shop.restart()
    await shop.settled(
      'the rollout',
      ({ status }) => status.updatedReplicas === 6 && status.replicas === 6 && status.readyReplicas === 6,
    )
    t.notOk((await shop.living()).some(isInjected), 'it is still open, and the rollout is not held up')

    await shop.kubectl('annotate release web spa-reloader.io/breaker-')
    letGo()
    await allInject('pull', true)
    await until('it to be closed', async () => (await openBreakers()) === 0)
    await shop.restart()
    await shop.settled(
      'the rollout',
      ({ status }) => status.updatedReplicas === 6 && status.replicas === 6 && status.readyReplicas === 6,
    )
    t.ok((await shop.living()).every(isInjected))
  },
)

t.test(
  'a quota that has room for the app only: pods come without the sidecar until there is more',
  async t => {
    const shop = await open(t, 'quota')
    const quota = (memory: string) => ({
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: 'memory' },
      spec: { hard: { 'limits.memory': memory } },
    })
    await cluster.kubectl(['-n', 'quota', 'apply', '-f', '-'], JSON.stringify(quota('300Mi')))
    await until('the quota to be in force', async () =>
      (await shop.kubectl('get resourcequota memory -o jsonpath={.status.hard}')).includes('300Mi'),
    )
    const container = { resources: { limits: { memory: '128Mi' } } }
    await shop.apply(webService(), webDeployment('web:1', { container }))
    const message = await eventOf(shop, 'InjectionPaused')
    t.match(
      message,
      /^breaker: with the sidecar the API server refuses .* without it not: exceeded quota: memory/,
    )
    await until('both pods', async () => (await ready(shop)).length === 2)
    t.ok((await ready(shop)).some(pod => !isInjected(pod)))

    await cluster.kubectl(['-n', 'quota', 'apply', '-f', '-'], JSON.stringify(quota('2Gi')))
    await eventOf(shop, 'InjectionResumed', 300) // it is tried once a minute
    await allInject('quota', true)
    await shop.restart()
    await shop.settled('the rollout', ({ status }) => status.updatedReplicas === 2 && status.replicas === 2)
    t.ok((await shop.living()).every(isInjected))
  },
)

t.test('a quota that has no room for the app itself is not our matter', async t => {
  const shop = await open(t, 'poor')
  const spec = { hard: { 'limits.memory': '100Mi' } }
  const quota = { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'memory' }, spec }
  await cluster.kubectl(['-n', 'poor', 'apply', '-f', '-'], JSON.stringify(quota))
  await until('the quota to be in force', async () =>
    (await shop.kubectl('get resourcequota memory -o jsonpath={.status.hard}')).includes('100Mi'),
  )
  const container = { resources: { limits: { memory: '128Mi' } } }
  await shop.apply(webService(), webDeployment('web:1', { container }))
  await shop.settled('its refusal', ({ status }) =>
    (status.conditions ?? []).some(({ reason }) => reason === 'FailedCreate'),
  )
  await delay(1_000)
  t.equal(await shop.kubectl('get events --field-selector reason=InjectionPaused -o name'), '')
})

t.test('a LimitRange that the default of the sidecar breaks: pods that ask for another have it', async t => {
  const shop = await open(t, 'ranged')
  const limit = { type: 'Container', min: { memory: '128Mi' }, maxLimitRequestRatio: { memory: '2' } }
  const range = {
    apiVersion: 'v1',
    kind: 'LimitRange',
    metadata: { name: 'memory' },
    spec: { limits: [limit] },
  }
  await cluster.kubectl(['-n', 'ranged', 'apply', '-f', '-'], JSON.stringify(range))
  await until('the range to be in force', async () =>
    (await createPod(cluster, 'ranged'))?.includes('minimum memory usage per Container is 128Mi'),
  )
  const container = { resources: { requests: { memory: '128Mi' }, limits: { memory: '256Mi' } } }
  const annotations = { 'spa-reloader.io/memory': '128Mi', 'spa-reloader.io/memory-limit': '0.25Gi' }
  const sized = { name: 'sized', labels: { tier: 'b' }, annotations, container }
  await shop.apply(webService(), webDeployment('web:1', sized), webDeployment('web:1', { container }))
  t.match(await eventOf(shop, 'InjectionPaused'), 'minimum memory usage per Container is 128Mi')
  const isSized = (pod: Pod) => pod.metadata.name.startsWith('sized-')
  await until('all four pods', async () => (await ready(shop)).length === 4)
  const all = await ready(shop)
  t.equal(all.filter(isSized).length, 2)
  t.ok(all.filter(isSized).every(isInjected))
  t.notOk(
    all.filter(pod => !isSized(pod)).some(isInjected),
    'the others have no sidecar, rather than not to be',
  )
})

t.test('a namespace is labelled while its pods run: told on each Deployment, and counted', async t => {
  const shop = await openShop(cluster, kubelet, 'late', false)
  t.teardown(shop.close)
  await shop.apply(
    webService(),
    webDeployment('web:1'),
    webDeployment('web:1', { name: 'other', labels: { tier: 'b' } }),
  )
  await until('four pods', async () => (await ready(shop)).length === 4)
  await cluster.kubectl(['label', 'namespace', 'late', 'spa-reloader.io/inject=enabled'])
  for (const name of ['web', 'other']) {
    const message = await eventOf(shop, 'InjectionMissed', 120, name)
    t.match(message, `kubectl -n late rollout restart deployment/${name} gives it to them`)
  }
  await until('all to be missed', async () => (await missedPods()) === 4)
  await allInject('late', true)
  await shop.restart()
  await shop.settled('the rollout', ({ status }) => status.updatedReplicas === 2 && status.replicas === 2)
  t.ok((await shop.living()).filter(pod => pod.metadata.name.startsWith('web-')).every(isInjected))
  await until('the other two to be left', async () => (await missedPods()) === 2)

  const annotate = 'annotate namespace late spa-reloader.io/restart=auto'
  await cluster.kubectl(annotate.split(' '))
  t.match(
    await eventOf(shop, 'RestartRefused', 120, 'other'),
    /kubectl apply -f manifests\/restart gives us the right/,
  )
  await cluster.kubectl(['apply', '-f', 'manifests/restart'])
  await until('it to be restarted', async () => (await shop.living()).every(isInjected))
  await until('none to be missed', async () => (await missedPods()) === 0)
})

t.test('pods are there before their Service: once it is there, they are missed, or told why not', async t => {
  const shop = await open(t, 'before-service')
  const ports = [
    { name: 'http', containerPort: 8080 },
    { name: 'api', containerPort: 9090 },
  ]
  const other = { tier: 'b' }
  await shop.apply(
    webDeployment('web:1', { container: { ports } }),
    webDeployment('web:1', { name: 'other', labels: other, container: { ports }, replicas: 1 }),
  )
  await until('three pods', async () => (await ready(shop)).length === 3)
  t.notOk((await shop.living()).some(isInjected))
  t.equal(
    await shop.kubectl('get events -o name --field-selector involvedObject.kind=Deployment,type=Warning'),
    '',
  )

  const numbered = webService(other, 'numbered') as Manifest & { spec: { ports: object[] } }
  numbered.spec.ports = [{ port: 80, targetPort: 8080 }]
  await shop.apply(numbered)
  t.match(await eventOf(shop, 'InjectionSkipped', 120, 'other'), /^numeric-target: /)
  t.equal(await missedPods(), 0)

  await shop.apply(webService())
  t.match(
    await eventOf(shop, 'InjectionMissed'),
    /kubectl -n before-service rollout restart deployment\/web gives/,
  )
  await until('all to be missed', async () => (await missedPods()) === 3)
  await shop.restart()
  await shop.restart('other')
  await until('none to be missed', async () => (await missedPods()) === 0)
  await until('the sidecar', async () => (await shop.living()).every(isInjected))
})

t.test('labelled where the sidecar would be refused: told so, instead of the advice to restart', async t => {
  const shop = await openShop(cluster, kubelet, 'refusing', false)
  t.teardown(shop.close)
  const spec = { hard: { 'limits.memory': '300Mi' } }
  const quota = { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'memory' }, spec }
  await cluster.kubectl(['-n', 'refusing', 'apply', '-f', '-'], JSON.stringify(quota))
  const container = { resources: { limits: { memory: '128Mi' } } }
  await shop.apply(webService(), webDeployment('web:1', { container, replicas: 1 }))
  await until('a pod', async () => (await ready(shop)).length === 1)
  await cluster.kubectl(['label', 'namespace', 'refusing', 'spa-reloader.io/inject=enabled'])
  t.match(
    await eventOf(shop, 'InjectionRefused'),
    /with it the API server would refuse them: exceeded quota: memory/,
  )
})

t.test('the webhook may ask about pods, and create none', async t => {
  const kubeconfig = ['--kubeconfig', await cluster.kubeconfigOf('spa-reloader', 'spa-reloader-webhook')]
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'mine', namespace: 'default' },
    spec: { containers: [{ name: 'a', image: 'a' }] },
  }
  const create = (...flags: string[]) =>
    cluster.kubectl([...kubeconfig, 'create', ...flags, '--validate=false', '-f', '-'], JSON.stringify(pod))
  t.match(await create('--dry-run=server'), /created \(server dry run\)/)
  await t.rejects(create(), /may only update pods, and create them in dry runs/)
})

t.test('where its people asked for it, a Deployment whose pods are stuck is restarted', async t => {
  const shop = await open(t, 'freed')
  await cluster.kubectl(['annotate', 'namespace', 'freed', 'spa-reloader.io/restart=auto'])
  kubelet.hold(pod => pod.metadata.namespace === 'freed' && isInjected(pod), 'start')
  await shop.apply(webService(), webDeployment('web:1'))
  for (const pod of await waitingPods(shop, 2, isInjected)) await cannotPull(pod)
  await until('two pods without the sidecar', async () => {
    const all = await shop.living()
    return all.length === 2 && !all.some(isInjected) && (await ready(shop)).length === 2
  })
  t.match(await eventOf(shop, 'InjectionPaused'), /ImagePullBackOff/)
})

/** Waits until each replica answers so. */
async function allInject(namespace: string, isMeant: boolean): Promise<void> {
  await until(`both replicas to ${isMeant ? '' : 'not '}inject in ${namespace}`, async () => {
    for (const _ of [...replicas, ...replicas]) {
      cut() // the next connection leads to the other one
      await createPod(cluster, namespace) // it may meet the old connection, and then comes out without being asked about
      if (((await createPod(cluster, namespace)) === undefined) !== isMeant) return false
    }
    return true
  })
}

/** As the kubelet says it. */
function cannotPull(pod: Pod): Promise<void> {
  return sayWaiting(cluster, pod, {
    web: { reason: 'ContainerCreating' },
    'spa-reloader': { reason: 'ImagePullBackOff' },
  })
}

async function ready(shop: Shop): Promise<Pod[]> {
  return (await shop.living()).filter(({ status }) =>
    (status.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True'),
  )
}

function eventOf(shop: Shop, reason: string, seconds = 120, name = 'web'): Promise<string> {
  const selector = `reason=${reason},involvedObject.kind=Deployment,involvedObject.name=${name}`
  return until(
    `the Event ${reason}`,
    async () => {
      const text = await shop.kubectl(
        `get events --field-selector ${selector} -o jsonpath={.items[0].message}`,
      )
      return text !== '' && text
    },
    seconds,
  )
}

function missedPods(): Promise<number> {
  return sum('spa_reloader_missed_pods')
}

function openBreakers(): Promise<number> {
  return sum('spa_reloader_open_breakers')
}

async function sum(metric: string): Promise<number> {
  const values = await Promise.all(replicas.map(replica => replica.metric(metric)))
  return values.reduce((all, one) => all + one, 0)
}
