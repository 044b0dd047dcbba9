// Real service workers in Chromium, before an app at a deep address behind the real front: what says `update` is what a reload brings.
// Angular's is the file that it ships, Workbox's is bundled from its modules as generateSW writes it.

import { build } from 'esbuild'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import t from 'tap'
import type { Test } from 'tap'
import type { SpaReloader } from '../../client/index.ts'
import { launchProgram } from '../browsers/puppeteer.ts'
import { fresh, old, onOld, startIngress, startPod } from '../client/fixtures/site.ts'
import { until } from '../cluster/wait.ts'

const browser = await launchProgram('chromium')
t.teardown(() => browser.close())

declare const spaReloader: SpaReloader

const angularWorker = readFileSync(
  new URL(import.meta.resolve('@angular/service-worker/ngsw-worker.js')),
  'utf8',
)

/** What `ng build` writes beside it, for an app that is one page. */
const angularFiles = (page: string) => ({
  '/ngsw-worker.js': angularWorker,
  '/ngsw.json': JSON.stringify({
    configVersion: 1,
    timestamp: 0,
    index: '/index.html',
    assetGroups: [{ name: 'app', installMode: 'prefetch', updateMode: 'prefetch', cacheQueryOptions: { ignoreVary: true }, urls: ['/index.html'], patterns: [] }], // prettier-ignore
    dataGroups: [],
    hashTable: { '/index.html': createHash('sha1').update(page).digest('hex') },
    navigationUrls: [
      { positive: true, regex: '^\\/.*$' },
      { positive: false, regex: '^\\/(?:.+\\/)?[^/]*\\.[^/]*$' },
    ],
    navigationRequestStrategy: 'performance',
  }),
})

async function workboxFiles(hash: string, mode: 'prompt' | 'auto') {
  const { outputFiles } = await build({
    entryPoints: ['test/pages/workbox.js'],
    bundle: true,
    write: false,
    define: { HASH: `"${hash}"`, MODE: `"${mode}"`, 'process.env.NODE_ENV': '"production"' },
  })
  return { '/sw.js': outputFiles[0]!.text }
}

/** A tab on the old version, which its worker has brought. */
async function openTab(t: Test, script: string, filesOf: (hash: string, page: string) => Promise<object>) {
  const start = async (hash: string) => {
    const register = `navigator.serviceWorker.register('${script}')`
    const page = `<!doctype html><title>${hash}</title><script src="/__spa/client.js" defer></script><script>${register}</script>`
    return startPod(t, hash, page, { ...(await filesOf(hash, page)) })
  }
  const pods = { old: await start(old), fresh: await start(fresh) }
  pods.old.tell(onOld)
  const ingress = await startIngress(t, pods.old)
  const context = await browser.createBrowserContext()
  t.teardown(() => context.close())
  const page = await context.newPage()
  const tab = {
    page,
    address: `${ingress.url}/orders/7`,
    title: () => page.title(),
    reload,
    said,
    rollOut,
    rollBack,
  }
  await page.goto(tab.address)
  await page.evaluate(async () => void (await navigator.serviceWorker.ready))
  await reload()
  t.ok(await page.evaluate(() => !!navigator.serviceWorker.controller))
  await said('current')
  return tab

  async function reload(): Promise<void> {
    await page.reload({ waitUntil: 'load' })
  }

  async function said(status: string, seconds = 15): Promise<void> {
    await until(status, () => page.evaluate(status => spaReloader.state.status === status, status), seconds)
  }

  async function rollOut(): Promise<void> {
    ingress.to(pods.fresh)
    for (const pod of [pods.fresh, pods.old]) pod.tell({ serial: 2 })
    await told(7)
  }

  async function rollBack(): Promise<void> {
    ingress.to(pods.old)
    for (const pod of [pods.old, pods.fresh]) pod.tell({ ...onOld, serial: 3, revision: 8, why: 'rollback' })
    await told(8)
  }

  async function told(revision: number): Promise<void> {
    const isTold = () => page.evaluate(revision => spaReloader.state.target?.revision === revision, revision)
    await until('the news', isTold)
  }
}

async function bringsUpdate(t: Test, tab: Awaited<ReturnType<typeof openTab>>): Promise<void> {
  await tab.said('update')
  await tab.reload()
  t.equal(await tab.title(), fresh)
  await tab.said('current')
}

t.test('Angular’s worker: it has the next version before that is offered', async t => {
  const tab = await openTab(t, '/ngsw-worker.js', async (_, page) => angularFiles(page))
  await tab.rollOut()
  await bringsUpdate(t, tab)
})

t.test(
  'Angular’s worker, which keeps what is rolled back while a tab has the other: once in vain, then stuck',
  async t => {
    const tab = await openTab(t, '/ngsw-worker.js', async (_, page) => angularFiles(page))
    const left = await tab.page.browserContext().newPage()
    await left.goto(tab.address)
    await tab.rollOut()
    await bringsUpdate(t, tab)
    await tab.rollBack()
    await tab.said('update')
    await tab.page.evaluate(() => void spaReloader.reload())
    await tab.page.waitForNavigation()
    t.equal(await tab.title(), fresh, 'what a reload brings')
    await tab.said('stuck')
    t.equal(await tab.page.evaluate(() => spaReloader.check()), false)
    t.equal(await left.title(), old)
  },
)

t.test('Workbox’s, which waits for its app: nothing is offered until it has been told to come', async t => {
  const tab = await openTab(t, '/sw.js', hash => workboxFiles(hash, 'prompt'))
  await tab.rollOut()
  const isWaiting = () =>
    tab.page.evaluate(async () => !!(await navigator.serviceWorker.getRegistration())?.waiting)
  await until('the next worker', isWaiting)
  const check = () => tab.page.evaluate(() => spaReloader.check())
  t.equal(await check(), false)
  await tab.reload()
  t.equal(await tab.title(), old, 'what a reload brings')
  await tab.said('rolling')
  t.equal(await check(), false)
  await tab.page.evaluate(async () => {
    const registration = await navigator.serviceWorker.getRegistration()
    registration?.waiting?.postMessage({ type: 'SKIP_WAITING' })
  })
  await bringsUpdate(t, tab)
})

t.test('Workbox’s, which takes over at once: offered when it has', async t => {
  const tab = await openTab(t, '/sw.js', hash => workboxFiles(hash, 'auto'))
  await tab.rollOut()
  await bringsUpdate(t, tab)
})

t.test(
  'Workbox’s, whose script does not come: nothing is offered, for a reload brings the old page',
  async t => {
    const tab = await openTab(t, '/sw.js', async hash => (hash === old ? workboxFiles(hash, 'auto') : {}))
    await tab.rollOut()
    t.equal(await tab.page.evaluate(() => spaReloader.check()), false)
    await tab.said('rolling')
    await tab.reload()
    t.equal(await tab.title(), old)
  },
)
