// What each proxy adds to the time of a request at 1,000 requests a second: its quantile less the app's own, in turns, medians.

import { evenly } from './load.ts'
import { median, quantile, rounded } from './figures.ts'
import { paths, proxies, startApp, startFront } from './peers.ts'
import type { Peer } from './peers.ts'

const rounds = 7
const seconds = 5
const perSecond = 1_000

interface Quantiles {
  p50_ms: number
  p99_ms: number
}

export async function latency(): Promise<Record<string, Quantiles>> {
  const app = await startApp()
  const ways: [name: string, peer: Peer][] = [
    ['direct', app],
    ['front', await startFront(app)],
  ]
  for (const [name, find] of Object.entries(proxies)) {
    const start = await find()
    if (start) ways.push([name, await start(app)])
  }
  const added = new Map<string, Quantiles[]>(ways.map(([name]) => [name, []]))
  for (let round = 0; round <= rounds; round += 1) {
    let own: Quantiles | undefined
    for (const [name, { port }] of ways) {
      const samples = await evenly(
        `http://127.0.0.1:${port}${paths.page}`,
        perSecond,
        round === 0 ? 1 : seconds,
      )
      const measured = { p50_ms: quantile(samples, 0.5), p99_ms: quantile(samples, 0.99) }
      own ??= measured
      const less = name === 'direct' ? { p50_ms: 0, p99_ms: 0 } : own
      if (round > 0)
        added
          .get(name)
          ?.push({ p50_ms: measured.p50_ms - less.p50_ms, p99_ms: measured.p99_ms - less.p99_ms })
    }
  }
  for (const [, peer] of ways.toReversed()) await peer.stop()
  return Object.fromEntries(
    [...added].map(([name, all]) => [
      name,
      {
        p50_ms: rounded(median(all.map(({ p50_ms }) => p50_ms)), 2),
        p99_ms: rounded(median(all.map(({ p99_ms }) => p99_ms)), 2),
      },
    ]),
  )
}
