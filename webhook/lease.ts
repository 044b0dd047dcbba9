// Which replica writes: the one that holds a Lease, as Kubernetes' own controllers do it (coordination.k8s.io/v1, client-go's leaderelection).
// No clock of another machine is read. The holder counts from before it asked; the others count from when they saw the Lease move.

import { setTimeout as sleep } from 'node:timers/promises'
import { reason } from '../protocol/log.ts'
import type { Log } from '../protocol/log.ts'
import { isObject, isString } from '../protocol/release.ts'
import { refusal } from '../release/api.ts'
import type { Api, ApiResponse } from '../release/api.ts'

export interface LeaseOptions {
  api: Api
  namespace: string
  name: string
  /** Different for each process, also for two in a row with the same host name. */
  identity: string
  log: Log
  /** Called each time it becomes ours. */
  onHeld(): void
  times?: LeaseTimes
  clock?: Clock
}

export interface LeaseTimes {
  /** Others leave a Lease alone that moved within this time. */
  durationMs: number
  /** The holder that has not renewed it for so long stops writing. Less than the duration: a request on its way has the rest to arrive. */
  deadlineMs: number
  /** From one attempt to the next. */
  retryMs: number
}

export interface Clock {
  /** Never goes back, but stands still while the machine is suspended. Milliseconds. */
  steady(): number
  /** Milliseconds. */
  wall(): number
}

export interface Lease {
  /** To be asked right before each write. */
  isHeld(): boolean
  /** Gives it up, so that another replica need not wait, and contends no more. Never throws. */
  close(): Promise<void>
}

interface Moment {
  steady: number
  wall: number
}

interface Seen {
  version: string
  holder: string
  durationMs: number
  transitions: number
  at: Moment
}

// client-go takes 15, 10 and 2 s, because its controllers end when they lose it. We only pause, so we can be quicker.
const defaultTimes: LeaseTimes = { durationMs: 8_000, deadlineMs: 5_000, retryMs: 1_500 }
const systemClock: Clock = { steady: () => performance.now(), wall: () => Date.now() }

/** Starts at once and goes on until closed; what goes wrong is logged and tried again. */
export function contend(options: LeaseOptions): Lease {
  const { api, namespace, name, identity, log, onHeld, times = defaultTimes, clock = systemClock } = options
  const { durationMs, deadlineMs, retryMs } = times
  const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`
  const closing = new AbortController()
  let seen: Seen | undefined
  let renewed: Moment | undefined // before the request was sent that made it ours
  let wasHeld = false
  let trouble: string | undefined
  const running = run()
  return { isHeld, close }

  function isHeld(): boolean {
    return renewed !== undefined && !closing.signal.aborted && longest(renewed) < deadlineMs
  }

  async function close(): Promise<void> {
    const mine = isHeld()
    closing.abort()
    await running
    if (!mine || seen?.holder !== identity) return
    const problem = await put({ ...seen, holder: '' }, 1_000).then(
      response => (response.status < 300 ? undefined : refusal(response)),
      reason,
    )
    log(problem ? 'lease not given up' : 'lease given up', { name, reason: problem })
  }

  async function run(): Promise<void> {
    while (!closing.signal.aborted) {
      const problem = await attempt().catch(reason)
      if (problem !== trouble && problem) log('lease not read or written', { name, reason: problem })
      trouble = problem
      tellHeld()
      await sleep(pauseMs(), undefined, { signal: closing.signal }).catch(() => {})
    }
  }

  function tellHeld(): void {
    const held = isHeld()
    if (held === wasHeld || closing.signal.aborted) return
    wasHeld = held
    log(held ? 'lease held' : 'lease lost', { name, identity })
    if (held) onHeld()
  }

  function pauseMs(): number {
    const jittered = retryMs * (0.9 + Math.random() * 0.2)
    if (!seen || seen.holder === identity) return jittered
    return Math.max(100, Math.min(jittered, seen.durationMs - shortest(seen.at)))
  }

  /** Returns what went wrong. That somebody else holds it, or was quicker, is not wrong. */
  async function attempt(): Promise<string | undefined> {
    if (seen?.holder === identity) {
      const problem = await take(seen)
      if (seen) return problem
    }
    const response = await api.request({ path: `${path}/${name}`, timeoutMs: retryMs * 2 })
    if (response.status === 404) return create()
    if (response.status !== 200) return refusal(response)
    const found = parse(response.body)
    if (!found) return 'the answer is not a Lease'
    if (found.version !== seen?.version) seen = { ...found, at: now() }
    if (found.holder === identity) return take(seen) // an answer of ours that was lost
    const isFree = found.holder === '' || shortest(seen.at) >= found.durationMs
    return isFree ? take({ ...seen, transitions: seen.transitions + 1 }) : undefined
  }

  async function create(): Promise<string | undefined> {
    const asked = now()
    const response = await api.request({
      method: 'POST',
      path,
      body: body({ version: undefined, holder: identity, transitions: 0 }),
      timeoutMs: retryMs * 2,
    })
    return response.status === 409 ? undefined : accept(response, asked)
  }

  /** Of two that write, the resource version makes the second one fail. */
  async function take(last: Seen): Promise<string | undefined> {
    const asked = now()
    const response = await put({ ...last, holder: identity })
    if (response.status !== 409 && response.status !== 404) return accept(response, asked)
    seen = undefined
    renewed = undefined
    return undefined
  }

  function accept(response: ApiResponse, asked: Moment): string | undefined {
    const written = response.status < 300 ? parse(response.body) : undefined
    if (!written) return refusal(response)
    seen = { ...written, at: now() }
    renewed = asked
    return undefined
  }

  function put(lease: Pick<Seen, 'version' | 'holder' | 'transitions'>, ms?: number): Promise<ApiResponse> {
    return api.request({
      method: 'PUT',
      path: `${path}/${name}`,
      body: body(lease, ms),
      timeoutMs: retryMs * 2,
    })
  }

  function body(
    { version, holder, transitions }: { version: string | undefined; holder: string; transitions: number },
    ms = durationMs,
  ) {
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name, namespace, ...(version !== undefined && { resourceVersion: version }) },
      spec: {
        holderIdentity: holder,
        leaseDurationSeconds: Math.ceil(ms / 1_000),
        renewTime: new Date(clock.wall()).toISOString().replace('Z', '000Z'), // MicroTime has six digits
        leaseTransitions: transitions,
      },
    }
  }

  function now(): Moment {
    return { steady: clock.steady(), wall: clock.wall() }
  }

  /** What has passed at most: counts a suspended machine's sleep. */
  function longest({ steady, wall }: Moment): number {
    return Math.max(clock.steady() - steady, clock.wall() - wall)
  }

  /** What has passed at least: a wall clock that was set forward counts for nothing. */
  function shortest({ steady, wall }: Moment): number {
    return Math.min(clock.steady() - steady, Math.max(0, clock.wall() - wall))
  }
}

/** The same API for writing: while the Lease is not held a request throws, and nothing is sent. */
export function whileHeld(api: Api, isHeld: () => boolean): Pick<Api, 'request'> {
  return {
    request: async request => {
      if (!isHeld()) throw new Error('the lease is not held: another replica writes')
      return api.request(request)
    },
  }
}

function parse(data: unknown): Omit<Seen, 'at'> | undefined {
  if (!isObject(data) || !isObject(data.metadata) || !isObject(data.spec)) return undefined
  const { resourceVersion } = data.metadata
  const { holderIdentity = '', leaseDurationSeconds, leaseTransitions } = data.spec
  if (!isString(resourceVersion) || !isString(holderIdentity)) return undefined
  return {
    version: resourceVersion,
    holder: holderIdentity,
    durationMs: typeof leaseDurationSeconds === 'number' ? leaseDurationSeconds * 1_000 : 0,
    transitions: typeof leaseTransitions === 'number' ? leaseTransitions : 0,
  }
}
