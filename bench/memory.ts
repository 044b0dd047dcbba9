// What the sidecar takes of a node's memory: idle, while as much as goes passes through it, and afterwards; and what the program that preStop
// runs adds to that. Resident sets; of the program only what is its own, since its code is the sidecar's and counts once in a container.

import { setTimeout as sleep } from 'node:timers/promises'
import { sidecarEnv } from '../protocol/names.ts'
import { asMuchAsGoes } from './load.ts'
import { rounded } from './figures.ts'
import { paths, startApp } from './peers.ts'
import type { Peer } from './peers.ts'
import { anonymousBytes, residentBytes, startBundle, until } from './processes.ts'
import { startSidecar } from './sidecar.ts'

const seconds = 8
const connections = 256

/** In MiB. `loaded`: the most that was seen while pages and assets passed; `cached`: assets from memory. */
export async function memory() {
  const app = await startApp()
  const plain = await measure(app, 0)
  const cached = await measure(app, 16)
  await app.stop()
  return {
    idle_mib: mib(plain.idle),
    loaded_mib: mib(plain.loaded),
    loaded_cached_mib: mib(cached.loaded),
    after_mib: mib(plain.after),
    drain_mib: mib(plain.drain),
    node: process.version,
  }
}

async function measure(app: Peer, cacheMib: number) {
  const sidecar = await startSidecar({ appPort: app.port, cacheMib })
  await until(sidecar.isReady)
  await sleep(3_000)
  const idle = residentBytes(sidecar.pid)
  let loaded = 0
  const timer = setInterval(() => (loaded = Math.max(loaded, residentBytes(sidecar.pid))), 50)
  for (const path of [paths.page, paths.asset])
    await asMuchAsGoes(`http://127.0.0.1:${sidecar.frontPort}${path}`, seconds, connections)
  clearInterval(timer)
  await sleep(5_000)
  const after = residentBytes(sidecar.pid)
  const program = startBundle('dist/drain.js', { [sidecarEnv.runDir]: sidecar.runDir })
  await sleep(1_000) // it waits for the sidecar, which waits for the app to go
  const drain = anonymousBytes(program.pid)
  await program.stop()
  await sidecar.stop()
  return { idle, loaded, after, drain }
}

function mib(bytes: number): number {
  return rounded(bytes / 2 ** 20)
}
