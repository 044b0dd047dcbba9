// Tells a page of a single-page app when another version of it is live, and reloads it when the app or a person says so.
// On a server there is no page: the same object comes out, knows nothing and does nothing.

import type { Options, SpaReloader, SpaState } from './api.ts'
import { browser } from './env.ts'
import type { Env } from './env.ts'
import { start } from './start.ts'

export type {
  EventName,
  Guard,
  Options,
  ReloadOptions,
  SpaReloader,
  SpaState,
  Status,
  Target,
} from './api.ts'
export type { ConnectionStatus } from './connection.ts'
export type { Env } from './env.ts'
export type { Page } from './identity.ts'

/** Connects at once. Whoever creates it, stops it; most pages never do. */
export function createSpaReloader(options: Options = {}): SpaReloader {
  const isPage = typeof document !== 'undefined'
  if (!isPage && !options.env?.document) return absent()
  return start({ ...(isPage && browser()), ...options.env } as Env, options)
}

const nothing: SpaState = Object.freeze({
  status: 'unknown',
  page: null,
  current: null,
  target: null,
  rollback: false,
  connection: 'off',
})

function absent(): SpaReloader {
  return Object.assign(new EventTarget(), {
    state: nothing,
    subscribe(run: (state: SpaState) => void) {
      run(nothing)
      return () => {}
    },
    check: async () => false,
    reload: async () => false,
    guard: () => () => {},
    stop() {},
  }) as SpaReloader
}
