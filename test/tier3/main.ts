// The main job, whole: real pods from our images on a real kubelet, and the three browser engines on the Service.

import t from 'tap'
import type { SpaState } from '../../client/api.ts'
import { engines, launch } from '../browsers/browser.ts'
import type { Browser } from '../browsers/browser.ts'
import { until } from '../cluster/wait.ts'
import { deploy, deployWeb, install, tabsOn } from './installation.ts'
import type { Cluster } from './installation.ts'
import { knowSeconds, openTab } from './tab.ts'
import type { Tab } from './tab.ts'

const namespace = 'shop'

t.test(
  'label a namespace, roll out: every open tab knows when the rollout is finished, and not before',
  async t => {
    const cluster = await install(t)
    await Promise.all([cluster.buildApp('one', 'web:1'), cluster.buildApp('two', 'web:2')])
    const url = await deployWeb(cluster, { namespace, labelled: true })
    for (const { spec } of await cluster.pods(namespace))
      t.same(
        [...spec.containers, ...(spec.initContainers ?? [])].map(({ name }) => name),
        ['web', 'spa-reloader'],
        'injected under Pod Security restricted',
      )
    const browsers: Browser[] = []
    for (const engine of engines) {
      const browser = await launch(engine)
      t.teardown(browser.close)
      browsers.push(browser)
    }
    const tabs: Tab[] = []
    for (const browser of browsers) tabs.push(await openTab(browser, url))
    // Each pod has a tab, so the last old pod that goes has one too.
    await until('some tabs on each pod', async () => {
      if (await everyPodHasTabs(cluster)) return true
      tabs.push(await openTab(browsers[0]!, url))
      return false
    })
    t.comment(`${tabs.length} tabs`)
    t.same(
      await versions(tabs),
      tabs.map(() => 'one'),
    )

    await t.test('a rollout', async t => {
      await cluster.inNamespace(namespace, 'set image deployment/web web=web:2')
      await allTold(t, cluster, tabs, 2)
      t.same(
        await versions(tabs),
        tabs.map(() => 'one'),
        'nobody was reloaded against their will',
      )
      await reload(cluster, tabs)
      t.same(
        await versions(tabs),
        tabs.map(() => 'two'),
      )
      for (const tab of tabs) t.same(await tab.told(), ['updated'])
    })

    await t.test('a rollback', async t => {
      await cluster.inNamespace(namespace, 'rollout undo deployment/web')
      await allTold(t, cluster, tabs, 3)
      for (const tab of tabs) t.equal((await tab.state()).rollback, true)
      await reload(cluster, tabs)
      t.same(
        await versions(tabs),
        tabs.map(() => 'one'),
      )
    })

    await t.test('a restart with the same image is silence', async t => {
      await cluster.inNamespace(namespace, 'rollout restart deployment/web')
      await cluster.rolledOut(namespace, 'web')
      await allCurrent(tabs, 4)
      for (const tab of tabs) t.notOk(await isTold(tab))
    })

    await t.test('a re-pushed tag and a restart', async t => {
      await cluster.buildApp('three', 'web:1')
      await cluster.inNamespace(namespace, 'rollout restart deployment/web')
      await allTold(t, cluster, tabs, 5)
      await reload(cluster, tabs)
      t.same(
        await versions(tabs),
        tabs.map(() => 'three'),
      )
    })

    await t.test('blue/green: the Service is switched to another Deployment', async t => {
      await deploy(cluster, { namespace, name: 'green', image: 'web:2', port: 'http' })
      for (const tab of tabs) t.notOk(await isTold(tab), 'not before')
      const selector = JSON.stringify({ spec: { selector: { app: 'green' } } })
      await cluster.inNamespace(namespace, `patch service web --patch ${selector}`)
      const start = Date.now()
      const areTold = async () => (await Promise.all(tabs.map(isTold))).every(Boolean)
      await until('every tab to be told', areTold, knowSeconds)
      t.comment(`all told after ${((Date.now() - start) / 1_000).toFixed(1)} s`)
      await reload(cluster, tabs)
      t.same(
        await versions(tabs),
        tabs.map(() => 'two'),
      )
    })

    const releases = await cluster.inNamespace(namespace, 'get releases')
    t.match(releases, /NAME +REVISION +PHASE +IMAGE/)
    t.match(releases, /web +5 +ready +web:1 +restart/)
  },
)

/** Waits until each tab has its offer. What a tab was told is read before the cluster is asked, so a tab that is told too early is seen. */
async function allTold(t: Tap, cluster: Cluster, tabs: readonly Tab[], revision: number): Promise<void> {
  let early = 0
  await until(
    'every tab to be told',
    async () => {
      const told = await Promise.all(tabs.map(isTold))
      if (told.some(Boolean) && !(await isRolledOut(cluster, revision))) early += 1
      return told.every(Boolean)
    },
    knowSeconds,
    50,
  )
  t.equal(early, 0, 'nobody is told before the rollout is finished')
}

/** When connections are led to the present pods alone: what the Service leads elsewhere meanwhile is an old page, or none. */
async function reload({ routed }: Cluster, tabs: readonly Tab[]): Promise<void> {
  await routed(namespace, 'web')
  for (const tab of tabs) await tab.reload()
}

async function allCurrent(tabs: readonly Tab[], revision: number): Promise<void> {
  let states: SpaState[] = []
  await until(
    () => `every tab to be current at revision ${revision}: ${JSON.stringify(states)}`,
    async () => {
      states = await Promise.all(tabs.map(tab => tab.state()))
      return states.every(({ status, target }) => status === 'current' && target?.revision === revision)
    },
    knowSeconds,
  )
}

type Tap = Pick<typeof t, 'equal'>

async function isTold(tab: Tab): Promise<boolean> {
  return (await tab.told()).includes('update')
}

interface DeploymentObject {
  metadata: { generation: number; annotations: Record<string, string> }
  spec: { replicas: number }
  status: {
    observedGeneration: number
    updatedReplicas?: number
    replicas?: number
    conditions?: { type: string; reason: string }[]
  }
}

/**
 * As `kubectl rollout status` saw it once: a pod that misses a probe afterwards takes nothing back, and neither does the Deployment's condition. And
 * no pod of an older revision is left that is not about to go.
 */
async function isRolledOut({ api, pods }: Cluster, revision: number): Promise<boolean> {
  const { body } = await api<DeploymentObject>('GET', `/apis/apps/v1/namespaces/${namespace}/deployments/web`)
  const { metadata, spec, status } = body
  const living = (await pods(namespace)).filter(({ metadata }) => !metadata.deletionTimestamp)
  return (
    metadata.annotations['deployment.kubernetes.io/revision'] === String(revision) &&
    metadata.generation <= status.observedGeneration &&
    status.updatedReplicas === spec.replicas &&
    status.replicas === spec.replicas &&
    status.conditions?.some(({ reason }) => reason === 'NewReplicaSetAvailable') === true &&
    living.length === spec.replicas
  )
}

function versions(tabs: readonly Tab[]): Promise<(string | null)[]> {
  return Promise.all(tabs.map(tab => tab.version()))
}

async function everyPodHasTabs({ pods }: Cluster): Promise<boolean> {
  const living = (await pods(namespace)).filter(({ metadata }) => !metadata.deletionTimestamp)
  return (await Promise.all(living.map(tabsOn))).every(count => count > 0)
}
