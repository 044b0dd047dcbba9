// How this sidecar ends: after the app, never before it, and never without having sent the tabs elsewhere.
// Begun by preStop or by SIGTERM, whichever comes first; only SIGTERM ends the process. A plain container gets both while the
// app may still serve; a native sidecar gets SIGTERM once the app has exited.

import { setTimeout } from 'node:timers/promises'
import type { Log } from '../../protocol/log.ts'
import { lingerSec } from '../../protocol/names.ts'

export interface DrainOptions {
  front: {
    /** Looks at once; afterwards `isListening` says whether the app listens. */
    look(): Promise<boolean>
    isListening(): boolean
    /** From now on each answer asks its client to go elsewhere. */
    drain(): void
    /** Resolves when no connection is open any more, tunnels included. */
    idle(): Promise<void>
  }
  server: { drain(): Promise<void> }
  /** The longest that draining takes, in milliseconds, from its beginning. 0: there is none. */
  drainMs: number
  log: Log
  /** How often the app is looked for, in milliseconds. */
  lookMs?: number
  /** The least that the process stays, in milliseconds, from the beginning of draining; within `drainMs`. */
  lingerMs?: number
}

export interface Drain {
  /** Begins draining. Resolves when preStop may return: the app has gone or the time is up. */
  begin(): Promise<void>
  /**
   * For SIGTERM: begins draining. Resolves when the process may end: the app has gone, no connection is open (tunnels included) and it
   * has lingered, or the time is up.
   */
  end(): Promise<void>
}

export function createDrain(options: DrainOptions): Drain {
  const { front, server, drainMs, log, lookMs = 250, lingerMs = lingerSec * 1_000 } = options
  let begun: { isOver: Promise<void>; hasAppGone: Promise<void>; hasLingered: Promise<void> } | undefined
  return { begin, end }

  async function begin(): Promise<void> {
    if (drainMs === 0) return
    begun ??= start()
    await Promise.race([begun.hasAppGone, begun.isOver])
  }

  async function end(): Promise<void> {
    if (drainMs === 0) return
    begun ??= start()
    const { hasAppGone, hasLingered, isOver } = begun
    await Promise.race([Promise.all([hasAppGone.then(() => front.idle()), hasLingered]), isOver])
  }

  function start(): NonNullable<typeof begun> {
    log('draining', { ms: drainMs })
    front.drain()
    void server.drain()
    return {
      isOver: setTimeout(drainMs, undefined, { ref: false }),
      hasAppGone: waitForAppToGo(),
      hasLingered: setTimeout(lingerMs),
    }
  }

  /** Nothing tells us that the app has exited, so it is looked for. */
  async function waitForAppToGo(): Promise<void> {
    for (;;) {
      await front.look()
      if (!front.isListening()) return
      await setTimeout(lookMs)
    }
  }
}
