// Leaving the page for another version, with the consent of the app's guards; and, on the next page, knowing what it was for.

import type { Guard, ReloadOptions, SpaState } from './api.ts'
import type { Env } from './env.ts'
import { get } from './get.ts'
import type { Memory } from './token.ts'

export interface Leaving {
  guard: (run: Guard) => () => void
  /** Takes how long the guards may think, in milliseconds; without, for as long as it likes: it may be asking a person. */
  isAllowed: (limitMs?: number) => Promise<boolean>
  /** Throws TypeError on an address of another origin. */
  reload: (options?: ReloadOptions) => Promise<boolean>
  /** Takes the page's id and how an id is called now. Returns true once: when the tab was reloaded for that version. */
  hasBrought: (current: string, latest: (id: string) => string) => boolean
}

/** `offered` says which release is on offer, as a key. */
export function createLeaving(
  env: Env,
  memory: Memory,
  state: () => SpaState,
  offered: () => string,
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

  async function isAllowed(limitMs?: number): Promise<boolean> {
    let timer: unknown
    const limit = new Promise<void>(resolve => {
      if (limitMs !== undefined) timer = env.setTimeout(resolve, limitMs)
    })
    try {
      for (const guard of guards) {
        // An app without types may answer anything, or forget to.
        const answer: unknown = await Promise.race([guard(state()), limit])
        if (answer !== true) return false
      }
      return true
    } catch {
      return false
    } finally {
      env.clearTimeout(timer)
    }
  }

  async function reload({ url, force }: ReloadOptions = {}): Promise<boolean> {
    const { location } = env
    const from = new URL(location.href)
    const to = new URL(url ?? from, from)
    if (to.origin !== from.origin) throw new TypeError(`${to.href} is of another origin`)
    if (!force && !(await isAllowed())) return false
    if (state().status === 'stuck') await refresh(to.href)
    const { current, target } = state()
    if (current && target && current !== target.id) memory.write(awaitedKey, target.id)
    if (offered()) memory.write(triedKey, offered())
    if (to.href !== from.href) location.assign(to.href)
    // An address that differs in its fragment only is gone to without loading anything.
    if (to.pathname + to.search === from.pathname + from.search) location.reload()
    return true
  }

  /**
   * Asks past every cache that honours it (RFC 9111 §5.2.1.4), the browser's own included, so that the reload gets what has come.
   * Another query would get past more of them, but it would be the app's router that finds it.
   */
  async function refresh(url: string): Promise<void> {
    await get(env, url.replace(/#.*/, ''), { cache: 'reload', headers: { accept: 'text/html' } }, answer =>
      answer.text(),
    )
  }

  function hasBrought(current: string, latest: (id: string) => string): boolean {
    if (!awaited) return false
    const isBrought = latest(awaited) === current
    awaited = null
    memory.write(awaitedKey, '')
    if (isBrought) memory.write(triedKey, '')
    return isBrought
  }
}

const awaitedKey = 'awaited'

/** The release that the tab was reloaded for when it was on offer, as a key, until that is brought. */
export const triedKey = 'tried'
