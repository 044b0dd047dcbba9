// Leaving the page for another version, with the consent of the app's guards; and, on the next page, knowing what it was for.

import type { Guard, ReloadOptions, SpaState } from './api.ts'
import type { Env } from './env.ts'
import type { Memory } from './token.ts'

export interface Leaving {
  guard: (run: Guard) => () => void
  isAllowed: () => Promise<boolean>
  /** Throws TypeError on an address of another origin. */
  reload: (options?: ReloadOptions) => Promise<boolean>
  /** Takes the page's id and how an id is called now. Returns true once: when the tab was reloaded for that version. */
  hasBrought: (current: string, latest: (id: string) => string) => boolean
}

export function createLeaving(
  env: Env,
  memory: Memory,
  state: () => SpaState,
  onRemoved: () => void,
): Leaving {
  const guards = new Set<Guard>()
  let awaited = memory.read(awaitedKey)

  return { guard, isAllowed, reload, hasBrought }

  function guard(run: Guard): () => void {
    guards.add(run)
    return () => {
      if (guards.delete(run)) onRemoved()
    }
  }

  async function isAllowed(): Promise<boolean> {
    try {
      for (const guard of guards) {
        const answer: unknown = await guard(state()) // an app without types may answer anything, or forget to
        if (answer !== true) return false
      }
      return true
    } catch {
      return false
    }
  }

  async function reload({ url, force }: ReloadOptions = {}): Promise<boolean> {
    const { location } = env
    const from = new URL(location.href)
    const to = new URL(url ?? from, from)
    if (to.origin !== from.origin) throw new TypeError(`${to.href} is of another origin`)
    if (!force && !(await isAllowed())) return false
    const { current, target } = state()
    if (current && target && current !== target.id) memory.write(awaitedKey, target.id)
    if (to.href !== from.href) location.assign(to.href)
    // An address that differs in its fragment only is gone to without loading anything.
    if (to.pathname + to.search === from.pathname + from.search) location.reload()
    return true
  }

  function hasBrought(current: string, latest: (id: string) => string): boolean {
    if (!awaited) return false
    const isBrought = latest(awaited) === current
    awaited = null
    memory.write(awaitedKey, '')
    return isBrought
  }
}

const awaitedKey = 'awaited'
