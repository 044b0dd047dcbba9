// What `<script src="/__spa/client.js">` runs: window.spaReloader, and its events on the window as `spa-reloader:update` and so on.
// `data-auto` lets the page reload by itself, `data-version` names its version.

import type { EventName, Options, SpaReloader } from './api.ts'
import { browser } from './env.ts'
import { start } from './start.ts'

declare global {
  interface Window {
    spaReloader?: SpaReloader
  }
}

window.spaReloader ??= run(document.currentScript as HTMLScriptElement | null)

function run(script: HTMLScriptElement | null): SpaReloader {
  const reloader = start(browser(), script ? readOptions(script) : {})
  const names: EventName[] = ['state', 'update', 'withdrawn', 'updated', 'stuck']
  for (const name of names)
    reloader.addEventListener(name, ({ detail }) =>
      window.dispatchEvent(new CustomEvent(`spa-reloader:${name}`, { detail })),
    )
  return reloader
}

function readOptions({ src, dataset: { auto = 'false', version } }: HTMLScriptElement): Options {
  const options: Options = { auto: auto !== 'false' }
  if (version) options.version = version
  // A CDN's copy has no sidecar beside it.
  if (src.startsWith(`${location.origin}/`)) options.base = new URL('.', src).href
  return options
}
