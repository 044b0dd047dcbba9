// Keeps a copy of all objects of one kind: lists them, then watches from there, and never stops trying until it is closed.
// Rather list once more than miss something: only after a connection that ended, or a refusal that says nothing about our
// resource version, does it watch on from where it was.

import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { reason } from '../protocol/log.ts'
import type { Log } from '../protocol/log.ts'
import { refusal } from './api.ts'
import type { Api, ApiResponse } from './api.ts'
import { pagesOf } from './pages.ts'
import {
  createLineSplitter,
  keyOf,
  parseEvent,
  parseList,
  responseOf,
  retryAfterMs,
  versionOf,
} from './wire.ts'

export interface WatchOptions<T> {
  api: Api
  /** Of the collection: `/api/v1/pods`, `/apis/apps/v1/namespaces/shop/deployments`. */
  path: string
  labelSelector?: string
  fieldSelector?: string
  /** Undefined: the object is taken as not being there. */
  parse: (raw: unknown) => T | undefined
  /** Called after `objects` has changed. */
  onChange?: (change: Change<T>) => void
  /** Called when it stops working, with what is wrong, again when that changes, and with undefined when it works again. */
  onTrouble?: (trouble: string | undefined) => void
  log: Log
  /** Lists anew after so many milliseconds, whatever the watch brings. Default: only where the watch cannot go on. */
  relistMs?: number
  /** A watch that brings nothing for so long is dead. Default: 150,000 (a bookmark comes about every 60 s, without a guarantee). */
  silenceMs?: number
  /** The first delay is a random part of this; from failure to failure it doubles, up to 15 s. Default: 1,000. */
  backoffMs?: number
  random?: () => number
}

/** Each listing brings an upsert for every object in it, changed or not. */
export interface Change<T> {
  type: 'upsert' | 'delete'
  /** `namespace/name`, or `name` for a kind without namespaces. */
  key: string
  /** Of a deleted object: the last that is known of it. */
  object: T
  /** What was known of an object that comes again. */
  before?: T | undefined
}

export interface Watch<T> {
  /** Resolves after the first listing; rejects when closed before it. */
  synced: Promise<void>
  objects: ReadonlyMap<string, T>
  /** Cuts the connection and resolves when nothing is left running. */
  close(): Promise<void>
}

const maxBackoffMs = 15_000 // what was missed is told when the API server is back, so not much later
const answerMs = 60_000 // an overloaded API server queues a request for up to a minute
const livedMs = 1000 // client-go calls a watch without events that ends sooner "very short"

/** How an attempt to list and watch ended. */
interface Ending {
  why: string
  /** From where to watch on; undefined: list again. */
  version: string | undefined
  /** It worked for a while, so the next attempt need not wait. */
  lived: boolean
  /** It was to end: nothing worth a line. */
  isPlanned?: boolean
  /** What the server asks us to wait. */
  retryAfterMs: number
}

/** Starts at once. What goes wrong is logged and tried again, with full-jitter backoff. */
export function watchResource<T>(options: WatchOptions<T>): Watch<T> {
  const { api, path, labelSelector, fieldSelector, parse, onChange, onTrouble, log } = options
  const { relistMs, backoffMs = 1000, random = Math.random } = options
  const { silenceMs = relistMs ? relistMs + 10_000 : 150_000 } = options
  const selectors = { labelSelector, fieldSelector }
  const objects = new Map<string, T>()
  const closing = new AbortController()
  const { signal } = closing
  let settle!: { resolve: () => void; reject: (error: Error) => void }
  const synced = new Promise<void>((resolve, reject) => (settle = { resolve, reject }))
  synced.catch(() => {}) // whoever does not wait for it need not hear of it
  let trouble: string | undefined
  const running = run()
  return { synced, objects, close }

  async function close(): Promise<void> {
    closing.abort()
    await running
    settle.reject(new Error(`closed before ${path} was listed`))
  }

  async function run(): Promise<void> {
    let version: string | undefined
    let failures = 0
    while (!signal.aborted) {
      const ending = await attempt(version)
      if (signal.aborted) return
      version = ending.version
      if (!ending.lived) tellTrouble(ending.why)
      failures = ending.lived ? 0 : failures + 1
      const delayMs = ending.retryAfterMs + jitter(failures)
      if (!ending.isPlanned)
        log('watch ended', { path, why: ending.why, delay_ms: delayMs, list: version === undefined })
      await sleep(delayMs, undefined, { signal }).catch(() => {})
    }
  }

  function jitter(failures: number): number {
    if (failures === 0) return 0
    return Math.round(random() * Math.min(maxBackoffMs, backoffMs * 2 ** (failures - 1)))
  }

  async function attempt(version: string | undefined): Promise<Ending> {
    let from = version
    try {
      if (from === undefined) {
        const listed = await list()
        if ('refused' in listed) return refused(listed.refused, undefined)
        from = listed.version
      }
      const query = {
        ...selectors,
        watch: true,
        resourceVersion: from,
        allowWatchBookmarks: true,
        // The API server's own range, so that watches do not end together.
        timeoutSeconds: relistMs ? Math.ceil(relistMs / 1000) : Math.round(1800 * (1 + random())),
      }
      const opened = await api.stream({ path, query, timeoutMs: answerMs, signal })
      if ('refused' in opened) return refused(opened.refused, from)
      tellTrouble(undefined)
      return await follow(opened.body, from)
    } catch (error) {
      return { why: reason(error), version: from, lived: false, retryAfterMs: 0 }
    }
  }

  /** Lists in pages. Asks for no resource version: the answer is then never older than what we have seen. */
  async function list(): Promise<{ version: string } | { refused: ApiResponse }> {
    const found = new Map<string, T>()
    let version = ''
    for await (const response of pagesOf(api, { path, query: selectors, timeoutMs: answerMs, signal })) {
      if (response.status !== 200) return { refused: response }
      const page = parseList(response.body)
      if (!page) throw new Error('the answer is not a list')
      for (const raw of page.items) {
        const object = parsed(raw)
        if (object !== undefined) found.set(keyOf(raw), object)
      }
      version = page.version
    }
    for (const key of objects.keys()) if (!found.has(key)) remove(key)
    for (const [key, object] of found) upsert(key, object)
    settle.resolve()
    return { version }
  }

  async function follow(body: Readable, from: string): Promise<Ending> {
    let version = from
    let lived = false
    const split = createLineSplitter()
    const living = setTimeout(() => (lived = true), relistMs ? Math.min(livedMs, relistMs / 2) : livedMs)
    const silence = setTimeout(() => body.destroy(new Error(`silent for ${silenceMs} ms`)), silenceMs)
    try {
      for await (const chunk of body.setEncoding('utf8') as AsyncIterable<string>) {
        silence.refresh()
        for (const line of split(chunk)) {
          const { type, object } = parseEvent(line)
          if (type === 'ERROR') return { ...refused(responseOf(object), version), lived }
          if (type === 'ADDED' || type === 'MODIFIED') upsert(keyOf(object), parsed(object))
          if (type === 'DELETED') remove(keyOf(object), parsed(object))
          version = versionOf(object) ?? version // a BOOKMARK brings nothing but this
          lived = true
        }
      }
      const why = 'ended by the server'
      // The connection is kept, and used again: a new one would cost a TLS handshake each time.
      if (relistMs && lived) return { why, version: undefined, lived: true, isPlanned: true, retryAfterMs: 0 }
      return { why, version, lived, retryAfterMs: 0 }
    } catch (error) {
      return { why: reason(error), version, lived, retryAfterMs: 0 }
    } finally {
      clearTimeout(living)
      clearTimeout(silence)
      body.destroy()
    }
  }

  function tellTrouble(now: string | undefined): void {
    if (now === trouble) return
    trouble = now
    onTrouble?.(now)
  }

  function upsert(key: string, object: T | undefined): void {
    if (object === undefined) return remove(key)
    const before = objects.get(key)
    objects.set(key, object)
    notify({ type: 'upsert', key, object, before })
  }

  function remove(key: string, last = objects.get(key)): void {
    if (objects.delete(key) && last !== undefined) notify({ type: 'delete', key, object: last })
  }

  function notify(change: Change<T>): void {
    try {
      onChange?.(change)
    } catch (error) {
      log('change handler failed', { path, key: change.key, reason: reason(error) })
    }
  }

  function parsed(raw: unknown): T | undefined {
    try {
      return parse(raw)
    } catch (error) {
      log('object not understood', { path, key: keyOf(raw), reason: reason(error) })
      return undefined
    }
  }
}

/** These say nothing about our resource version: credentials, RBAC that is not there yet, a server that is busy. */
const unrelated = new Set([401, 403, 429, 503])

function refused(response: ApiResponse, version: string | undefined): Ending {
  const keeps = unrelated.has(response.status)
  return {
    why: refusal(response),
    version: keeps ? version : undefined,
    lived: false,
    retryAfterMs: retryAfterMs(response),
  }
}
