// A person with a tab: comes, leaves, reloads, goes elsewhere and comes back, loses the network. Keeps what the tab saw.

import { goBack } from '../../test/browsers/browser.ts'
import type { Browser, Page } from '../../test/browsers/browser.ts'
import { until } from '../../test/cluster/wait.ts'
import type { Note } from '../../test/tier3/tab.ts'
import type { Whim } from './history.ts'
import type { Visit } from './log.ts'

export interface Visitor {
  readonly visit: Visit
  /** Reads what the tab has noted into the visit. Pages that cannot be read now are read next time. */
  look(): Promise<void>
  act(kind: Whim['kind']): Promise<void>
  /** Back from wherever it was. */
  comeBack(): Promise<void>
  /** Without a last look. */
  leave(): Promise<void>
  /** Asks the page for its own account of where it is and what it has heard. */
  question(): Promise<void>
}

/** Resolves once the app is shown, however often that must be tried: pods are on their way out and in. */
export async function visit(
  browser: Browser,
  { tab, url, isAuto }: { tab: string; url: string; isAuto: boolean },
): Promise<Visitor> {
  const address = isAuto ? `${url}?auto` : url
  const seen: Visit = { tab, isAuto, from: Date.now(), notes: [], loads: [], absences: [] }
  let whereabouts: 'here' | 'away' | 'offline' = 'here'
  let page = await until('a tab', () => open(), 120)
  return { visit: seen, look, act, comeBack, leave, question }

  async function open(): Promise<Page> {
    const opened = await browser.open('about:blank')
    try {
      await load(opened)
      return opened
    } catch (error) {
      await opened.close()
      throw error
    }
  }

  /** A person presses reload until there is something to see. */
  function load(page: Page): Promise<void> {
    return asking(async () => {
      await until('the app', async () => {
        await page.goto(address)
        return isShown(page)
      })
    })
  }

  async function asking(run: () => Promise<void>): Promise<void> {
    const load = { from: Date.now(), until: Infinity }
    seen.loads.push(load)
    await run()
    load.until = Date.now()
  }

  async function look(): Promise<void> {
    if (whereabouts === 'away') return
    const notes = await page.evaluate(() => sessionStorage.getItem('notes') ?? '[]').catch(() => '[]')
    const read = JSON.parse(notes) as Note[]
    if (read.length >= seen.notes.length) seen.notes = read
    else await revive()
  }

  /** A page that reloaded when there was no pod is an error page. */
  async function revive(): Promise<void> {
    await until('the app', () => isShown(page), 5).catch(() => load(page))
  }

  async function act(kind: Whim['kind']): Promise<void> {
    if (whereabouts !== 'here') return
    switch (kind) {
      case 'accept':
      case 'refresh':
        return asking(async () => {
          await page.evaluate(press, kind === 'accept').catch(() => {}) // it is on its way to another one by itself
          const isOther = async () =>
            (await isShown(page)) && !(await page.evaluate(() => 'isLeft' in window))
          await until('another document', isOther, 20).catch(() => load(page))
        })
      case 'away':
      case 'offline':
        await look()
        whereabouts = kind
        seen.absences.push({ from: Date.now(), until: Infinity })
        if (kind === 'offline') await page.setOffline?.(true)
        else await until('another page', () => page.goto('about:blank').then(() => true)) // it may be reloading by itself
    }
  }

  async function comeBack(): Promise<void> {
    if (whereabouts === 'here') return
    if (whereabouts === 'offline') await page.setOffline?.(false)
    else await asking(() => goBack(page).catch(() => load(page))) // if it is not kept by the back/forward cache
    await revive()
    whereabouts = 'here'
    seen.absences.at(-1)!.until = Date.now()
  }

  async function leave(): Promise<void> {
    seen.until = Date.now()
    await page.close()
  }

  async function question(): Promise<void> {
    seen.account = await accountOf(page).catch((error: Error) => error.message)
  }
}

/** In the page: of the app's button or of the browser's. */
function press(isByApp: boolean): void {
  Object.assign(window, { isLeft: true }) // now: a tab in the background has slow timers
  setTimeout(() => {
    if (isByApp && window.spaReloader) void window.spaReloader.reload()
    else location.reload()
  })
}

async function accountOf(page: Page): Promise<string> {
  return page.evaluate(async () => {
    const answer = await fetch('/__spa/version').then(
      answer => answer.text(),
      (error: Error) => error.message,
    )
    const { href } = location
    const stamp = document.querySelector('meta[name="spa-version"]')?.outerHTML
    // Without a client the page has heard nothing: whether its script came, and what came in its place.
    const scripts = performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('.js'))
    const failures = (JSON.parse(sessionStorage.getItem('notes') ?? '[]') as { what: string }[]).filter(
      ({ what }) => what === 'failed',
    )
    const heard = window.spaReloader?.state ?? 'there is no client'
    return JSON.stringify({ href, stamp, heard, failures, scripts, answer })
  })
}

function isShown(page: Page): Promise<boolean> {
  return page.evaluate(() => document.getElementById('version') !== null)
}
