// A directory for unix sockets: their paths may have 107 bytes only, which a checkout's own path may use up.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

export function runDir(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'spa-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}
