// A folder read whole into memory, once, at start.

import { readFileSync, readdirSync, realpathSync, statSync } from 'node:fs'
import { join, sep } from 'node:path'

export interface FolderLimits {
  maxBytes: number
  maxFiles: number
}

/**
 * Returns the files by their paths below the folder, with slashes. What begins with a dot is left out, but for `.well-known` (RFC 8615); links are
 * followed, if they stay inside. Throws an error that says what is wrong: more than the limits, a link that leads out, what cannot be read.
 */
export function readFolder(root: string, { maxBytes, maxFiles }: FolderLimits): Map<string, Buffer> {
  const top = realpathSync(root)
  const files = new Map<string, Buffer>()
  let bytes = 0
  read('', [])
  return files

  function read(folder: string, above: string[]): void {
    const real = inside(folder)
    if (above.includes(real)) throw new Error(`${join(root, folder)} leads back to where it is`)
    for (const name of readdirSync(real).sort()) {
      if (name.startsWith('.') && name !== '.well-known') continue
      const path = folder === '' ? name : `${folder}/${name}`
      const kind = statSync(join(root, path))
      if (kind.isDirectory()) read(path, [...above, real])
      else if (kind.isFile()) add(path, kind.size)
    }
  }

  function add(path: string, size: number): void {
    bytes += size
    if (bytes > maxBytes) throw new Error(`${root} has more than ${maxBytes / 1024 / 1024} MiB of files`)
    if (files.size >= maxFiles) throw new Error(`${root} has more than ${maxFiles} files`)
    files.set(path, readFileSync(inside(path)))
  }

  function inside(path: string): string {
    const real = realpathSync(join(root, path))
    if (real === top || real.startsWith(top === sep ? sep : top + sep)) return real
    throw new Error(`${join(root, path)} leads out of ${root}`)
  }
}
