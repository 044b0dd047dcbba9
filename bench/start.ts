// How quickly a sidecar is ready, and what it costs while nothing happens.

import { statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { median, rounded } from './figures.ts'
import { residentBytes, until } from './processes.ts'
import { startSidecar } from './sidecar.ts'

const runs = 7

/** `ready_ms` from the start of the process to its readiness; `rss_mib` idle after 3 s: medians. */
export async function start() {
  const ready: number[] = []
  const resident: number[] = []
  for (let run = 0; run < runs; run += 1) {
    const before = performance.now()
    const sidecar = await startSidecar()
    await until(sidecar.isReady)
    ready.push(performance.now() - before)
    await sleep(3_000)
    resident.push(residentBytes(sidecar.pid) / 2 ** 20)
    await sidecar.stop()
  }
  return {
    ready_ms: rounded(median(ready), 0),
    rss_mib: rounded(median(resident)),
    bundle_kib: rounded(statSync('dist/sidecar.js').size / 1024),
    image_mib: await imageMib(),
    node: process.version,
  }
}

/** Compressed, as it is pulled, where the tests of tier 3 have pushed it to their registry on this machine. */
async function imageMib(): Promise<number | null> {
  const url = 'http://127.0.0.1:5000/v2/library/spa-reloader-sidecar/manifests/0.1.0'
  const headers = { accept: 'application/vnd.oci.image.manifest.v1+json' }
  const response = await fetch(url, { headers }).catch(() => undefined)
  if (!response?.ok) return null
  const { layers } = (await response.json()) as { layers: { size: number }[] }
  return rounded(layers.reduce((sum, { size }) => sum + size, 0) / 2 ** 20)
}
