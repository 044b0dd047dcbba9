// What the kernel holds for the container's sockets. cgroup v2 counts it against the container's limit, and no process has it among its own: a client
// that does not read may have 4 MiB there by Linux's defaults, and the app's connection behind it 6, where 128 KiB wait in the process.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pressureOf } from './front/pressure.ts'

/** The folder of the container's own cgroup; undefined with v1, and at the root of a machine's, which has no limit. */
export function cgroupFolder(root = '/sys/fs/cgroup', self = '/proc/self/cgroup'): string | undefined {
  // Where the container has a namespace of cgroups, as runtimes give it by default, that is `/`; without one its folder may be mounted as the root.
  const path = existsSync(self) ? (/^0::(.*)$/m.exec(readFileSync(self, 'utf8'))?.[1] ?? '') : ''
  return [join(root, path), root].find(folder => existsSync(join(folder, 'memory.max')))
}

/** Returns what takes the bytes that the process has by itself, and tells how many its sockets have beside them. */
export function createSocketBytes(
  limitBytes: number | undefined,
  folder: string | undefined = cgroupFolder(),
): (ownBytes: number) => number {
  if (limitBytes === undefined || folder === undefined) return () => 0
  return ownBytes => {
    const all = Number(read(folder, 'memory.current'))
    // Nothing has to go then. To read the statistics is dear: before Linux 6.8 the kernel sums up those of the whole machine for it.
    if (pressureOf('high', all / limitBytes) === 'none') return 0
    const sockets = Number(/^sock (\d+)$/m.exec(read(folder, 'memory.stat'))?.[1] ?? 0)
    // The process's own may have pages of files that are another container's.
    return Math.max(0, Math.min(sockets, all - ownBytes))
  }
}

/** Nothing where it cannot be read: what is known of the process by itself has to do then. */
function read(folder: string, name: string): string {
  try {
    return readFileSync(join(folder, name), 'utf8')
  } catch {
    return ''
  }
}
