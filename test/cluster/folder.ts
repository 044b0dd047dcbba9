// The folder of one cluster, in the system's folder for temporary files. It carries the process id of its owner: a test
// that was killed could not remove its own, and a node's is large, so the next one that starts removes it.

import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const prefix = 'spa-cluster-'

/** Makes an empty folder and returns its path. Whoever made it removes it. */
export function makeFolder(): string {
  for (const name of readdirSync(tmpdir())) {
    const owner = name.startsWith(prefix) ? name.slice(prefix.length).split('-')[0] : undefined
    if (owner && !existsSync(`/proc/${owner}`)) rmSync(join(tmpdir(), name), { recursive: true, force: true })
  }
  return mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`))
}
