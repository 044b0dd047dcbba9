// Plays a history on a real cluster, in a namespace of its own, and returns what was seen.

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { option } from '../../protocol/names.ts'
import type { Browser, Engine } from '../../test/browsers/browser.ts'
import { until } from '../../test/cluster/wait.ts'
import { deployWeb, isInjected } from '../../test/tier3/installation.ts'
import type { Cluster, RunningPod } from '../../test/tier3/installation.ts'
import { knowSeconds } from '../../test/tier3/tab.ts'
import { knows } from './check.ts'
import type { Controller } from './controller.ts'
import type { Change, History, Step } from './history.ts'
import type { Log } from './log.ts'
import { watchTruth } from './truth.ts'
import type { Versions } from './versions.ts'
import { visit } from './visitor.ts'
import type { Visitor } from './visitor.ts'

export interface Stage {
  cluster: Cluster
  versions: Versions
  controller: Controller
  browsers: Record<Engine, Browser>
}

const strategies = {
  gradual: { type: 'RollingUpdate' },
  'at-once': { type: 'RollingUpdate', rollingUpdate: { maxSurge: '100%', maxUnavailable: 0 } },
  recreate: { type: 'Recreate' },
}
const settleSeconds = 300

/** The images are those of the repository `web`. Rejects when the cluster does not come to rest. */
export async function play(
  { cluster, versions, controller, browsers }: Stage,
  history: History,
): Promise<Log> {
  const namespace = `history-${history.seed}`
  const deployment = `/apis/apps/v1/namespaces/${namespace}/deployments/web`
  const tag = (step: number) => `${namespace}-${step}`
  await versions.push(history.version, tag(0))
  const url = await deployWeb(cluster, {
    namespace,
    labelled: true,
    replicas: history.replicas,
    deployment: { strategy: strategies[history.strategy] },
    // The origin is insecure and tabs of one address share Firefox's cache: without a stamp one of 300 had no identity, and held (docs/decisions.md).
    metadata: { annotations: { [option.page]: 'stamp' } },
    pod: { terminationGracePeriodSeconds: 8 }, // what a browser has opened in advance keeps an app from ending by itself
    container: { image: `web:${tag(0)}`, livenessProbe: null },
  })
  const delays = monitorEventLoopDelay()
  delays.enable()
  const truth = watchTruth(cluster, namespace)
  const visitors = new Map<number, Visitor>()
  const log: Log = {
    worlds: truth.worlds,
    outages: controller.outages,
    visits: [],
    settled: [],
    get heldUpMs() {
      return delays.max / 1e6
    },
    digests: versions.digests,
  }
  try {
    await comeAndGo(0)
    await settle()
    for (const [index, step] of history.steps.entries()) await act(index + 1, step)
    await Promise.all([...visitors.values()].map(visitor => visitor.look()))
    return log
  } finally {
    for (const visitor of visitors.values()) await visitor.leave().catch(() => {})
    truth.close()
    delays.disable()
    await cluster.api('DELETE', `/api/v1/namespaces/${namespace}`) // first, so that nobody makes other pods
    await cluster.api('DELETE', `/api/v1/namespaces/${namespace}/pods`, { gracePeriodSeconds: 0 })
  }

  async function act(number: number, step: Step): Promise<void> {
    const whims = step.whims.map(async ({ visitor, afterMs, kind }) => {
      await sleep(afterMs)
      await visitors.get(visitor)?.act(kind)
    })
    const coming = Promise.all([comeAndGo(number), ...whims])
    coming.catch(() => {}) // awaited below, unless the change fails first
    const outage = step.isOutage ? await controller.take() : undefined
    try {
      await make(step.change, number)
      await outage?.kill()
      if (step.hurryMs === undefined) await isComplete()
      else await sleep(step.hurryMs)
    } finally {
      await outage?.bringBack()
    }
    await coming
    await Promise.all([...visitors.values()].map(visitor => visitor.comeBack()))
    if (step.hurryMs === undefined) await settle()
  }

  /** Those who leave, first: else a visitor might act and leave at once. */
  async function comeAndGo(number: number): Promise<void> {
    for (const [index, { from, until, engine, isAuto }] of history.visitors.entries()) {
      if (until === number) {
        await visitors.get(index)?.look()
        await visitors.get(index)?.leave()
        visitors.delete(index)
      }
      if (from !== number) continue
      const visitor = await visit(browsers[engine], { tab: `${namespace} ${index} ${engine}`, url, isAuto })
      visitors.set(index, visitor)
      log.visits.push(visitor.visit)
    }
  }

  async function make(change: Change, number: number): Promise<void> {
    switch (change.kind) {
      case 'rollout':
        await versions.push(change.version, tag(number))
        return setTemplate({ containers: [{ name: 'web', image: `web:${tag(number)}` }] })
      case 'rollback':
        // Recreate makes the new ReplicaSet when the last pod of the old one has gone: until then there may be nothing to go back to.
        await until('a rollout to go back from', () =>
          cluster.inNamespace(namespace, 'rollout undo deployment/web'),
        )
        return
      case 're-push':
        await versions.push(change.version, await currentTag())
        return restart()
      case 'restart':
        return restart()
      case 'scale':
        await cluster.api('PATCH', deployment, { spec: { replicas: change.replicas } })
        return
      case 'kill':
        for (const { metadata } of (await cluster.pods(namespace)).slice(0, change.pods))
          await cluster.api('DELETE', `/api/v1/namespaces/${namespace}/pods/${metadata.name}`)
    }
  }

  /** As kubectl does it. */
  function restart(): Promise<void> {
    return setTemplate({}, { 'kubectl.kubernetes.io/restartedAt': new Date().toISOString() })
  }

  async function setTemplate(spec: object, annotations: object = {}): Promise<void> {
    const patch = { spec: { template: { metadata: { annotations }, spec } } }
    const { status, body } = await cluster.api(
      'PATCH',
      deployment,
      patch,
      'application/strategic-merge-patch+json',
    )
    if (status !== 200) throw new Error(`${namespace}: ${JSON.stringify(body)}`)
  }

  async function currentTag(): Promise<string> {
    const { body } = await cluster.api<DeploymentObject>('GET', deployment)
    return body.spec.template.spec.containers[0]!.image.split(':')[1]!
  }

  /** Everything that has been asked for is done, as far as we have been told. */
  async function isComplete(): Promise<void> {
    const { body } = await cluster.api<DeploymentObject>('GET', deployment)
    const isSo = () => {
      const world = truth.worlds.at(-1)
      return world?.isComplete && world.generation >= body.metadata.generation
    }
    await until(`${namespace} to be complete`, isSo, settleSeconds)
  }

  /** Pods that were made while there was no webhook have no sidecar: an operator restarts the Deployment. */
  async function settle(): Promise<void> {
    await isComplete()
    while ((await cluster.pods(namespace)).some(isBareForGood)) {
      await controller.back()
      await restart()
      await isComplete()
    }
    await until(
      `${namespace}: pods without a sidecar to go`,
      () => !truth.worlds.at(-1)?.isBare,
      settleSeconds,
    )
    let at = Date.now()
    const isKnown = async () => {
      at = Date.now() // what a tab notes while the others are looked at comes later
      await Promise.all([...visitors.values()].map(visitor => visitor.look()))
      return log.visits.every(visit => knows(log, visit, at))
    }
    await until('every tab to know', isKnown, knowSeconds, 1_000).catch(questionOthers)
    log.settled.push(at)
  }

  /** The checker finds who does not know; why, nobody could tell later. */
  async function questionOthers(): Promise<void> {
    const at = Date.now()
    const others = [...visitors.values()].filter(({ visit }) => !knows(log, visit, at))
    await Promise.all(others.map(visitor => visitor.question()))
  }
}

interface DeploymentObject {
  metadata: { generation: number }
  spec: { template: { spec: { containers: { image: string }[] } } }
}

function isBareForGood(pod: RunningPod): boolean {
  return !pod.metadata.deletionTimestamp && !isInjected(pod)
}
