// The three engines behind one small interface: Chromium and Firefox by puppeteer-core, WebKit by WebDriver.
// All three come from Debian's packages and run without a screen.

import { until } from '../cluster/wait.ts'
import { launchPuppeteer } from './puppeteer.ts'
import { launchWebKit } from './webkit.ts'

export const engines = ['chromium', 'firefox', 'webkit'] as const
export type Engine = (typeof engines)[number]

export interface Browser {
  engine: Engine
  /** Opens a tab and resolves once its document is loaded. */
  open(url: string): Promise<Page>
  close(): Promise<void>
}

/** A tab. What is asked of it while it changes its document may be rejected: ask again. */
export interface Page {
  goto(url: string): Promise<void>
  /** Calls a function, which may use nothing but its arguments, in the page. Arguments and result travel as JSON. */
  evaluate<R, A extends unknown[]>(run: (...args: A) => R | Promise<R>, ...args: A): Promise<R>
  /** Chromium and Firefox only: WebDriver has no word for it. */
  setOffline?(offline: boolean): Promise<void>
  close(): Promise<void>
}

/** Certificates are not asked for who signed them. */
export function launch(engine: Engine): Promise<Browser> {
  return engine === 'webkit' ? launchWebKit() : launchPuppeteer(engine)
}

/** One step back in the tab's history, perhaps out of the back/forward cache: puppeteer would wait in vain for Firefox to load it. */
export async function goBack(page: Page): Promise<void> {
  const left = await page.evaluate(() => location.href)
  await page.evaluate(() => void setTimeout(() => history.back())) // it answers before it goes
  await until('the page before', () =>
    page.evaluate(left => location.href !== left && document.readyState === 'complete', left),
  )
}
