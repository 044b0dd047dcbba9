// How many connections the process has file descriptors for. A connection takes two, the client's and the app's; a tab takes a third,
// the version server's end. Without any left nothing can be accepted, not even to be told to come back.

import { readFile } from 'node:fs/promises'

/** For the listeners, the feed and the log, and for those who are being turned away: turn-away.ts. */
const reserved = 1_200
const maxReservedShare = 4

/** Takes how many files the process may open, and how many of the connections may be tabs; returns how many it can hold. */
export function connectionsWithin(openFiles: number, maxTabs: number): number {
  const free = freeOf(openFiles)
  const connections = free >= 3 * maxTabs ? (free - maxTabs) / 2 : free / 3
  return Math.max(1, Math.floor(connections))
}

/** The same for a process that has tabs and nothing else: one descriptor for each. */
export function tabsWithin(openFiles: number): number {
  return Math.max(1, freeOf(openFiles))
}

function freeOf(openFiles: number): number {
  return openFiles - Math.min(reserved, Math.ceil(openFiles / maxReservedShare))
}

/**
 * Takes a configured cap and how many fit into so many open files. Returns the cap, or as many as the process has descriptors for; that is
 * told to `onLowered`.
 */
export async function capWithin(
  cap: number,
  within: (openFiles: number) => number,
  onLowered: (lowered: { from: number; to: number; openFiles: number }) => void,
): Promise<number> {
  const openFiles = await readOpenFiles()
  if (openFiles === undefined || within(openFiles) >= cap) return cap
  const lowered = { from: cap, to: within(openFiles), openFiles }
  onLowered(lowered)
  return lowered.to
}

/** The soft limit on open files, which Node.js raises to the hard one at start; undefined where it cannot be told (not Linux). */
export async function readOpenFiles(path = '/proc/self/limits'): Promise<number | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '')
  const soft = /^Max open files +(\d+) /m.exec(text)?.[1] // proc_pid_limits(5)
  return soft === undefined ? undefined : Number(soft)
}
