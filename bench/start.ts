// How quickly a sidecar is ready, and what it costs while nothing happens.

import { statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { buildImage, compressedBytes } from '../test/cluster/images.ts'
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

/** Compressed with gzip, as registries hold it; null where it cannot be built (that needs root, buildah and debootstrap). */
async function imageMib(): Promise<number | null> {
  try {
    const id = await buildImage({ dockerfile: 'Dockerfile.sidecar', context: '.' })
    return rounded((await compressedBytes(id)) / 2 ** 20)
  } catch {
    return null
  }
}
