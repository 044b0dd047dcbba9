// An image registry for one node: Debian's docker-registry, its content gone with the test.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startProgram } from './process.ts'
import type { Program } from './process.ts'
import { until } from './wait.ts'

/** Starts a registry that listens on `address` (host:port) and keeps its content in `dir`. */
export async function startRegistry(address: string, dir: string): Promise<Program> {
  const config = join(dir, 'registry.json')
  writeFileSync(
    config,
    JSON.stringify({
      version: '0.1',
      log: { level: 'warn', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(dir, 'registry') } },
      http: { addr: address, secret: 'one registry has nobody to share it with' },
    }),
  )
  const registry = startProgram('docker-registry', ['serve', config], { log: join(dir, 'registry.log') })
  const answers = until('the registry', async () => (await fetch(`http://${address}/v2/`)).ok)
  await Promise.race([answers, registry.failed])
  return registry
}
