// What the console's API answers: JSON over HTTP, and Server-Sent Events whose data is `{"type": …, "payload": …}`.
// Of everything the whole present truth is sent, never a difference: what comes twice, or is left out between two, does no harm.

/** GET /api/apps, and one of them at /api/apps/:id. Each Deployment of the labelled namespaces, injected or not. */
export interface ConsoleApp {
  /** `namespace/name`. */
  id: string
  namespace: string
  name: string
  /** RFC 3339: when this status was reached; '' where nobody knows. */
  since: string
  status: AppStatus
  /** In the words of `kubectl rollout status`, or why it fails. */
  message: string
  /** Of the release state; 0 where there is none. */
  revision: number
  /** Of the release state; null where there is none. Until it is `ready`, the target is new, and the tabs on `previous` show what is live. */
  phase: 'rolling' | 'ready' | null
  target: ConsoleVersion
  /** What was live before; null at the first one. */
  previous: ConsoleVersion | null
  replicas: RolloutCounts
  injection: Injection
  /** Null: not asked yet, or not injected. */
  tabs: TabCounts | null
}

/** `failing`: pods of the target do not start, or the progress deadline has passed. `stopped`: scaled to 0. */
export type AppStatus = 'ready' | 'rolling' | 'failing' | 'paused' | 'stopped'

export interface ConsoleVersion {
  /** 64 hex digits of the digest; '' while unknown. */
  id: string
  /** The image as written in the pod spec. */
  name: string
}

/** The numbers of kubectl's rollout status. */
export interface RolloutCounts {
  desired: number
  updated: number
  available: number
  /** Pods of older ReplicaSets that are still there. */
  old: number
}

export interface Injection {
  /** Whether the pods that run have the sidecar. */
  state: 'all' | 'some' | 'none'
  /** Where not all have it: a sentence for each reason, with its code in front. Also what makes injected pods unreachable. */
  why: string[]
}

/** Open tabs, by what their pages say. */
export interface TabCounts {
  total: number
  /** Those that show the target. */
  current: number
  versions: { hash: string; id: string; revision: number; image: string; tabs: number }[]
  /** Tabs whose page does not say what it shows. */
  unnamed: number
  /** Pods that could not be asked. */
  unknownPods: number
  /** How the world moved: seconds since `since` of the state, and tabs on the target and on all. Oldest first, at most 64. */
  adoption: [seconds: number, current: number, total: number][]
}

/** A pod. */
export interface ConsoleInstance {
  /** `namespace/pod`. */
  id: string
  /** The app's id. */
  app: string
  pod: string
  phase: InstancePhase
  /** Why it is not ready: `CrashLoopBackOff: back-off 10s …`; '' otherwise. */
  reason: string
  restarts: number
  node: string
  image: string
  /** 64 hex digits of what runs; '' while unknown. */
  version: string
  revision: number
  hash: string
  /** The sidecar's image; '' without it. */
  sidecar: string
  capture: string
  /** Null: unknown. */
  tabs: number | null
  createdAt: string
}

export type InstancePhase = 'pending' | 'starting' | 'ready' | 'unready' | 'failing' | 'terminating' | 'ended'

/** GET /api/deploys (newest first), and one at /api/deploys/:id. */
export interface ConsoleDeploy {
  /** `namespace/name@revision`. */
  id: string
  app: string
  revision: number
  hash: string
  version: ConsoleVersion
  status: DeployStatus
  /** Who changed the Deployment, by field manager: `kubectl-set`, `helm`, `argocd-controller`; '' when that is not known any more. */
  by: string
  /** What is different from the revision before: `image of web: web:1 → web:2`. */
  changes: string[]
  startedAt: string
  /** '' while it goes on, or when that is not known any more. */
  finishedAt: string
}

/** `superseded`: another one began before it was finished, or after; or the Deployment is gone. */
export type DeployStatus = 'rolling' | 'complete' | 'failing' | 'superseded'

export interface DeployLogLine {
  /** The same for the same fact, whoever tells it, however often. */
  id: string
  /** RFC 3339. */
  at: string
  level: 'info' | 'warning' | 'error'
  /** What it is about: `Deployment web`, `ReplicaSet web-6c487dcc49`, `Pod web-6c487dcc49-x2x7k`. */
  about: string
  text: string
  /** How often it was seen, where Kubernetes counts; else 1. */
  count: number
}

/** GET /api/apps/:id/events: what Kubernetes and we said of the Deployment, its ReplicaSets and pods, newest first. Of a line that was seen several times `at` is the last. */
export type ConsoleAppEvent = DeployLogLine

/**
 * GET /api/events: `reset`, then `apps` and `instances` until the snapshot is whole, then `ready`; from then on what changes.
 * A connection that names an event that is still kept (Last-Event-ID) goes on from there without them.
 */
export type ConsoleEvent =
  | { type: 'reset'; payload: { version: string; now: string } }
  | { type: 'apps'; payload: ConsoleApp[] }
  | { type: 'instances'; payload: ConsoleInstance[] }
  | { type: 'ready'; payload: Record<string, never> }
  | { type: 'app_status'; payload: ConsoleApp }
  | { type: 'app_gone'; payload: { id: string } }
  | { type: 'instance_status'; payload: ConsoleInstance }
  | { type: 'instance_gone'; payload: { id: string } }
  | { type: 'heartbeat'; payload: { now: string } }
  | { type: 'bye'; payload: { retry_ms: number } }

/**
 * GET /api/deploys/:id/logs: `reset`, the history, oldest first, in batches of `deploy_log`, then what comes, as it comes; a line that is told
 * again (its count has grown) replaces the one of the same id. `end` when the deployment is over and nothing more will come: the reader closes.
 */
export type DeployLogEvent =
  | { type: 'reset'; payload: { deploy: ConsoleDeploy } }
  | { type: 'deploy_log'; payload: DeployLogLine[] }
  | { type: 'deploy_status'; payload: ConsoleDeploy }
  | { type: 'end'; payload: { status: DeployStatus } }
  | { type: 'heartbeat'; payload: { now: string } }
  | { type: 'bye'; payload: { retry_ms: number } }
