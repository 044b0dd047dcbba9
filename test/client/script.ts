// The script for a page that has no build, as it is shipped: bundled, run in a bare global scope, and weighed.

import t from 'tap'
import { build } from 'esbuild'
import { createContext, runInContext } from 'node:vm'
import { gzipSync } from 'node:zlib'
import type { SpaReloader } from '../../client/index.ts'
import { a, b, serverTiming, told } from './fixtures/release.ts'
import { parseServerTiming } from '../../client/identity.ts'
import { Socket } from './fixtures/tab.ts'

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: ['client/script.ts'],
    bundle: true,
    minify: true,
    format: 'iife',
    target: 'es2020',
    write: false,
  })
  return outputFiles[0]?.text ?? ''
}

/** A global scope with what browsers have, and nothing of Node's. */
function createPage(src: string, dataset: Record<string, string> = {}, others: object = {}) {
  const sockets: Socket[] = []
  const heard: CustomEvent[] = []
  const page = Object.assign(new EventTarget(), {
    document: Object.assign(new EventTarget(), {
      baseURI: 'https://shop.example/shop/cart',
      visibilityState: 'visible',
      querySelector: () => null,
      currentScript: { src, dataset },
    }),
    location: { href: 'https://shop.example/shop/cart', origin: 'https://shop.example' },
    navigator: { onLine: true },
    performance: { getEntriesByType: () => [{ serverTiming: parseServerTiming(serverTiming(a)) }] },
    sessionStorage: { getItem: () => null, setItem: () => {} },
    fetch: async () => new Response('', { headers: { 'server-timing': serverTiming(b) } }),
    WebSocket: class extends Socket {
      constructor(url: string, protocol: string) {
        super(url, protocol)
        sockets.push(this)
      }
    },
    setTimeout: (run: () => void) => setImmediate(run),
    clearTimeout: (timer: NodeJS.Immediate | undefined) => clearImmediate(timer),
    URL,
    EventTarget,
    CustomEvent,
    AbortController,
    TextDecoder,
    spaReloader: undefined as SpaReloader | undefined,
    ...others,
  })
  for (const type of ['state', 'update', 'withdrawn', 'updated'])
    page.addEventListener(`spa-reloader:${type}`, event => heard.push(event as CustomEvent))
  Object.assign(page, { window: page })
  return { page, sockets, heard, run: (code: string) => void runInContext(code, createContext(page)) }
}

t.test(
  'a script tag is enough: the page finds its own reloader, and hears of an update on the window',
  async t => {
    const { page, sockets, heard, run } = createPage('https://shop.example/shop/__spa/client.js')
    run(await bundle())
    const { spaReloader } = page
    await new Promise(setImmediate)
    t.equal(sockets[0]?.url, `wss://shop.example/shop/__spa/ws?v=web-${a.hash}`)
    t.match(spaReloader?.state, { page: a })
    sockets[0]?.open()
    const updated = new Promise<Event>(resolve => page.addEventListener('spa-reloader:update', resolve))
    sockets[0]?.say(told(b, 2, 'ready', { heartbeatMs: 1 }))
    await updated
    t.match(heard.at(-1)?.detail, { status: 'update', target: { id: b.id } })
    spaReloader?.stop()
  },
)

t.test('loaded twice, it runs once', async t => {
  const code = await bundle()
  const { page, run, sockets } = createPage('https://shop.example/__spa/client.js')
  run(code)
  const first = page.spaReloader
  run(code)
  await new Promise(setImmediate)
  t.equal(page.spaReloader, first)
  t.equal(sockets.length, 1)
  first?.stop()
})

t.test('its folder is where it came from; from elsewhere, or without a tag, beside the document', async t => {
  const code = await bundle()
  const cases: [src: string, url: string][] = [
    ['https://shop.example/__spa/client.js?v=1/2', 'wss://shop.example/__spa/ws'],
    ['https://shop.example/a/b/__spa/client.js', 'wss://shop.example/a/b/__spa/ws'],
    ['https://cdn.example/__spa/client.js', 'wss://shop.example/shop/__spa/ws'],
    ['https://shop.example.evil.example/__spa/client.js', 'wss://shop.example/shop/__spa/ws'],
    ['', 'wss://shop.example/shop/__spa/ws'],
  ]
  for (const [src, url] of cases) {
    const { page, run, sockets } = createPage(src)
    run(code)
    await new Promise(setImmediate)
    t.equal(sockets[0]?.url, `${url}?v=web-${a.hash}`, src)
    page.spaReloader?.stop()
  }
})

t.test('its tag can name the version and let it reload', async t => {
  const code = await bundle()
  for (const [dataset, isReloaded] of [
    [{}, false],
    [{ auto: 'false' }, false],
    [{ auto: '' }, true],
  ] as const) {
    const stored = new Map<string, string>()
    let reloads = 0
    const { page, run, sockets } = createPage(
      'https://shop.example/__spa/client.js',
      { ...dataset, version: `web-${a.hash}` },
      {
        location: {
          href: 'https://shop.example/',
          origin: 'https://shop.example',
          reload: () => (reloads += 1),
        },
        performance: { getEntriesByType: () => [{ serverTiming: [] }] },
        sessionStorage: {
          getItem: (key: string) => stored.get(key) ?? null,
          setItem: (key: string, value: string) => void stored.set(key, value),
        },
      },
    )
    run(code)
    await new Promise(setImmediate)
    sockets[0]?.open()
    const updated = new Promise<Event>(resolve => page.addEventListener('spa-reloader:update', resolve))
    sockets[0]?.say(told(b, 2, 'ready', { heartbeatMs: 1 }))
    await updated
    await new Promise(setImmediate)
    t.equal(reloads, isReloaded ? 1 : 0, JSON.stringify(dataset))
    page.spaReloader?.stop()
  }
})

t.test('a browser without storage, sockets or fetch is no error', async t => {
  const { page, run } = createPage('https://shop.example/__spa/client.js', {}, { fetch: undefined })
  Object.defineProperty(page, 'sessionStorage', {
    get() {
      throw new DOMException('blocked', 'SecurityError')
    },
  })
  Object.assign(page, { WebSocket: undefined, performance: undefined })
  run(await bundle())
  await new Promise(setImmediate)
  t.equal(page.spaReloader?.state.connection, 'off')
  t.equal(await page.spaReloader?.check(), false)
  page.spaReloader?.stop()
})

t.test('where performance can tell the time only, as in jsdom, it starts none the less', async t => {
  const { page, run } = createPage(
    'https://shop.example/__spa/client.js',
    {},
    { performance: { now: () => 0 } },
  )
  run(await bundle())
  t.equal(page.spaReloader?.state.status, 'unknown')
  page.spaReloader?.stop()
})

t.test('it stays small', async t => {
  const bytes = gzipSync(await bundle(), { level: 9 }).length
  t.ok(bytes <= 7_450, `${bytes} bytes compressed`)
})
