// The feed by the downward API: the kubelet keeps a file equal to our annotation on this pod.
// It swaps the symlink `..data` by a rename, so the directory is watched: a watch on the file itself would go on looking at the old one.

import { readFileSync, watch } from 'node:fs'
import { join } from 'node:path'
import { reason } from '../../protocol/log.ts'
import { file } from '../../protocol/names.ts'
import { parseReleaseState } from '../../protocol/release.ts'
import type { FSWatcher } from 'node:fs'
import type { Log } from '../../protocol/log.ts'
import type { ReleaseState } from '../../protocol/release.ts'
import type { Feed } from './feed.ts'

export interface DownwardOptions {
  /** Where the volume is mounted. */
  podDir: string
  /** Called with each state that is read, also with one that was read before. */
  offer(state: ReleaseState): void
  log: Log
  /** In milliseconds. Where inotify does not reach, this is how late news may come. */
  pollMs?: number
  watchDirectory?: typeof watch
}

/** Reads once, then whenever the directory changes. A file that is missing or malformed is an error. */
export function createDownwardFeed({
  podDir,
  offer,
  log,
  pollMs = 2_000,
  watchDirectory: watchDir = watch,
}: DownwardOptions): Feed {
  const path = join(podDir, file.release)
  let watcher: FSWatcher | undefined
  let poll: NodeJS.Timeout | undefined
  let last: string | undefined // an error's text begins with a code, a file's with '{'
  let unwatched: string | undefined
  let errors = 0
  return { open, close, errors: () => errors }

  function open(): void {
    poll = setInterval(look, pollMs)
    look()
  }

  function close(): void {
    clearInterval(poll)
    watcher?.close()
  }

  function look(): void {
    if (!watcher) watchDirectory()
    read()
  }

  /** Before the read, so that no swap falls between the two. Without the directory the poll tries again. */
  function watchDirectory(): void {
    try {
      watcher = watchDir(podDir, read)
    } catch (error) {
      return tellUnwatched(error as NodeJS.ErrnoException)
    }
    unwatched = undefined
    watcher.on('error', () => {
      watcher?.close()
      watcher = undefined
    })
  }

  /** All sidecars of a node are one user to its kernel, which lets that have 128 watches by default (fs.inotify.max_user_instances). */
  function tellUnwatched({ code }: NodeJS.ErrnoException): void {
    if (code === unwatched || code === 'ENOENT') return // the read that follows says so
    unwatched = code
    errors++
    log('release file not watched', { code: 'feed_error', path: podDir, reason: code, pollMs })
  }

  /** In one go: the file is small and in memory, and two reads can never overtake each other. */
  function read(): void {
    let text: string
    try {
      text = readFileSync(path, 'utf8')
    } catch (error) {
      const missing = reason(error)
      if (missing !== last) refuse('release file unreadable', missing)
      last = missing
      return
    }
    if (text === last) return
    last = text
    if (text.trim() === '') return // the controller has not stamped this pod yet
    const state = parseReleaseState(parseJson(text))
    if (state) offer(state)
    else refuse('release file malformed', text.slice(0, 200))
  }

  function refuse(message: string, why: string): void {
    errors++
    log(message, { code: 'feed_error', path, reason: why })
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
