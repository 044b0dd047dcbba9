// What this tab keeps across a reload. One automatic reload per (epoch, revision), and another where that was in vain: spent before it happens, so nothing can
// loop; a document that Back brings may reload in spite of it (start.ts), once for each time that somebody goes back. Without storage nothing is spent, and so nothing reloads by itself. A duplicated tab copies the storage: one reload fewer, never more. A frame of the
// same origin shares the storage with its tab (https://html.spec.whatwg.org/#storage-sheds), and must not spend the tab's. Frames share
// one of their own: what tells them apart (a place among others, an address) changes, and each change would be a further reload.

import type { SessionStorage } from './env.ts'

export interface Token {
  epoch: string
  revision: number
}

export interface Memory {
  read: (key: string) => string | null
  write: (key: string, value: string) => void
}

/** Storage may be missing, full or forbidden: then it keeps nothing. */
export function createMemory(storage: SessionStorage | undefined, isFrame = false): Memory {
  const name = (key: string) => `spa-reloader:${isFrame ? 'frame:' : ''}${key}`
  return {
    read: key => attempt(() => storage?.getItem(name(key))) ?? null,
    write: (key, value) => attempt(() => storage?.setItem(name(key), value)),
  }
}

/**
 * Takes the release that an automatic reload would be for. Returns true once, and only when that was really written.
 * An older revision than the last one counts as spent: a server that lags behind may tell it again.
 */
export function spend(memory: Memory, release: Token): boolean {
  if (isSpent(memory, release)) return false
  const { epoch, revision } = release
  memory.write(epoch, `${revision}`)
  return memory.read(epoch) === `${revision}`
}

/**
 * Takes the release that an automatic reload would be for, and whether one for it brought this page instead. Returns what is to be spent: then that is
 * another token, of which there is one as well.
 */
export function tokenFor({ read }: Memory, { epoch, revision }: Token, isVain: boolean): Token {
  return { epoch: isVain && read(epoch) === `${revision}` ? `again:${epoch}` : epoch, revision }
}

export function isSpent({ read }: Memory, { epoch, revision }: Token): boolean {
  const spent = read(epoch)
  return spent !== null && !(revision > Number(spent))
}

const most = { reloads: 3, withinMs: 10 * 60_000 }
const timesKey = 'reloads'

/**
 * The brake, whatever is told and spent: takes the time in milliseconds, and returns how many of them are left until there were fewer than 3 automatic
 * reloads within 10 minutes.
 */
export function brakedMs(memory: Memory, now: number): number {
  const times = recent(memory, now).sort((a, b) => b - a)
  const nth = times[most.reloads - 1]
  return nth === undefined ? 0 : nth + most.withinMs - now
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
