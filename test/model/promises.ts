// What is promised, in terms of what is true of the cluster: nothing in here asks our own rules.

import { bytesOf } from './cluster.ts'
import type { Bytes, PodFacts, Snapshot } from './cluster.ts'
import type { Answer, Told } from './network.ts'
import type { State } from './world.ts'

/** `late`: no failure, but the one window that is left: another rollout has begun and the tab could not know it yet. */
export type Kind = 'miss' | 'false alarm' | 'loop' | 'late'

export interface Failure {
  kind: Kind
  says: string
}

export function createPromises(snapshots: readonly Snapshot[], cdn: boolean) {
  return { ofSettled, ofOffer, ofReload, served, toldWhile }

  /**
   * A tab is told of the version that is live, or is current; while a rollout has stopped halfway there is none that it could be told of. Two hold, since nobody can know any more what they are: one whose ReplicaSet has
   * gone before any state placed it, and one whose ReplicaSet has come to run other bytes before the first state that is later than the page.
   */
  function ofSettled({ at, tab }: State): Failure | undefined {
    if (!tab) return undefined
    const { document, offer, wasKnown, wasPlaced } = tab
    const { objects, pods, serving, deployments } = snapshots[at]!
    const { page, bytes } = document
    const isGone = objects.replicaSets.every(({ hash }) => hash !== page?.hash)
    const isOther = pods.some(pod => pod.hash === page?.hash && pod.bytes !== bytes)
    const isLost = (isGone && !wasKnown) || (isOther && !wasPlaced)
    if (isLost && !offer.isOffered) return undefined
    const target = bytesOf(offer.known?.sha256 ?? '')
    const isLive = serving.some(({ bytes }) => bytes === document.bytes)
    if (!isLive && !offer.isOffered && deployments.some(({ isDone }) => isDone))
      return {
        kind: 'miss',
        says: `all is settled, and the tab with version ${document.bytes} is not told`,
      }
    if (isLive && offer.isOffered)
      return {
        kind: 'false alarm',
        says: `all is settled, version ${document.bytes} is live, and the tab that has it still offers version ${target}`,
      }
    if (offer.isOffered && !isRight(at, document.bytes, target))
      return {
        kind: 'false alarm',
        says: `all is settled, and the tab offers version ${target}`,
      }
    return undefined
  }

  /** Whoever offers a version has been served it. */
  function ofOffer(state: State): Failure | undefined {
    const target = bytesOf(state.tab?.offer.known?.sha256 ?? '')
    const canBeHad = cdn || snapshots[state.at]!.serving.some(({ bytes }) => bytes === target)
    return wrong(state, 'is offered', canBeHad)
  }

  /** Takes how often the tab has reloaded by itself for this release. */
  function ofReload(state: State, times = 0): Failure | undefined {
    if (times > 2)
      return {
        kind: 'loop',
        says: `the tab has reloaded by itself ${times} times for one release`,
      }
    return wrong(state, 'reloads by itself for', true)
  }

  function wrong({ at, tab }: State, does: string, canBeHad: boolean): Failure | undefined {
    if (!tab) return undefined
    const { document, offer, heard } = tab
    const target = bytesOf(offer.known?.sha256 ?? '')
    if (isRight(at, document.bytes, target)) return undefined
    const says = `the tab with version ${document.bytes} ${does} version ${target}, while ${sayServing(at)}`
    // It was right after the last thing that the page has heard of, for a page that there was by then: it could not know better.
    for (let then = Math.max(heard, bornAt(document)); canBeHad && then < at; then++)
      if (isRight(then, document.bytes, target)) return { kind: 'late', says }
    return { kind: 'false alarm', says }
  }

  /** The tab's version cannot be had any more, and the offered one is what a Deployment is to serve and does. */
  function isRight(at: number, bytes: Bytes, offered: Bytes): boolean {
    const { serving, deployments } = snapshots[at]!
    return (
      serving.every(pod => pod.bytes !== bytes) &&
      deployments.some(deployment => deployment.isDone && deployment.bytes === offered)
    )
  }

  /** The pods that have answered requests by then, the first of each version. */
  function served(at: number): PodFacts[] {
    const pods = new Map<string, PodFacts>()
    for (const { serving } of snapshots.slice(0, at + 1))
      for (const pod of serving)
        if (!pods.has(`${pod.hash} ${pod.bytes}`)) pods.set(`${pod.hash} ${pod.bytes}`, pod)
    return [...pods.values()]
  }

  /** What was told while a pod was there. */
  function toldWhile({ name }: PodFacts, told: Told[] | undefined): Told[] | undefined {
    const left = snapshots.findLast(({ pods }) => pods.some(pod => pod.name === name))
    return told?.filter(({ at }) => at <= (left?.begun ?? 0))
  }

  /** All that a page can know of itself is the ReplicaSet that it came from. */
  function bornAt({ page }: Answer): number {
    const at = snapshots.findIndex(({ objects }) =>
      objects.replicaSets.some(({ hash, replicas }) => hash === page?.hash && replicas > 0),
    )
    return at === -1 ? snapshots.length : at
  }

  function sayServing(at: number): string {
    const { serving, deployments } = snapshots[at]!
    const versions = [...new Set(serving.map(({ bytes }) => bytes))].sort().join(' and ') || 'nothing'
    const wanted = [...new Set(deployments.map(({ bytes }) => bytes))].join(' and ')
    return `version ${versions} is served and version ${wanted} is to be`
  }
}
