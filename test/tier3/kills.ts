// kill -9 of every part, under load: tabs and requests come back by themselves, and nothing false is told meanwhile.

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { parseMessage } from '../../protocol/message.ts'
import { leaseName, subprotocol } from '../../protocol/names.ts'
import { parseReleaseState } from '../../protocol/release.ts'
import { lasting, underLoad } from '../cluster/traffic.ts'
import { until } from '../cluster/wait.ts'
import { deployWeb, install, settled, tabsOn } from './installation.ts'
import type { RunningPod } from './installation.ts'

const namespace = 'shop'

const cluster = await install(t)
await Promise.all(['1', '2'].map(version => cluster.buildApp(version, `web:${version}`)))
const states = new Set<string>()
const releases = cluster.watch(`/apis/spa-reloader.io/v1/namespaces/${namespace}/releases`, ({ object }) => {
  const state = parseReleaseState(object.status)
  if (state) states.add(brief(state))
})
t.teardown(releases.close)
const url = await deployWeb(cluster, { namespace, labelled: true, replicas: 2, container: lasting })
const tabs = Array.from({ length: 12 }, openTab)
t.teardown(() => tabs.forEach(tab => tab.close()))
await told(1)

t.test('the sidecar: the kubelet starts it again, and the app has noticed nothing', async t => {
  const pod = await busiest()
  const cuts = await afterKill(t, () => killed(pod!, 'spa-reloader'))
  t.ok(cuts > 0, 'tabs were on it')
  t.same(await restarts(pod!), { 'spa-reloader': 1, web: 0 })
})

t.test('the app: nobody answers in its place until it is back, and the tabs stay', async t => {
  const pod = await busiest()
  const before = await restarts(pod!)
  const cuts = await afterKill(t, () => killed(pod!, 'web'))
  t.equal(cuts, 0)
  t.same(await restarts(pod!), { ...before, web: 1 })
  const codes = await until('the log', async () => {
    const log = await cluster.inNamespace(namespace, `logs ${pod!.metadata.name} -c spa-reloader`)
    const found = [...log.matchAll(/"code":"(front_listens|app_gone)"/g)].map(([, code]) => code)
    return found.length >= 3 && found
  })
  t.same(codes, ['front_listens', 'app_gone', 'front_listens'])
})

t.test(
  'the webhook that leads, in a rollout: the other one takes over, and who was missed is told',
  async t => {
    const lease = `get lease ${leaseName} -o jsonpath={.spec.holderIdentity}`
    const holder = (await cluster.inNamespace('spa-reloader', lease)).split('_')[0]
    const leader = (await cluster.pods('spa-reloader')).find(({ metadata }) => metadata.name === holder)
    await afterKill(t, async () => {
      await cluster.inNamespace(namespace, 'set image deployment/web web=web:2')
      await kill(leader!, 'webhook', 'spa-reloader')
      await cluster.rolledOut(namespace, 'web')
      const bare = (await pods()).filter(
        ({ metadata }) => metadata.labels?.['spa-reloader.io/injected'] !== 'true',
      )
      t.comment(`${bare.length} pods were missed`)
      if (bare.length === 0) return
      await until('it to be told', async () =>
        (
          await cluster.inNamespace(namespace, 'get events -o name --field-selector reason=InjectionMissed')
        ).includes('event'),
      )
      await settled(cluster, 'spa-reloader', 'spa-reloader-webhook')
      await cluster.inNamespace(namespace, 'rollout restart deployment/web')
    })
    await told(2)
  },
)

t.test('the kubelet: what runs goes on, and what was missed is told when it is back', async t => {
  const lost = await underLoad(url, async () => {
    await cluster.machine.run('sh', ['-c', 'kill -9 $(pidof kubelet)']) // of the machine's own processes
    await cluster.inNamespace(namespace, 'set image deployment/web web=web:1')
    await sleep(5_000)
  })
  t.equal(lost.failures, 0, JSON.stringify(lost))
  const before = revision()
  await afterKill(t, async () => {
    cluster.startKubelet()
    await cluster.rolledOut(namespace, 'web')
  })
  await told(before + 1)
})

/**
 * Kills under load; resolves with how many tabs were cut off by it, once all is well again: each pod ready, and connections led to those alone, each
 * tab back with the present state, and no request lost any more.
 */
async function afterKill(t: Test, during: () => Promise<void>): Promise<number> {
  const cuts = () => tabs.reduce((sum, tab) => sum + tab.cuts(), 0)
  const before = cuts()
  const lost = await underLoad(url, async () => {
    await during()
    await settled(cluster, namespace, 'web')
    await until('each tab to be back', () => tabs.every(tab => tab.isBack()))
  })
  t.comment(`lost meanwhile: ${JSON.stringify(lost)}`)
  const after = await underLoad(url, () => sleep(2_000))
  t.equal(after.failures, 0, JSON.stringify(after))
  const untrue = () => tabs.flatMap(tab => tab.heard()).filter(state => !states.has(state))
  await until('the API server to have told it, too', () => untrue().length === 0).catch(() => {})
  t.same(untrue(), [], 'no tab was told what was not so')
  return cuts() - before
}

/** Resolves once the kubelet has started it again. */
async function killed(pod: RunningPod, container: string): Promise<void> {
  const before = (await restarts(pod))[container]!
  await kill(pod, container)
  await until('a restart', async () => (await restarts(pod))[container]! > before)
}

async function kill({ metadata: { name } }: RunningPod, container: string, of = namespace): Promise<void> {
  const { body } = await cluster.api<{ status: Record<string, { name: string; containerID?: string }[]> }>(
    'GET',
    `/api/v1/namespaces/${of}/pods/${name}`,
  )
  const { containerStatuses = [], initContainerStatuses = [] } = body.status
  const status = [...containerStatuses, ...initContainerStatuses].find(({ name }) => name === container)
  const id = status?.containerID?.replace('containerd://', '')
  const list = '--address /run/containerd/containerd.sock --namespace k8s.io tasks list'
  const tasks = await cluster.machine.run('ctr', list.split(' '))
  const pid = new RegExp(`^${id}\\s+(\\d+)`, 'm').exec(tasks)?.[1]
  if (!pid) throw new Error(`no process of ${container} in ${name}:\n${tasks}`)
  await cluster.machine.run('kill', ['-9', pid])
}

async function pods(): Promise<RunningPod[]> {
  const all = await cluster.pods(namespace)
  return all.filter(({ metadata }) => !metadata.deletionTimestamp)
}

/** The pod with the most tabs: all of them are on the one that kube-proxy knew first, if they came before it knew the other. */
async function busiest(): Promise<RunningPod | undefined> {
  const counted = await Promise.all((await pods()).map(async pod => ({ pod, tabs: await tabsOn(pod) })))
  return counted.sort((one, other) => other.tabs - one.tabs)[0]?.pod
}

async function restarts({ metadata }: RunningPod): Promise<Record<string, number>> {
  const status = (await pods()).find(({ metadata: { uid } }) => uid === metadata.uid)?.status
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]
  return Object.fromEntries(all.map(({ name, restartCount }) => [name, restartCount]))
}

async function told(least: number): Promise<void> {
  await until(`each tab to be told of revision ${least}`, () =>
    tabs.every(tab => {
      const [number, phase] = tab.last()?.split(' ') ?? []
      return Number(number) >= least && phase === 'ready'
    }),
  )
}

function revision(): number {
  return Math.max(...tabs.map(tab => Number(tab.last()?.split(' ')[0])))
}

function brief({
  revision,
  phase,
  serial,
  name,
}: {
  revision: number
  phase: string
  serial: number
  name: string
}) {
  return `${revision} ${phase} ${serial} ${name}`
}

/** As the client behaves: it comes back. */
function openTab() {
  const heard: string[] = []
  let isOpen = false
  let isClosed = false
  let cuts = 0
  let socket: WebSocket
  connect()
  return {
    heard: () => heard,
    last: () => heard.at(-1),
    isBack: () => isOpen,
    cuts: () => cuts,
    close: () => {
      isClosed = true
      socket.terminate()
    },
  }

  function connect(): void {
    if (isClosed) return
    socket = new WebSocket(`${url.replace('http', 'ws')}__spa/ws`, subprotocol, { handshakeTimeout: 4_000 })
    socket.on('error', () => {})
    socket.on('message', data => {
      const message = parseMessage((data as Buffer).toString())
      if (message?.type !== 'state') return
      isOpen = true // the first message of each connection is the present state
      heard.push(brief(message))
    })
    socket.on('close', () => {
      if (isOpen) cuts += 1
      isOpen = false
      setTimeout(connect, 100)
    })
  }
}
