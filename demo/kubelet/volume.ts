// A downward-API volume as a folder, written as the kubelet writes it (its AtomicWriter): the files are links through `..data`, itself
// a link to a folder named by time. An update makes a new folder and swaps `..data` by a rename, so readers see all of it or nothing.

import { mkdirSync, mkdtempSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Volume {
  /** Takes each file's text by its name. Equal texts are not written again. */
  write(files: Record<string, string>): void
}

export function createVolume(dir: string): Volume {
  const data = join(dir, '..data')
  let written: Record<string, string> | undefined
  mkdirSync(dir, { recursive: true })
  return { write }

  function write(files: Record<string, string>): void {
    const names = Object.keys(files)
    if (written && names.every(name => files[name] === written?.[name])) return
    const isFirst = !written
    const old = isFirst ? undefined : readlinkSync(data)
    const folder = mkdtempSync(join(dir, `..${new Date().toISOString().replace(/\D/g, '_')}`))
    for (const name of names) writeFileSync(join(folder, name), files[name] ?? '')
    symlinkSync(folder.slice(dir.length + 1), join(dir, '..data_tmp'))
    renameSync(join(dir, '..data_tmp'), data)
    if (isFirst) for (const name of names) symlinkSync(join('..data', name), join(dir, name))
    if (old) rmSync(join(dir, old), { recursive: true })
    written = files
  }
}
