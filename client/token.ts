// What this tab keeps across a reload. One automatic reload per (epoch, revision): spent before it happens, so nothing can loop.
// Without storage nothing is spent, and so nothing reloads by itself. A duplicated tab copies the storage: one reload fewer, never more.

import type { SessionStorage } from './env.ts'

export interface Memory {
  read: (key: string) => string | null
  write: (key: string, value: string) => void
}

/** Storage may be missing, full or forbidden: then it keeps nothing. */
export function createMemory(storage: SessionStorage | undefined): Memory {
  return {
    read: key => attempt(() => storage?.getItem(`spa-reloader:${key}`)) ?? null,
    write: (key, value) => attempt(() => storage?.setItem(`spa-reloader:${key}`, value)),
  }
}

/**
 * Takes the release that an automatic reload would be for. Returns true once, and only when that was really written.
 * An older revision than the last one counts as spent: a server that lags behind may tell it again.
 */
export function spend({ read, write }: Memory, release: { epoch: string; revision: number }): boolean {
  const { epoch, revision } = release
  const spent = read(epoch)
  if (spent !== null && !(revision > Number(spent))) return false
  write(epoch, `${revision}`)
  return read(epoch) === `${revision}`
}

function attempt<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch {
    return undefined
  }
}
