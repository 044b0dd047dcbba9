// What was seen of a history: of the cluster by its API server, and of the tabs by themselves. All times are milliseconds since 1970 by one
// machine's clock.

import type { Note } from '../../test/tier3/tab.ts'

export interface Log {
  /** In the order of time. Each holds until the next. */
  worlds: World[]
  /** When the controller was not there. */
  outages: { from: number; until: number }[]
  visits: Visit[]
  /** When the cluster had come to rest and every tab had had its time to know. */
  settled: number[]
  /** How long the process that notes all this was held up at most: what it notes of the cluster may have been so much earlier. */
  heldUpMs: number
  /** What the app shows → the digest (64 hex digits) of the image that shows it. */
  digests: Record<string, string>
}

/** The Deployment as the API server told of it. */
export interface World {
  at: number
  /** Grows with each change of the Deployment's spec. */
  generation: number
  /** The pod template, as far as it can be told from another: a new one is a new rollout. */
  template: string
  /** kubectl's predicate of a complete rollout, and all pods that serve are of one ReplicaSet. */
  isComplete: boolean
  /** The digests of the pods that are ready and not about to go. */
  serving: string[]
  /** Some pod came out without the sidecar: nothing of ours is in what it answers. */
  isBare: boolean
}

export interface Visit {
  tab: string
  isAuto: boolean
  from: number
  /** Undefined: it stayed. */
  until?: number
  notes: Note[]
  /** When the person, not the page, was about to load the document: until it was there. */
  loads: { from: number; until: number }[]
  /** When it was on another page, or without a network. */
  absences: { from: number; until: number }[]
  /** What the page said of itself when it did not know in time. */
  account?: string
}
