// WebKit: GTK's MiniBrowser on a virtual screen, by WebDriver (https://www.w3.org/TR/webdriver2/).
// A session knows one window at a time, so whatever a tab is asked waits until the others have been answered.

import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { freePort, startProgram } from '../cluster/process.ts'
import { until } from '../cluster/wait.ts'
import type { Browser } from './browser.ts'
import { loadLimitMs } from './limits.ts'

const miniBrowser = ['x86_64', 'aarch64']
  .map(machine => `/usr/lib/${machine}-linux-gnu/webkit2gtk-4.1/MiniBrowser`)
  .find(file => existsSync(file))

export async function launchWebKit(): Promise<Browser> {
  const dir = mkdtempSync(join(tmpdir(), 'spa-webkit-'))
  const screen = await startScreen()
  const port = await freePort()
  const driver = startProgram('WebKitWebDriver', [`--port=${port}`], {
    log: join(dir, 'driver.log'),
    env: envOf(screen.display, dir),
  })
  const root = `http://127.0.0.1:${port}`
  const isUp = until('WebKitWebDriver', async () => (await fetch(`${root}/status`)).ok)
  await Promise.race([isUp, driver.failed])
  const { sessionId } = await call<{ sessionId: string }>('POST', '/session', {
    capabilities: {
      alwaysMatch: {
        acceptInsecureCerts: true,
        'webkitgtk:browserOptions': { binary: miniBrowser, args: ['--automation'] },
      },
    },
  })
  const session = `/session/${sessionId}`
  await call('POST', `${session}/timeouts`, { pageLoad: loadLimitMs, script: 60_000 })
  const first = await call<string>('GET', `${session}/window`)
  let last: Promise<unknown> = Promise.resolve()

  return {
    engine: 'webkit',
    async open(url) {
      const { handle } = await inTurn(async () => {
        await call('POST', `${session}/window`, { handle: first }) // a new one is opened from one that is there
        return call<{ handle: string }>('POST', `${session}/window/new`, { type: 'window' }) // a tab would be hidden
      })
      const inTab = <T>(method: string, path: string, body?: object) =>
        inTurn(async () => {
          await call('POST', `${session}/window`, { handle })
          return call<T>(method, session + path, body)
        })
      const goto = (url: string) => inTab<void>('POST', '/url', { url })
      await goto(url)
      return {
        goto,
        evaluate: (run, ...args) =>
          inTab('POST', '/execute/sync', { script: `return (${String(run)})(...arguments)`, args }),
        close: () => inTab('DELETE', '/window'),
      }
    },
    async close() {
      await inTurn(() => call('DELETE', session)).catch(() => {}) // it may have crashed: what is left goes with its screen
      await driver.stop()
      await screen.stop()
      rmSync(dir, { recursive: true, force: true })
    },
  }

  function inTurn<T>(run: () => Promise<T>): Promise<T> {
    const done = last.then(run, run)
    last = done
    return done
  }

  async function call<T>(method: string, path: string, body?: object): Promise<T> {
    const answer = await fetch(root + path, { method, ...(body && { body: JSON.stringify(body) }) })
    const { value } = (await answer.json()) as { value: T & { error?: string; message?: string } }
    if (!answer.ok) throw new Error(`${method} ${path}: ${value.error}: ${value.message}`)
    return value
  }
}

/** A window as a person has it, which keeps what it loads: WebDriver's are private ones. Ends with what the function returns. */
export async function openWindow(url: string): Promise<() => Promise<void>> {
  const dir = mkdtempSync(join(tmpdir(), 'spa-webkit-'))
  const screen = await startScreen()
  const window = startProgram(miniBrowser!, [url], {
    log: join(dir, 'window.log'),
    env: envOf(screen.display, dir),
  })
  return async () => {
    await window.stop()
    await screen.stop()
    rmSync(dir, { recursive: true, force: true })
  }
}

function envOf(display: string, home: string): Record<string, string> {
  return {
    DISPLAY: display,
    HOME: home,
    WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1', // its sandbox refuses to start as root
    WEBKIT_DISABLE_COMPOSITING_MODE: '1',
  }
}

/** Xvfb takes the first free number itself, and says which. */
async function startScreen(): Promise<{ display: string; stop: () => Promise<void> }> {
  const args = ['--pdeathsig', 'KILL', '--', 'Xvfb', '-displayfd', '1', '-screen', '0', '800x600x24']
  const child = spawn('setpriv', [...args, '-nolisten', 'tcp'], { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<void>(resolve => child.once('close', () => resolve()))
  const said = text(child.stderr)
  const display = await new Promise<string>((resolve, reject) => {
    child.once('error', reject)
    child.stdout.once('data', (number: Buffer) => resolve(`:${number.toString().trim()}`))
    void ended.then(async () => reject(new Error(`Xvfb ended: ${await said}`)))
  })
  return {
    display,
    async stop() {
      child.kill('SIGKILL')
      await ended
    },
  }
}
