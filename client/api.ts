// What an app sees of the client: its state, its events, its methods. Types only.

import type { ConnectionStatus } from './connection.ts'
import type { Env } from './env.ts'
import type { Page } from './identity.ts'

/**
 * - `unknown`: the page does not know its own version, or nothing has been heard of that one.
 * - `current`: the page's version is live.
 * - `rolling`: another one is being rolled out, or has been but is not seen to reach this browser yet.
 * - `update`: another one is live, and this browser was served it when it looked. Reload when it suits.
 * - `stuck`: another one is live, but for some 13 minutes this browser was served something else: an old copy from a cache on the way,
 *   or a login; or a reload for it brought something else, from a service worker. It goes on looking, every 10 minutes and when the page wakes.
 */
export type Status = 'unknown' | 'current' | 'rolling' | 'update' | 'stuck'

export interface SpaState {
  readonly status: Status
  readonly page: Page | null
  /** The id of the page's version: the digest of its image, 64 hex digits. */
  readonly current: string | null
  /** What the Deployment is rolling out, or has rolled out. */
  readonly target: Target | null
  /** The target is a version that was live before. */
  readonly rollback: boolean
  readonly connection: ConnectionStatus
}

export interface Target {
  readonly id: string
  /** The image, unless browsers are not to know it. */
  readonly name?: string
  readonly revision: number
}

/**
 * Says whether the page may be left now. Anything but true, and an exception, mean: not now.
 * With `auto` it is asked again every 20 s while there is an offer, so it should not ask a person, and one that has not answered
 * within 10 s has said no.
 */
export type Guard = (state: SpaState) => boolean | Promise<boolean>

export interface Options {
  /** The folder of `ws`, `events` and `version`. Default: `__spa/` beside the document. */
  base?: string
  /** The page's own version, `<Deployment>-<pod-template-hash>`, where the document cannot say it. */
  version?: string
  /** Reload by itself, once for each rollout (once more if that was in vain, or Back brought an older document) and no more than 3 times in 10 minutes, as soon as no guard objects. Default: false. */
  auto?: boolean
  /** Given in the browser's place, all or some of it. */
  env?: Partial<Env>
}

export interface ReloadOptions {
  /** Where to go instead: an address of this origin. */
  url?: string
  /** Do not ask the guards. */
  force?: boolean
}

export type EventName = 'state' | 'update' | 'withdrawn' | 'updated' | 'stuck'
type Listener = ((event: CustomEvent<SpaState>) => void) | null
type AnyListener = EventListenerOrEventListenerObject | null

/**
 * Each event is a CustomEvent whose detail is the state.
 * `state`: it changed. `update`: there is an offer. `withdrawn`: it does not hold any more. `updated`: the reload brought what it was for.
 * `stuck`: a version is live that does not reach this browser.
 */
export interface SpaReloader extends EventTarget {
  /** Immutable: another object when anything changed, the same one otherwise. */
  readonly state: SpaState
  /** Calls at once and after each change. Returns the way out. It needs no `this`: it can be handed on as it is. */
  subscribe: (run: (state: SpaState) => void) => () => void
  /** Asks for the release's state and, where it needs that, what this browser is served. Returns whether an update is on offer. */
  check(): Promise<boolean>
  /**
   * A person's wish. Returns false when a guard said no, true when the page is about to be left.
   * While it is `stuck`, the document is asked for past the caches on the way that allow it before.
   * Throws TypeError on an address of another origin.
   */
  reload(options?: ReloadOptions): Promise<boolean>
  /** Adds a guard. Returns the way to remove it; with `auto`, the guards that are left are then asked again. */
  guard(run: Guard): () => void
  /** Ends it: no connection, and no event after a last `state`, which says so. */
  stop(): void
  addEventListener(type: EventName, run: Listener, options?: boolean | AddEventListenerOptions): void
  addEventListener(type: string, run: AnyListener, options?: boolean | AddEventListenerOptions): void
  removeEventListener(type: EventName, run: Listener, options?: boolean | EventListenerOptions): void
  removeEventListener(type: string, run: AnyListener, options?: boolean | EventListenerOptions): void
}
