// How many tabs each sidecar has, asked for while somebody looks: each pod by its own address, some at a time, at a measured pace.

import { setTimeout as sleep } from 'node:timers/promises'
import type { TabCounts } from '../../protocol/console.ts'
import type { PodTabs } from '../../protocol/tabs.ts'
import { deploymentOf } from '../../release/next.ts'
import type { Pod } from '../../release/objects.ts'
import type { ReleaseRecord } from '../../release/record.ts'
import type { Source } from '../source.ts'
import { askTabs } from './ask.ts'
import { sumTabs } from './sum.ts'

export interface Tabs {
  /** Null: not asked yet, or it does not answer. */
  ofPod(pod: Pod): number | null
  /** Null: there is nobody to ask, or nobody was asked yet. */
  ofApp(pods: readonly Pod[], record: ReleaseRecord | undefined): TabCounts | null
  start(): void
  /** Forgets everything. */
  stop(): void
}

export interface TabsOptions {
  source: Pick<Source, 'namespaces' | 'namespace' | 'statusOf'>
  /** What is known of this Deployment's tabs has changed. */
  onChanged(namespace: string, deployment: string): void
  ask?: typeof askTabs
  everyMs?: number
}

const parallel = 16
const paceMs = 80 // of each of them: 200 pods a second at most, so 5,000 are asked each 25 s

export function createTabs({ source, onChanged, ask = askTabs, everyMs = 5_000 }: TabsOptions): Tabs {
  /** By the pods' uids. */
  let answers = new Map<string, PodTabs | undefined>()
  let running: AbortController | undefined
  return { ofPod: pod => answers.get(pod.uid)?.total ?? null, ofApp, start, stop }

  function ofApp(pods: readonly Pod[], record: ReleaseRecord | undefined): TabCounts | null {
    const asked = pods.filter(({ uid }) => answers.has(uid))
    if (!record || asked.length === 0) return null
    return sumTabs(
      asked.map(({ uid }) => answers.get(uid)),
      record,
    )
  }

  function start(): void {
    if (running) return
    running = new AbortController()
    void run(running.signal)
  }

  function stop(): void {
    running?.abort()
    running = undefined
    answers.clear()
  }

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const start = performance.now()
      const pods = askable()
      const kept = new Set(pods.map(({ pod }) => pod.uid))
      answers = new Map([...answers].filter(([uid]) => kept.has(uid)))
      await Promise.all(Array.from({ length: parallel }, () => work(pods, signal)))
      await sleep(Math.max(0, everyMs - (performance.now() - start)), undefined, { signal }).catch(() => {})
    }
  }

  async function work(pods: { pod: Pod; admin: number }[], signal: AbortSignal): Promise<void> {
    for (let next = pods.pop(); next && !signal.aborted; next = pods.pop()) {
      const { pod, admin } = next
      const pace = sleep(paceMs)
      const answer = await ask(pod.ip, admin)
      if (signal.aborted) return
      const isNews = !answers.has(pod.uid) || JSON.stringify(answers.get(pod.uid)) !== JSON.stringify(answer)
      answers.set(pod.uid, answer)
      const deployment = deploymentOf(pod)
      if (isNews && deployment !== undefined) onChanged(pod.namespace, deployment)
      await pace
    }
  }

  /** Also those that are about to go: their tabs are still there. */
  function askable(): { pod: Pod; admin: number }[] {
    const pods = source.namespaces().flatMap(name => [...(source.namespace(name)?.copies.pods() ?? [])])
    return pods.flatMap(pod => {
      const admin = pod.injected && !pod.finished && pod.ip !== '' ? source.statusOf(pod)?.admin : undefined
      return admin === undefined ? [] : [{ pod, admin }]
    })
  }
}
