// Which version this page is: said by the answer that carried its document, never by the first message and never by a cookie.
// Decided once. A page that says nothing about itself is told nothing: it holds.

import { meta, serverTiming } from '../protocol/names.ts'
import type { Ordered } from '../protocol/release.ts'
import type { Env } from './env.ts'
import { get } from './get.ts'
import { isControlled } from './worker.ts'

/** A document's identity. */
export interface Page {
  /** The Deployment. */
  readonly name: string
  /** The pod-template-hash of the pod that served it. */
  readonly hash: string
  /** The version's id, 64 hex digits, where that pod knew it already. */
  readonly id?: string
  /** Where it did not: the state that it had heard of. A later one that knows the hash says what this page is. */
  readonly state?: Ordered
}

/**
 * Takes the page's own name `<Deployment>-<hash>` where the app gives it.
 * Returns what the page says by itself: given, in a `<meta name="spa-version">`, or by its Server-Timing entries.
 */
export function readPage(env: Env, version?: string): Page | null {
  const element = env.document.querySelector(`meta[name="${meta.name}"]`)
  const attribute = (name: string): string => element?.getAttribute(name) ?? ''
  const stamp = version ?? attribute('content')
  const stamped = pageOf(version === undefined ? metricsOf(attribute) : metricsOf(() => version))
  const timed = pageOf(navigation(env)?.serverTiming ?? [])
  const isSame = timed && stamp === `${timed.name}-${timed.hash}`
  return isSame ? timed : (stamped ?? timed)
}

/**
 * Where the browser hides Server-Timing from scripts, the stored document's own header still says it: Firefox has none in insecure contexts, and an
 * empty one in a frame of another origin; WebKit's is empty once a redirect from another origin led here, as a login does. `only-if-cached` fails where the
 * document was not stored; but WebKitGTK asks the network then (NetworkResourceLoader::retrieveCacheEntry), and a service worker may. The header
 * lets the sidecar say nothing to that: its answer may be of a later version. The document is the one that was loaded: a router may have moved
 * the page to the address of another one before we run.
 */
export async function readStoredPage(env: Env): Promise<Page | null> {
  const entry = navigation(env)
  if (entry?.serverTiming && (entry.serverTiming.length > 0 || isControlled(env))) return null
  const url = entry?.name?.startsWith('http') ? entry.name : env.location.href // early drafts named every entry `document`
  const cache = 'only-if-cached'
  const init: RequestInit = { cache, mode: 'same-origin', headers: { 'cache-control': cache } }
  return (await get(env, url.replace(/#.*/, ''), init, pageOfAnswer)) ?? null
}

/** Takes an answer; returns the page that it carries, or null when it carries none (a login, an error, a redirect). */
export function pageOfAnswer({ ok, headers }: Pick<Response, 'ok' | 'headers'>): Page | null {
  return ok ? pageOf(parseServerTiming(headers.get('server-timing') ?? '')) : null
}

const maxBytes = 16_384

/**
 * Takes the answer to a request for a document; returns the page that it carries, or null. Where something on the way has taken off
 * Server-Timing, the document's own `<meta name="spa-version">` says it, within its first 16 KiB. The rest is not waited for.
 */
export async function pageOfDocument(answer: Response): Promise<Page | null> {
  const page = pageOfAnswer(answer)
  if (page || !answer.ok) {
    answer.text().catch(() => {}) // read to its end, so that the connection can be used again
    return page
  }
  const text = (await readBeginning(answer)).replace(/<!--[^]*?(?:-->|$)/g, '')
  const element = new RegExp(`<meta\\s[^>]*\\bname=["']?${meta.name}\\b[^>]*`, 'i').exec(text)?.[0] ?? ''
  return pageOf(metricsOf(name => new RegExp(`\\s${name}=["']?([^\\s"'>]*)`, 'i').exec(element)?.[1] ?? ''))
}

/** What a <meta> says, as the header would. */
function metricsOf(attribute: (name: string) => string): Metric[] {
  return [
    { name: serverTiming.page, description: attribute('content') },
    { name: serverTiming.id, description: attribute(meta.id) },
    { name: serverTiming.state, description: attribute(meta.state) },
  ]
}

async function readBeginning({ body }: Response): Promise<string> {
  if (!body) return ''
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let text = ''
  while (text.length < maxBytes) {
    const { value, done } = await reader.read()
    if (done) break
    text += decoder.decode(value, { stream: true })
  }
  reader.cancel().catch(() => {})
  return text.slice(0, maxBytes)
}

interface Metric {
  readonly name: string
  readonly description: string
}

/**
 * Takes Server-Timing metrics in the order of the header. Where one injected app stands before another, both have spoken:
 * the last is the nearest to the browser, and an id belongs to the page named just before it.
 */
export function pageOf(metrics: readonly Metric[]): Page | null {
  let page: Page | null = null
  for (const { name, description } of metrics) {
    if (name === serverTiming.page) page = parseVersion(description)
    if (name === serverTiming.id && page && /^[0-9a-f]{64}$/.test(description))
      page = { name: page.name, hash: page.hash, id: description }
    if (name === serverTiming.state && page && !page.id) {
      const [, epoch, serial] = /^([0-9a-z-]+)\.(\d{1,15})$/.exec(description) ?? []
      if (epoch) page = { name: page.name, hash: page.hash, state: { epoch, serial: Number(serial) } }
    }
  }
  return page
}

/** `<Deployment>-<hash>`: names of Deployments may have dashes, hashes have none. */
export function parseVersion(text: string): Page | null {
  const [, name, hash] = /^([a-z0-9][-.a-z0-9]*)-([a-z0-9]+)$/.exec(text) ?? []
  return name && hash ? { name, hash } : null
}

const metricForm = /(?:[^,"]|"(?:\\.|[^"\\])*")+/g
const descriptionForm = /^([^;]*);(?:.*;)?\s*desc\s*=\s*(?:"(.*?)"|([^;]*))/i

/** Reads the names and descriptions: https://www.w3.org/TR/server-timing/#the-server-timing-header-field */
export function parseServerTiming(header: string): Metric[] {
  const metrics = header.match(metricForm) ?? []
  return metrics.map(metric => {
    const [, name = '', quoted, bare = ''] = descriptionForm.exec(metric) ?? []
    return { name: name.trim(), description: quoted ?? bare.trim() }
  })
}

interface Navigation {
  name?: string
  serverTiming?: readonly Metric[]
  nextHopProtocol?: string
  type?: string
}

/** How the document came, as far as the browser tells. */
export function navigation(env: Env): Navigation | undefined {
  return env.performance?.getEntriesByType?.('navigation')[0]
}
