// How a page knows which version it is, in three engines: on secure and insecure origins, with documents that may be kept and with documents that
// may not; and whether the back/forward cache gives it back.

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { sidecarEnv } from '../../protocol/names.ts'
import { engines, goBack, launch } from '../browsers/browser.ts'
import type { Engine } from '../browsers/browser.ts'
import { openWindow } from '../browsers/webkit.ts'
import { until } from '../cluster/wait.ts'
import { openDoor, origins } from './door.ts'
import type { Door, Origin } from './door.ts'
import { startPod } from './pod.ts'
import type { Pod } from './pod.ts'
import { a, b, state } from './release.ts'
import { tabOf } from './tab.ts'
import type { Tab } from './tab.ts'

const caching = ['no-cache', 'no-store'] as const
type Caching = (typeof caching)[number]

/**
 * The one place where a document cannot say what it is: Firefox hides Server-Timing from scripts in insecure contexts, and what is not stored
 * cannot be asked for again.
 */
function isMute(engine: Engine, origin: Origin, caching: Caching): boolean {
  return engine === 'firefox' && origin === 'insecure' && caching === 'no-store'
}

t.test('identity', async t => {
  for (const headers of caching)
    for (const page of ['plain', 'stamp'] as const)
      await t.test(`documents with ${headers}, ${page}`, async t => {
        const env = { [sidecarEnv.page]: page }
        const app = { headers: { 'cache-control': headers }, env }
        const [old, young] = [await startPod(t, a, app), await startPod(t, b, app)]
        const door = await openDoor(t, old)
        for (const pod of [old, young]) pod.feed(state(a, 1, 'ready'))
        const tabs: { tab: Tab; engine: Engine; origin: Origin }[] = []
        for (const engine of engines) {
          const browser = await launch(engine)
          t.teardown(browser.close)
          for (const origin of origins)
            tabs.push({ tab: tabOf(await browser.open(door.url[origin])), engine, origin })
        }
        for (const { tab, engine, origin } of tabs) {
          await until('the page to hear', async () => (await tab.state()).target?.revision === 1)
          const isHeld = page === 'plain' && isMute(engine, origin, headers)
          const identity = await tab.state()
          t.equal(identity.page?.hash, isHeld ? undefined : a.hash, `${engine}, ${origin}`)
          t.equal(identity.status, isHeld ? 'unknown' : 'current', `${engine}, ${origin}`)
        }
        door.documents = young
        for (const pod of [old, young]) pod.feed(state(b, 2, 'ready'))
        for (const { tab, engine, origin } of tabs) {
          const isHeld = page === 'plain' && isMute(engine, origin, headers)
          await until(`${engine}, ${origin}: the news`, async () => {
            const { target, status } = await tab.state()
            return target?.revision === 2 && status === (isHeld ? 'unknown' : 'update')
          })
          t.same(await tab.told(), isHeld ? [] : ['update'], `${engine}, ${origin}`)
        }
        if (page === 'plain')
          await t.test('back', async t => comeBack(t, { tabs, door, old, young, headers }))
      })
})

t.test('a page that was come to by way of another origin, as from a login, knows what it is', async t => {
  const login = await openLogin(t)
  for (const headers of caching) {
    const pod = await startPod(t, a, { headers: { 'cache-control': headers } })
    const door = await openDoor(t, pod)
    const young = await startPod(t, b, { headers: { 'cache-control': headers } })
    for (const each of [pod, young]) each.feed(state(a, 1, 'ready'))
    // What is not in the browser's store is of the next version.
    door.cache = ({ headers }) => {
      door.documents = headers.accept?.includes('text/html') ? pod : young
      return false
    }
    for (const engine of engines) {
      const browser = await launch(engine)
      t.teardown(browser.close)
      for (const origin of origins) {
        const tab = tabOf(await browser.open(login + encodeURIComponent(door.url[origin])))
        await until('the page to hear', async () => (await tab.state()).target?.revision === 1)
        // WebKit shows scripts an empty Server-Timing then, and WebDriver's windows store nothing.
        const isHeld = engine === 'webkit' || isMute(engine, origin, headers)
        t.equal(
          (await tab.state()).page?.hash,
          isHeld ? undefined : a.hash,
          `${engine}, ${origin}, ${headers}`,
        )
      }
    }
  }
})

t.test('WebKit, where it stores documents, knows what such a page is', async t => {
  const login = await openLogin(t)
  const head = `<script>
    const tell = ({ target, page }) => target && fetch('/knows?' + page?.hash)
    addEventListener('DOMContentLoaded', () => spaReloader.subscribe(tell))
  </script>`
  for (const headers of caching) {
    const pod = await startPod(t, a, { head, headers: { 'cache-control': headers } })
    pod.feed(state(a, 1, 'ready'))
    const door = await openDoor(t, pod)
    const said: string[] = []
    door.cache = ({ url = '' }) => {
      if (url.startsWith('/knows?')) said.push(url)
      return false
    }
    t.teardown(await openWindow(login + encodeURIComponent(door.url.loopback)))
    await until('the page to say what it is', () => said.length > 0)
    t.equal(said.at(-1), `/knows?${headers === 'no-store' ? undefined : a.hash}`, headers)
  }
})

/** Resolves with the address of a server that sends whoever comes on to the address behind it. */
async function openLogin(t: Test): Promise<string> {
  const server = createServer((request, response) => {
    response.writeHead(302, { location: decodeURIComponent(request.url!.slice(1)) }).end()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

/** From another page, over a rollout: whether the document is the old one or a new one, it knows what it is. */
async function comeBack(
  t: Pick<Test, 'notOk'>,
  {
    tabs,
    door,
    old,
    young,
    headers,
  }: {
    tabs: { tab: Tab; engine: Engine; origin: Origin }[]
    door: Door
    old: Pod
    young: Pod
    headers: Caching
  },
): Promise<void> {
  for (const { tab } of tabs) {
    await tab.page.goto(door.url.loopback)
    await until('the new page', async () => (await tab.version()) === 'b')
  }
  for (const { tab } of tabs) await tab.page.goto('about:blank')
  door.documents = old
  for (const pod of [old, young]) pod.feed(state(a, 3, 'ready', { why: 'rollback' }))
  for (const { tab, engine, origin } of tabs) {
    await goBack(tab.page)
    await until(`${engine}, ${origin}: it knows`, async () => {
      const { status, target } = await tab.state()
      const isOld = (await tab.version()) === 'b'
      return target?.revision === 3 && status === (isOld ? 'update' : 'current')
    })
    // Whether it is kept is the browser's affair (races.ts, m); with no-store and a WebSocket none keeps it.
    if (headers === 'no-store') t.notOk((await tab.told()).includes('restored'), `${engine}, ${origin}`)
  }
}
