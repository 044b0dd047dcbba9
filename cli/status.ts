// The release of one Deployment, as its tabs are told it; and, for pipelines, the wait until they are.

import { label } from '../protocol/names.ts'
import type { Log } from '../protocol/log.ts'
import { parseDeployment, parsePod, parseReplicaSet } from '../release/objects.ts'
import { parseRelease, releasesPath } from '../release/record.ts'
import { watchResource } from '../release/watch.ts'
import type { Watch } from '../release/watch.ts'
import type { Cluster } from './cluster.ts'
import { describeRollout, progressOf } from './rollout.ts'
import type { Rollout } from './rollout.ts'
import { describeTabs } from './tabs.ts'

export interface StatusOptions {
  name: string
  wait: boolean
  timeoutMs: number
}

const exitCode = { told: 0, failed: 1, timedOut: 3 } as const

/** Resolves with the exit code. Throws where something may not be read. */
export async function showStatus(
  cluster: Cluster,
  options: StatusOptions,
  print: (line: string) => void,
): Promise<number> {
  const { name, wait, timeoutMs } = options
  const follower = follow(cluster, name)
  try {
    await follower.synced
    if (wait) await waitForEnd(follower, timeoutMs, print)
    const rollout = follower.rollout()
    const progress = progressOf(rollout)
    for (const line of describeRollout(rollout)) print(line)
    if (rollout.record)
      for (const line of await describeTabs(cluster, rollout.record.state, rollout.pods)) print(line)
    if ('waits' in progress) {
      print(`${wait ? 'timed out: waited' : 'waits     '} ${progress.waits}`)
      return wait ? exitCode.timedOut : exitCode.told
    }
    if (progress.end === 'failed') print(`failed     ${progress.why}`)
    return exitCode[progress.end]
  } finally {
    await follower.close()
  }
}

async function waitForEnd(
  follower: Follower,
  timeoutMs: number,
  print: (line: string) => void,
): Promise<void> {
  const end = Date.now() + timeoutMs
  let said = ''
  for (;;) {
    const progress = progressOf(follower.rollout())
    const leftMs = end - Date.now()
    if (!('waits' in progress) || leftMs <= 0) return
    if (progress.waits !== said) print(`waits      ${progress.waits}`)
    said = progress.waits
    await follower.moved(leftMs)
  }
}

interface Follower {
  /** Rejects with what is wrong where one of them may not be watched. */
  synced: Promise<void>
  rollout(): Rollout
  /** Resolves at the next change, or after so many milliseconds. */
  moved(ms: number): Promise<void>
  close(): Promise<void>
}

const silent: Log = () => {} // a watch that ends is opened again

/** Copies of what a rollout is judged by. */
function follow({ api, namespace }: Cluster, name: string): Follower {
  let wake: (() => void) | undefined
  let refuse!: (error: Error) => void
  const refused = new Promise<never>((_, reject) => (refuse = reject))
  refused.catch(() => {}) // after the first listing it is tried again instead
  const apps = `/apis/apps/v1/namespaces/${namespace}`
  const mine = { fieldSelector: `metadata.name=${name}` }
  const deployments = watch(`${apps}/deployments`, parseDeployment, mine)
  const replicaSets = watch(`${apps}/replicasets`, parseReplicaSet)
  const releases = watch(releasesPath(namespace), parseRelease, mine)
  const pods = watch(`/api/v1/namespaces/${namespace}/pods`, parsePod, {
    labelSelector: `${label.injected}=true`,
  })
  const all = [deployments, replicaSets, releases, pods]
  return { synced: synced(), rollout, moved, close }

  function watch<T>(
    path: string,
    parse: (raw: unknown) => T | undefined,
    selectors: { fieldSelector?: string; labelSelector?: string } = {},
  ): Watch<T> {
    const onTrouble = (trouble: string | undefined) => trouble && refuse(new Error(`${path}: ${trouble}`))
    return watchResource({ api, path, parse, log: silent, onTrouble, onChange: () => wake?.(), ...selectors })
  }

  async function synced(): Promise<void> {
    await Promise.race([Promise.all(all.map(({ synced }) => synced)), refused])
  }

  function rollout(): Rollout {
    const [deployment] = deployments.objects.values()
    const [release] = releases.objects.values()
    const owners = new Set(
      [...replicaSets.objects.values()]
        .filter(({ controller }) => controller?.uid === deployment?.uid)
        .map(({ uid }) => uid),
    )
    return {
      deployment,
      record: release?.record,
      pods: [...pods.objects.values()].filter(
        ({ controller, terminating, finished }) =>
          owners.has(controller?.uid ?? '') && !terminating && !finished,
      ),
    }
  }

  async function moved(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>(resolve => {
      wake = resolve
      timer = setTimeout(resolve, ms)
    })
    clearTimeout(timer)
  }

  async function close(): Promise<void> {
    await Promise.all(all.map(watch => watch.close()))
  }
}
