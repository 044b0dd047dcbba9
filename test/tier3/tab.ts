// A tab of the sample app, in any engine.

import type { SpaState } from '../../client/api.ts'
import type { Browser, Page } from '../browsers/browser.ts'
import { until } from '../cluster/wait.ts'

/** What the page has noted (test/cluster/app/page.js). */
export interface Note {
  /** Milliseconds since 1970, by this machine's clock. */
  at: number
  /** Of a load: when the page before was told to go. */
  since: number
  what: 'load' | 'restored' | 'update' | 'withdrawn' | 'updated' | 'failed'
  /** What the page that noted it shows. */
  version: string
  /** The target that the client told of: the digest's 64 hex digits, and the Deployment's revision. */
  id: string
  revision: number
  /** Of a failure: the address of what did not come, or the message of what did not run. */
  why?: string
}

export interface Tab {
  page: Page
  /** What the app shows. */
  version(): Promise<string | null>
  state(): Promise<SpaState>
  /** All that the tab has seen, reloads included, in order. */
  notes(): Promise<Note[]>
  /** What the client has told since the document was loaded. */
  told(): Promise<Note['what'][]>
  /** Reloads as the app's button would. */
  reload(): Promise<void>
}

/**
 * How long a tab may take to know. The limit is the client's own: a line that has gone dead without a word is noticed after 2.5 heartbeats (62.5 s), a hidden tab whose dials were in
 * vain, as Chromium's are but for one, waits for up to 60 s before the next, and what it was served in vain it asks for again after 5 s, 30 s and
 * 2 min (client/connection.ts, backoff.ts).
 */
export const knowSeconds = 300

/** Resolves once the client knows that its page is current. */
export async function openTab(browser: Browser, url: string): Promise<Tab> {
  const tab = tabOf(await browser.open(url))
  await isCurrent(tab)
  return tab
}

/** A page of the sample app, whatever it knows. */
export function tabOf(page: Page): Tab {
  const tab: Tab = {
    page,
    version: () => page.evaluate(() => document.getElementById('version')?.textContent ?? null),
    state: () => page.evaluate(() => window.spaReloader!.state),
    notes: () => page.evaluate(() => JSON.parse(sessionStorage.getItem('notes') ?? '[]') as Note[]),
    async told() {
      const whats = (await tab.notes()).map(({ what }) => what)
      return whats.slice(whats.lastIndexOf('load') + 1)
    },
    async reload() {
      const loads = await countLoads()
      await page.evaluate(() => void setTimeout(() => void window.spaReloader!.reload())) // it answers before it goes
      await until('the reload', async () => (await countLoads()) > loads)
      await isCurrent(tab)
    },
  }
  return tab

  async function countLoads(): Promise<number> {
    return (await tab.notes()).filter(({ what }) => what === 'load').length
  }
}

function isCurrent(tab: Tab): Promise<boolean> {
  return until('the page to be current', async () => (await tab.state()).status === 'current')
}
