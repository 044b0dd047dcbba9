// Chromium by its DevTools protocol, Firefox by WebDriver BiDi.

import { join } from 'node:path'
import { launch } from 'puppeteer-core'
import type { LaunchOptions, Browser as Program } from 'puppeteer-core'
import { checkout } from '../cluster/binaries.ts'
import type { Browser } from './browser.ts'
import { loadLimitMs } from './limits.ts'

const executablePath = join(checkout, 'test/browsers/with-its-parent') // a bundle has no folder beside it

const options: Record<'chromium' | 'firefox', LaunchOptions> = {
  chromium: {
    browser: 'chrome',
    executablePath,
    env: { ...process.env, BROWSER: '/usr/bin/chromium' },
    args: [
      '--no-sandbox', // we may be root
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  },
  firefox: { browser: 'firefox', executablePath, env: { ...process.env, BROWSER: '/usr/bin/firefox-esr' } },
}

/** Puppeteer's own interface, for what the three engines do not have in common. */
export function launchProgram(engine: 'chromium' | 'firefox'): Promise<Program> {
  return launch({
    ...options[engine],
    headless: true,
    acceptInsecureCerts: true,
    defaultViewport: null,
    timeout: 120_000, // until it has started
    protocolTimeout: 120_000,
  })
}

export async function launchPuppeteer(engine: 'chromium' | 'firefox'): Promise<Browser> {
  const browser = await launchProgram(engine)
  return {
    engine,
    async open(url) {
      const page = await browser.newPage()
      await page.goto(url, { waitUntil: 'load', timeout: loadLimitMs })
      return {
        goto: async url => void (await page.goto(url, { waitUntil: 'load', timeout: loadLimitMs })),
        evaluate: (run, ...args) => page.evaluate(run as never, ...args),
        setOffline: offline => page.setOfflineMode(offline),
        close: () => page.close(),
      }
    },
    close: () => browser.close(),
  }
}
