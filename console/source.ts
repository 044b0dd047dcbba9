// What the console is made of: the controller's copies of the labelled namespaces, and what only admission can tell. webhook/main.ts hands it in.

import type { Deployment, Pod, ReplicaSet, Service } from '../release/objects.ts'
import type { ReleaseRecord } from '../release/record.ts'

export interface Source {
  /** The labelled ones. */
  namespaces(): string[]
  /** Undefined when it is not labelled, or not known yet. */
  namespace(name: string): Namespace | undefined
  /** What was done to a pod at admission; undefined where nothing was. */
  statusOf(pod: Pod): Injected | undefined
  /** Why pods of a Deployment come without the sidecar, or what passes those by that have it: sentences with their codes in front. */
  why(deployment: Deployment, pods: readonly Pod[], replicaSets: readonly ReplicaSet[]): string[]
}

export interface Namespace {
  copies: {
    deployments(): Deployment[]
    deployment(name: string): Deployment | undefined
    services(): Service[]
    pods(): Iterable<Pod>
    replicaSets(): Iterable<ReplicaSet>
  }
  record(deployment: string): ReleaseRecord | undefined
}

export interface Injected {
  capture: string
  /** The sidecar's image. */
  image: string
  /** Its admin port. */
  admin: number
}
