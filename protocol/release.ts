// The release state: the one record that everything speaks of. One Deployment, one writer (the controller), many readers.
// It travels as JSON in an annotation, a file and a WebSocket frame, so it is parsed again at each door.

/** What the app serves. `id` is the 64 hex digits of the image digest, or '' while no pod has reported one. */
export interface Version {
  id: string
  /** The image as written in the pod spec. */
  name: string
}

export type Phase = 'rolling' | 'ready'
export type Why = 'rollout' | 'rollback' | 'restart'

/**
 * `[key, id, revision]`: key is a pod-template-hash, or an id under which the version was known before
 * (runtimes report several digests for one image); id is the version's id now.
 */
export type Known = readonly [key: string, id: string, revision: number]

export interface ReleaseState {
  namespace: string
  /** The Deployment. */
  name: string
  /** creationTimestamp in base 36 seconds, '-', first 8 digits of the uid: a recreated Deployment has a later one. */
  epoch: string
  /** Counts the changes of this state. */
  serial: number
  /** `deployment.kubernetes.io/revision` of the target. */
  revision: number
  phase: Phase
  /** RFC 3339, UTC: when this revision and phase were reached. Never goes back. */
  since: string
  /** What the Deployment is rolling out, or has rolled out. */
  target: Version & { hash: string }
  /** The version that was live before the target; null at the first one. */
  previous: Version | null
  /** What a request can reach now: ids of ready, non-terminating pods behind the same Services. With 0 pods: until less than 30 s ago. */
  live: { id: string; pods: number }[]
  known: Known[]
  why: Why
  /** The Services that led here select other pods now (blue/green): who is still connected should come again, by way of them. */
  switched?: true
}

/**
 * Orders two states by `(epoch, serial)`. Negative: `a` is older. Zero: the same state.
 * Only states of the same Deployment can be compared; see {@link isSameDeployment}.
 */
export function compareStates(a: Ordered, b: Ordered): number {
  return compareEpochs(a.epoch, b.epoch) || a.serial - b.serial
}

export type Ordered = Pick<ReleaseState, 'epoch' | 'serial'>

/** Epochs begin with a base 36 number, so a longer one is later. */
export function compareEpochs(a: string, b: string): number {
  if (a === b) return 0
  const [left = '', right = ''] = [a.split('-')[0], b.split('-')[0]]
  if (left.length !== right.length) return left.length - right.length
  return a < b ? -1 : 1
}

export function isSameDeployment(a: Pick<ReleaseState, 'name'>, b: Pick<ReleaseState, 'name'>): boolean {
  return a.name === b.name
}

/** Takes anything; returns a release state, or undefined when it is not one. Unknown fields are dropped. */
export function parseReleaseState(data: unknown): ReleaseState | undefined {
  if (!isObject(data)) return undefined
  const { namespace, name, epoch, serial, revision, phase, since, why } = data
  if (!isString(namespace) || !isString(name) || !isString(epoch) || !isString(since)) return undefined
  if (name === '' || epoch === '' || !isCount(serial) || !isCount(revision)) return undefined
  if (phase !== 'rolling' && phase !== 'ready') return undefined
  const target = parseVersion(data.target)
  const previous = parseVersion(data.previous) ?? null
  const live = parseLive(data.live)
  const known = parseKnown(data.known)
  if (!target || !isObject(data.target) || !isString(data.target.hash) || !live || !known) return undefined
  return {
    namespace,
    name,
    epoch,
    serial,
    revision,
    phase,
    since,
    target: { ...target, hash: data.target.hash },
    previous,
    live,
    known,
    why: why === 'rollback' || why === 'restart' ? why : 'rollout',
    ...(data.switched === true && { switched: true }),
  }
}

function parseVersion(data: unknown): Version | undefined {
  if (!isObject(data) || !isId(data.id) || !isString(data.name)) return undefined
  return { id: data.id, name: data.name }
}

export function parseLive(data: unknown): ReleaseState['live'] | undefined {
  if (!Array.isArray(data)) return undefined
  const live: ReleaseState['live'] = []
  for (const item of data as unknown[]) {
    if (!isObject(item) || !isId(item.id) || !isCount(item.pods)) return undefined
    live.push({ id: item.id, pods: item.pods })
  }
  return live
}

export function parseKnown(data: unknown): Known[] | undefined {
  if (!Array.isArray(data)) return undefined
  const known: Known[] = []
  for (const row of data as unknown[]) {
    if (!Array.isArray(row)) return undefined
    const [key, id, revision] = row as unknown[]
    if (!isString(key) || !isId(id) || !isCount(revision)) return undefined
    known.push([key, id, revision])
  }
  return known
}

export function isObject(data: unknown): data is Record<string, unknown> {
  return typeof data === 'object' && data !== null && !Array.isArray(data)
}

export function isString(data: unknown): data is string {
  return typeof data === 'string'
}

export function isCount(data: unknown): data is number {
  return Number.isSafeInteger(data) && (data as number) >= 0
}

/** 64 hex digits, or '' for a version whose digest no pod has reported yet. */
function isId(data: unknown): data is string {
  return isString(data) && (data === '' || /^[0-9a-f]{64}$/.test(data))
}

/** The state as it is written into the annotation: the same text for the same state, whoever read or made it. */
export function formatReleaseState(state: ReleaseState): string {
  return JSON.stringify(parseReleaseState(state))
}
