// A downward-API volume as the kubelet's AtomicWriter makes it: the files are symlinks through `..data`, itself a symlink to a
// directory named by time, and an update swaps `..data` by a rename and then removes the old directory.

import { mkdirSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export function createVolume(dir: string): { write(release: string): void } {
  let updates = 0
  mkdirSync(dir, { recursive: true })
  return { write }

  function write(release: string): void {
    const stamp = `..2026_11_22_09_00_00.${updates++}`
    mkdirSync(join(dir, stamp))
    writeFileSync(join(dir, stamp, 'release'), release)
    writeFileSync(join(dir, stamp, 'labels'), 'app="web"')
    const data = join(dir, '..data')
    const before = updates > 1 ? readlinkSync(data) : undefined
    symlinkSync(stamp, join(dir, '..data_tmp'))
    renameSync(join(dir, '..data_tmp'), data)
    if (before) return rmSync(join(dir, before), { recursive: true })
    symlinkSync('..data/release', join(dir, 'release'))
    symlinkSync('..data/labels', join(dir, 'labels'))
  }
}
