// How long after the end of a rollout a tab knows, on a real kubelet: from the first watch event with which the rollout is finished, as
// this process sees it, to the message that says so. Apart: tabs on living pods, and tabs whose socket was on a pod that was dying then.

import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { closeCode, subprotocol } from '../protocol/names.ts'
import { parseMessage } from '../protocol/message.ts'
import { parseDeployment, parsePod } from '../release/objects.ts'
import type { Deployment, Pod } from '../release/objects.ts'
import { isReady } from '../release/rollout.ts'
import { until } from '../test/cluster/wait.ts'
import { deployWeb, install } from '../test/tier3/installation.ts'
import type { Cluster, Host } from '../test/tier3/installation.ts'
import { median, rounded } from './figures.ts'

const sizes = [
  { replicas: 1, rollouts: 10 },
  { replicas: 3, rollouts: 10 },
  { replicas: 20, rollouts: 3 },
]
const tabsPerPod = 4

export async function notice(host: Host) {
  const cluster = await install(host)
  await Promise.all(['1', '2'].map(version => cluster.buildApp(version, `web:${version}`)))
  const figures: Record<string, object> = {}
  for (const { replicas, rollouts } of sizes) {
    const namespace = `replicas-${replicas}`
    // On a busy machine a probe would kill what starts slowly, and the kubelet tells a pod nothing while it kills a container of it.
    const container = { livenessProbe: null }
    const url = await deployWeb(cluster, { namespace, labelled: true, replicas, container })
    figures[namespace] = await measure(cluster, { namespace, url, replicas, rollouts })
    host.comment(`${namespace}: ${JSON.stringify(figures[namespace])}`) // the next may be more than the machine carries
    await cluster.api('DELETE', `/api/v1/namespaces/${namespace}`)
  }
  return figures
}

interface Size {
  namespace: string
  url: string
  replicas: number
  rollouts: number
}

async function measure(cluster: Cluster, { namespace, url, replicas, rollouts }: Size) {
  const world = watchRollouts(cluster, namespace)
  const tabs = Array.from({ length: replicas * tabsPerPod }, () => openTab(url))
  await until('tabs to know', () => tabs.every(tab => tab.readyAt.has(1)))
  const living: number[] = []
  const moved: number[] = []
  for (let revision = 2; revision < 2 + rollouts; revision += 1) {
    await cluster.inNamespace(namespace, `set image deployment/web web=web:${((revision + 1) % 2) + 1}`)
    await until('every tab to be told', () => tabs.every(tab => tab.readyAt.has(revision)), 120)
    const finished = await until('the end of the rollout to be seen', () => world.readyAt.get(revision))
    for (const tab of tabs) {
      const ms = (tab.readyAt.get(revision) ?? NaN) - finished
      ;((tab.openedAt.get(revision) ?? Infinity) > finished ? moved : living).push(ms)
    }
    await sleep(6_000) // the old pods go, the tabs settle
  }
  for (const tab of tabs) tab.close()
  world.close()
  return {
    median_ms: rounded(median(living), 0),
    max_ms: rounded(Math.max(...living), 0),
    min_ms: rounded(Math.min(...living, ...moved), 0),
    median_moved_ms: rounded(median(moved), 0),
    max_moved_ms: rounded(Math.max(...moved), 0),
    n: living.length,
    n_moved: moved.length,
    rollouts,
  }
}

/** Notes when each revision was first seen to be finished. */
function watchRollouts(cluster: Cluster, namespace: string) {
  const readyAt = new Map<number, number>()
  const pods = new Map<string, Pod>()
  let deployment: Deployment | undefined
  const watches = [
    cluster.watch(`/apis/apps/v1/namespaces/${namespace}/deployments`, ({ object }) => {
      deployment = parseDeployment(object) ?? deployment
      look()
    }),
    cluster.watch(`/api/v1/namespaces/${namespace}/pods`, ({ type, object }) => {
      const pod = parsePod(object)
      if (pod && type === 'DELETED') pods.delete(pod.name)
      else if (pod) pods.set(pod.name, pod)
      look()
    }),
  ]
  return { readyAt, close: () => watches.forEach(watch => watch.close()) }

  function look(): void {
    if (!deployment || readyAt.has(deployment.revision)) return
    const image = deployment.template.spec.containers[0]?.image
    const isTarget = (pod: Pod) => pod.spec.containers.some(container => container.image === image)
    const all = [...pods.values()]
    const [targets, others] = [all.filter(isTarget), all.filter(pod => !isTarget(pod))]
    if (isReady(deployment, targets, others)) readyAt.set(deployment.revision, Date.now())
  }
}

/** A tab as the client behaves: it comes back when its pod says that it goes. */
function openTab(url: string) {
  const readyAt = new Map<number, number>()
  const openedAt = new Map<number, number>()
  let socket: WebSocket
  let closed = false
  connect()
  return { readyAt, openedAt, close }

  function connect(): void {
    if (closed) return
    const opened = Date.now()
    socket = new WebSocket(`${url.replace('http', 'ws')}__spa/ws`, subprotocol, { handshakeTimeout: 4_000 })
    socket.on('error', () => {})
    socket.on('message', data => {
      const message = parseMessage((data as Buffer).toString())
      if (message?.type !== 'state' || message.phase !== 'ready' || readyAt.has(message.revision)) return
      readyAt.set(message.revision, Date.now())
      openedAt.set(message.revision, opened)
    })
    socket.on('close', (code, reason) => {
      const within = code === closeCode.draining ? Number(/\d+/.exec(String(reason))?.[0] ?? 1_000) : 1_000
      setTimeout(connect, Math.random() * within)
    })
  }

  function close(): void {
    closed = true
    socket.terminate()
  }
}
