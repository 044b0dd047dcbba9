// Requests a second for a page of 2 KB and an asset of 200 KB: the app (nginx) alone, and behind the front and behind each peer.
// Everything runs at the same time and is asked in turns, so that the noise of the machine meets all alike; medians.

import { asMuchAsGoes } from './load.ts'
import type { Throughput } from './load.ts'
import { median, rounded } from './figures.ts'
import { cpuMs } from './processes.ts'
import { paths, proxies, startApp, startFront } from './peers.ts'
import type { Peer } from './peers.ts'

const rounds = 5
const seconds = 3

type Kind = keyof typeof paths
type Figures = Record<string, number>

/**
 * The keys: `page` and `asset` in requests a second, `p99_ms` for both, and `cpu_us`, the CPU time that it took for each request, which other work on
 * the machine changes least. A peer that is not on this machine is left out.
 */
export async function proxy(): Promise<Record<string, Figures>> {
  const app = await startApp()
  const ways: { name: string; kinds: Kind[]; peer: Peer }[] = [
    { name: 'direct', kinds: ['page', 'asset'], peer: app },
    { name: 'front', kinds: ['page', 'asset'], peer: await startFront(app, { cacheMib: 0 }) },
    { name: 'cached', kinds: ['asset'], peer: await startFront(app) },
  ]
  for (const [name, find] of Object.entries(proxies)) {
    const start = await find()
    if (start) ways.push({ name, kinds: ['page', 'asset'], peer: await start(app) })
  }
  const figures: Record<string, Figures> = {
    page: {},
    asset: {},
    page_p99_ms: {},
    asset_p99_ms: {},
    page_cpu_us: {},
    asset_cpu_us: {},
  }
  for (const kind of ['page', 'asset'] as const) {
    const asked = ways.filter(({ kinds }) => kinds.includes(kind))
    const samples = new Map<string, (Throughput & { cpuUs: number })[]>(asked.map(({ name }) => [name, []]))
    for (let round = 0; round <= rounds; round += 1)
      for (const { name, peer } of asked) {
        const before = cpuMs(peer.pid)
        const its = round === 0 ? 1 : seconds // the first one only warms up
        const sample = await asMuchAsGoes(`http://127.0.0.1:${peer.port}${paths[kind]}`, its)
        const cpuUs = ((cpuMs(peer.pid) - before) * 1_000) / (sample.perSecond * its)
        if (round > 0) samples.get(name)?.push({ ...sample, cpuUs })
      }
    for (const [name, all] of samples) {
      figures[kind]![name] = rounded(median(all.map(({ perSecond }) => perSecond)), 0)
      figures[`${kind}_cpu_us`]![name] = rounded(median(all.map(({ cpuUs }) => cpuUs)))
      figures[`${kind}_p99_ms`]![name] = rounded(median(all.map(({ p99Ms }) => p99Ms)), 2)
    }
  }
  for (const { peer } of ways.toReversed()) await peer.stop()
  return figures
}
