// How long Chromium takes to load a page with 60 assets, 0.9 MB, to its load event: from nginx alone, through the front with and without its
// memory, and with our client in the page. Cold: with an empty browser cache; warm: once more in another tab; slow: cold, over an emulated
// line. In turns, forth and back, so that the noise of the machine meets all alike; medians.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, BrowserContext } from 'puppeteer-core'
import { launchProgram } from '../test/browsers/puppeteer.ts'
import { makeSite } from '../test/cluster/site.ts'
import { median, rounded } from './figures.ts'
import { startApp, startFront } from './peers.ts'

const rounds = 11
const line = { offline: false, latency: 40, downloadThroughput: 10e6 / 8, uploadThroughput: 5e6 / 8 } // ms, bytes a second

const kinds = ['cold', 'warm', 'slow'] as const
type Kind = (typeof kinds)[number]

/** Milliseconds, by kind and way. */
export async function page(): Promise<Record<Kind, Record<string, number>>> {
  const app = await startApp(writeSite, 'add_header Cache-Control no-cache;')
  const passing = await startFront(app, { cacheMib: 0 })
  const front = await startFront(app)
  const browser = await launchProgram('chromium')
  const ways = {
    direct: `http://127.0.0.1:${app.port}/`,
    front: `http://127.0.0.1:${passing.port}/`,
    cached: `http://127.0.0.1:${front.port}/`,
    client: `http://127.0.0.1:${front.port}/client.html`,
  }
  const samples = Object.keys(ways).map(name => ({ name, cold: [], warm: [], slow: [] }) as Samples)
  const turns = Array.from(Object.values(ways).entries())
  for (let round = 0; round <= rounds; round += 1)
    for (const [index, url] of round % 2 ? turns : turns.toReversed()) {
      const measured = await measure(browser, url)
      if (round > 0) for (const kind of kinds) samples[index]?.[kind].push(measured[kind]) // the first one only warms up
    }
  await browser.close()
  for (const peer of [front, passing, app]) await peer.stop()
  const figures = (kind: Kind) =>
    Object.fromEntries(samples.map(({ name, [kind]: all }) => [name, rounded(median(all), 0)]))
  return { cold: figures('cold'), warm: figures('warm'), slow: figures('slow') }
}

type Samples = { name: string } & Record<Kind, number[]>

function writeSite(root: string): void {
  makeSite().write(root)
  const html = readFileSync(join(root, 'index.html'), 'utf8')
  const client = '<script src="/__spa/client.js" defer></script>'
  writeFileSync(join(root, 'client.html'), html.replace('</head>', `${client}</head>`))
}

async function measure(browser: Browser, url: string): Promise<Record<Kind, number>> {
  const [context, other] = [await browser.createBrowserContext(), await browser.createBrowserContext()]
  const times = {
    cold: await load(context, url),
    warm: await load(context, url),
    slow: await load(other, url, line),
  }
  await Promise.all([context.close(), other.close()])
  return times
}

async function load(context: BrowserContext, url: string, over?: typeof line): Promise<number> {
  const page = await context.newPage()
  if (over) {
    const session = await page.createCDPSession()
    await session.send('Network.enable')
    await session.send('Network.emulateNetworkConditions', over)
  }
  await page.goto(url, { waitUntil: 'load' })
  const ms = await page.evaluate(() => {
    const [entry] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[]
    return entry!.loadEventStart
  })
  await page.close()
  return ms
}
