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

const most = { reloads: 3, withinMs: 10 * 60_000 }
const timesKey = 'reloads'

/** The brake, whatever is told and spent: takes the time in milliseconds, and returns whether 3 automatic reloads were counted within 10 minutes. */
export function isBraked(memory: Memory, now: number): boolean {
  return recent(memory, now).length >= most.reloads
}

/** Counts an automatic reload. */
export function count(memory: Memory, now: number): void {
  memory.write(timesKey, [...recent(memory, now), now].join(' '))
}

/** A clock that was set back makes times of the future: those are near as well. */
function recent({ read }: Memory, now: number): number[] {
  const times = (read(timesKey) ?? '').split(' ').filter(Boolean).map(Number)
  return times.filter(time => Math.abs(now - time) < most.withinMs)
}

function attempt<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch {
    return undefined
  }
}
