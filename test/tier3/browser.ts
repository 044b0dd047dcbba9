// A real Chromium, and tabs that note what they are told.

import { chromium } from 'playwright-core'
import type { Page } from 'playwright-core'
import type { Test } from 'tap'
import type { SpaState } from '../../client/api.ts'

export interface Told {
  event: 'update' | 'withdrawn' | 'updated'
  target: string
}

export interface Tab {
  page: Page
  /** What the app shows. */
  version(): Promise<string | null>
  state(): Promise<SpaState>
  /** The events since the document was loaded. */
  told(): Promise<Told[]>
  /** Reloads as the app's button would. */
  reload(): Promise<void>
}

/** Ends with the test. */
export async function openBrowser(t: Test): Promise<(url: string) => Promise<Tab>> {
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
  t.teardown(() => browser.close())
  const context = await browser.newContext()
  await context.addInitScript(() => {
    const told: Told[] = []
    Object.assign(window, { told })
    for (const event of ['update', 'withdrawn', 'updated'] as const)
      addEventListener(`spa-reloader:${event}`, ({ detail }: CustomEventInit<SpaState>) =>
        told.push({ event, target: detail?.target?.id ?? '' }),
      )
  })
  return async url => {
    const page = await context.newPage()
    await page.goto(url)
    await page.waitForFunction(() => window.spaReloader?.state.status === 'current')
    return {
      page,
      version: () => page.textContent('#version'),
      state: () => page.evaluate(() => window.spaReloader!.state),
      told: () => page.evaluate(() => (window as unknown as { told: Told[] }).told),
      async reload() {
        await Promise.all([page.waitForEvent('load'), page.evaluate(() => window.spaReloader!.reload())])
        await page.waitForFunction(() => window.spaReloader?.state.status === 'current')
      },
    }
  }
}
