// What can come in the wrong order between a page's document and its news, each in three browser engines at once. The letters are those of the
// list of races in issue 4. The sidecars are real; who answers what, and when the kubelet writes, is the test's choice.

import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { sidecarEnv } from '../../protocol/names.ts'
import { engines, goBack, launch } from '../browsers/browser.ts'
import type { Browser, Engine } from '../browsers/browser.ts'
import { until } from '../cluster/wait.ts'
import { openDoor } from './door.ts'
import type { Door } from './door.ts'
import { startPod } from './pod.ts'
import type { App, Pod, Version } from './pod.ts'
import { a, b, c, state } from './release.ts'
import { tabOf } from './tab.ts'
import type { Tab } from './tab.ts'

const browsers: Browser[] = []
t.before(async () => {
  for (const engine of engines) browsers.push(await launch(engine))
})
t.teardown(async () => {
  for (const browser of browsers) await browser.close()
})

race('a: a page of the old pod, its socket at the new one', async ({ old, young, door, each }) => {
  old.feed(state(a, 1, 'ready'))
  young.feed(state(b, 2, 'rolling'))
  door.sockets = young
  const tabs = await each(tab => hears(tab, 2))
  await tabs(async ({ t, tab }) => {
    t.equal((await tab.state()).status, 'rolling')
    t.same(await tab.told(), [])
  })
  door.documents = young
  young.feed(state(b, 2, 'ready'))
  await tabs(async ({ t, tab }) => {
    await isOffered(tab, b)
    t.same(await tab.told(), ['update'])
  })
})

race('b: a page of the new pod, its socket at an old one', async ({ old, young, door, each }) => {
  old.feed(state(b, 2, 'rolling'))
  door.documents = young
  door.sockets = old
  const tabs = await each(tab => hears(tab, 2), 'auto')
  old.feed(state(b, 2, 'ready'))
  await tabs(async ({ t, tab }) => {
    await until('the page to be current', async () => (await tab.state()).status === 'current')
    t.same(await tab.told(), [])
    t.equal(await loads(tab), 1)
  })
})

race('c: and that one lags behind, so it has never heard of the page', async ({ old, young, door, each }) => {
  old.feed(state(a, 1, 'ready'))
  door.documents = young
  door.sockets = old
  const tabs = await each(tab => hears(tab, 1), 'auto')
  await tabs(async ({ t, tab }) => {
    t.equal((await tab.state()).status, 'unknown')
    t.same(await tab.told(), [])
  })
  old.feed(state(b, 2, 'ready'))
  await tabs(async ({ t, tab }) => {
    await until('the page to be current', async () => (await tab.state()).status === 'current')
    t.same(await tab.told(), [])
    t.equal(await loads(tab), 1, 'it never reloaded')
  })
})

race(
  'd: a reload half-way through the rollout, which meets an old pod',
  async ({ old, young, door, each }) => {
    for (const pod of [old, young]) pod.feed(state(b, 2, 'rolling'))
    const tabs = await each(tab => hears(tab, 2), 'auto')
    await tabs(async ({ t, tab }) => {
      await tab.page.evaluate(() => void setTimeout(() => location.reload())) // it answers before it goes
      await until('the reload', async () => (await loads(tab)) === 2)
      await hears(tab, 2)
      t.equal((await tab.state()).status, 'rolling')
      t.equal(await tab.version(), 'a')
    })
    door.documents = young
    for (const pod of [old, young]) pod.feed(state(b, 2, 'ready'))
    await tabs(async ({ t, tab }) => {
      await until('the new version', async () => (await tab.version()) === 'b')
      t.equal(await loads(tab), 3, 'its one reload was not spent')
    })
  },
)

race('e: a cache on the way keeps the old document', async ({ old, young, door, each }) => {
  for (const pod of [old, young]) pod.feed(state(a, 1, 'ready'))
  const tabs = await each(tab => hears(tab, 1), 'auto')
  const stored = await fetch(door.url.loopback)
  const body = await stored.text()
  door.cache = (_, response) => {
    response.writeHead(200, {
      'content-type': 'text/html',
      'server-timing': stored.headers.get('server-timing')!,
    })
    return Boolean(response.end(body))
  }
  const asked = door.documentsAsked
  for (const pod of [old, young]) pod.feed(state(b, 2, 'ready'))
  await until('every tab to have looked', () => door.documentsAsked >= asked + engines.length)
  await tabs(async ({ t, tab }) => {
    await hears(tab, 2)
    t.not((await tab.state()).status, 'update')
    t.same(await tab.told(), [])
    t.equal(await loads(tab), 1)
  })
  door.cache = undefined
  door.documents = young
  await tabs(async ({ t, tab }) => {
    const check = () => void window.spaReloader!.check()
    await tab.page.evaluate(check).catch(() => {}) // it may have looked again by itself, and be on its way
    await until('the new version', async () => (await tab.version()) === 'b')
    t.equal(await loads(tab), 2)
  })
})

race(
  'f: what is looked at is the new document, what is loaded the old one',
  async ({ old, young, door, each }) => {
    for (const pod of [old, young]) pod.feed(state(a, 1, 'ready'))
    const tabs = await each(tab => hears(tab, 1), 'auto')
    // A reload asks as a navigation; a look does not.
    door.cache = (request, response) => {
      const isLook = request.headers['sec-fetch-mode'] !== 'navigate'
      if (isLook) return false
      response.writeHead(200, { 'content-type': 'text/html', 'server-timing': 'spa;desc="web-aaaa"' })
      return Boolean(response.end(stale))
    }
    const stale = await (await fetch(`${door.url.loopback}?auto`)).text()
    door.documents = young
    for (const pod of [old, young]) pod.feed(state(b, 2, 'ready'))
    await tabs(async ({ tab }) => {
      // The engines take turns here: of some of them both may be over.
      await until(
        'a reload in vain, and another when that page is 20 s old',
        async () => (await loads(tab)) === 3,
      )
      await isOffered(tab, b)
      await tab.page.evaluate(() => void window.spaReloader!.check())
    })
    await delay(22_000)
    await tabs(async ({ t, tab }) => {
      t.equal(await loads(tab), 3, 'two for the release, and no more')
      t.equal(await tab.version(), 'a')
    })
  },
)

race(
  'g: a rollback, on the version that it goes back to and on the other',
  async ({ old, young, door, each }) => {
    old.feed(state(a, 1, 'ready'))
    const ofOld = await each(tab => hears(tab, 1))
    young.feed(state(b, 2, 'ready'))
    door.documents = door.sockets = young
    old.feed(state(b, 2, 'ready'))
    const ofYoung = await each(tab => hears(tab, 2))
    await ofOld(async ({ tab }) => isOffered(tab, b))
    for (const pod of [old, young]) pod.feed(state(a, 3, 'rolling'))
    door.documents = door.sockets = old
    for (const pod of [old, young]) pod.feed(state(a, 3, 'ready', { why: 'rollback' }))
    await ofOld(async ({ t, tab }) => {
      await until('the page to be current', async () => (await tab.state()).status === 'current')
      t.same(await tab.told(), ['update', 'withdrawn'])
    })
    await ofYoung(async ({ t, tab }) => {
      await isOffered(tab, a)
      t.equal((await tab.state()).rollback, true)
    })
  },
)

race(
  'h: the next rollout begins before the offer of the last has been heard of',
  async ({ old, young, door, each }) => {
    old.feed(state(a, 1, 'ready'))
    const tabs = await each(tab => hears(tab, 1))
    door.documents = young
    old.feed(state(b, 2, 'ready')) // though c is being rolled out
    await tabs(async ({ tab }) => isOffered(tab, b))
    old.feed(state(c, 3, 'rolling'))
    await tabs(async ({ t, tab }) => {
      await until('the withdrawal', async () => (await tab.state()).status === 'rolling')
      t.same(await tab.told(), ['update', 'withdrawn'])
    })
  },
)

race('i: a tab that was offline during the whole rollout', async ({ old, young, door, each }) => {
  old.feed(state(a, 1, 'ready'))
  const tabs = await each(tab => hears(tab, 1))
  await tabs(({ tab }) => tab.page.setOffline?.(true) ?? Promise.resolve())
  door.setOpen(false) // for the one that cannot be told
  door.documents = door.sockets = young
  young.feed(state(b, 2, 'ready'))
  await tabs(async ({ tab }) => {
    await until('the socket to be lost', async () => (await tab.state()).connection !== 'open')
  })
  door.setOpen(true)
  await tabs(async ({ t, tab }) => {
    await tab.page.setOffline?.(false)
    await isOffered(tab, b)
    t.same(await tab.told(), ['update'])
  })
})

race('j: the tabs are on the pods that end', async ({ old, young, door, each }) => {
  old.feed(state(a, 1, 'ready'))
  const tabs = await each(tab => hears(tab, 1))
  door.documents = door.sockets = young
  young.feed(state(b, 2, 'ready'))
  const gone = old.terminate() // and nobody tells it anything any more
  await tabs(async ({ t, tab }) => {
    await isOffered(tab, b)
    t.same(await tab.told(), ['update'])
  })
  await gone
})

race(
  'k: the Service is switched to another Deployment, and the old one stays',
  async ({ old, young, door, each }) => {
    old.feed(state(a, 7, 'ready'))
    const tabs = await each(tab => hears(tab, 7))
    const known = [b, a].map(({ hash, id }) => [hash, id, 1] as const)
    const green = { name: 'web-green', epoch: 't3k000-44444444', known }
    young.feed(state(b, 1, 'ready', green))
    door.documents = door.sockets = young // the old pods are there, and say what they said
    await tabs(async ({ t, tab }) => {
      await isOffered(tab, b)
      t.same(await tab.told(), ['update'], 'when its connection has come of age')
    })
  },
  { env: { [sidecarEnv.maxAgeSec]: '5' } },
  'web-green',
)

race('l: the Deployment is deleted and made again', async ({ old, young, door, each }) => {
  for (const pod of [old, young]) pod.feed(state(a, 7, 'ready'))
  const tabs = await each(tab => hears(tab, 7))
  door.documents = young
  const again = { epoch: 't4000b-99999999', known: [[b.hash, b.id, 1]] } as const
  for (const pod of [old, young])
    pod.feed(state(b, 1, 'ready', { ...again, known: [...again.known], serial: 1 }))
  await tabs(async ({ t, tab }) => {
    await isOffered(tab, b)
    t.same(await tab.told(), ['update'], 'the later epoch wins over the greater revision')
  })
})

race('m: an old document out of the back/forward cache', async ({ old, young, door, each }) => {
  old.feed(state(a, 1, 'ready'))
  const tabs = await each(tab => hears(tab, 1))
  await tabs(({ tab }) => tab.page.goto('about:blank'))
  door.documents = door.sockets = young
  young.feed(state(b, 2, 'ready'))
  await tabs(async ({ t, tab, engine }) => {
    await goBack(tab.page)
    // Firefox keeps no page whose WebSocket was open, but shows its stored document without asking anybody: old bytes all the same.
    if (engine !== 'firefox')
      await until('the cache to give it back', async () => (await tab.told()).includes('restored'))
    t.equal(await tab.version(), 'a')
    await isOffered(tab, b)
  })
})

race(
  'an old document that Back brings, in a tab that has reloaded by itself',
  async ({ old, young, door, each }) => {
    for (const pod of [old, young]) pod.feed(state(a, 1, 'ready'))
    const tabs = await each(tab => hears(tab, 1), 'auto')
    await tabs(async ({ tab }) => {
      await tab.page.goto(`${door.url.loopback}deep?auto`)
      await hears(tab, 1)
    })
    door.documents = door.sockets = young
    for (const pod of [old, young]) pod.feed(state(b, 2, 'ready'))
    await tabs(async ({ t, tab }) => {
      await until('its reload', async () => (await tab.version()) === 'b')
      await hears(tab, 2)
      await goBack(tab.page)
      await until('the new version', async () => (await tab.version()) === 'b')
      await hears(tab, 2)
      t.equal((await tab.state()).status, 'current')
      t.notOk((await tab.page.evaluate(() => location.href)).includes('deep'))
    })
  },
)

race('n: a duplicated tab has spent what its original had', async ({ old, young, door, each, visit }) => {
  for (const pod of [old, young]) pod.feed(state(a, 1, 'ready'))
  const tabs = await each(tab => hears(tab, 1), 'auto')
  const stale = await (await fetch(`${door.url.loopback}?auto`)).text()
  door.cache = (request, response) => {
    if (request.headers['sec-fetch-mode'] !== 'navigate') return false
    response.writeHead(200, { 'content-type': 'text/html', 'server-timing': 'spa;desc="web-aaaa"' })
    return Boolean(response.end(stale))
  }
  door.documents = young
  for (const pod of [old, young]) pod.feed(state(b, 2, 'ready'))
  await tabs(async ({ t, tab, browser }) => {
    await until('its reload', async () => (await loads(tab)) === 2)
    const storage = await tab.page.evaluate(() => Object.fromEntries(Object.entries(sessionStorage)))
    // An engine copies the storage before the document is loaded; a page of the same origin can do the same.
    const twin = await visit(browser, `${door.url.loopback}assets/none.js`)
    await twin.page.evaluate(storage => void Object.assign(sessionStorage, storage), storage)
    await twin.page.goto(`${door.url.loopback}?auto`)
    await isOffered(twin, b)
    await twin.page.evaluate(() => new Promise(resolve => setTimeout(resolve, 1_000)))
    t.equal(await loads(twin), 3, 'the two that it has inherited, and its own')
  })
})

race('the new document comes, the script that it names does not', async ({ old, young, door, each }) => {
  for (const pod of [old, young]) pod.feed(state(a, 1, 'ready'))
  const tabs = await each(tab => hears(tab, 1), 'auto')
  door.isScriptLost = true
  door.documents = door.sockets = young
  for (const pod of [old, young]) pod.feed(state(b, 2, 'ready'))
  await tabs(async ({ t, tab, engine }) => {
    await until('the new version', async () => (await tab.version()) === 'b')
    // An automated WebKit keeps no files from one page to the next: what happens to it happens to a tab that comes for the first time.
    if (engine === 'webkit') {
      await until('the failure', async () => (await tab.told()).includes('failed'))
      const failure = (await tab.notes()).find(({ what }) => what === 'failed')
      t.match(failure?.why, /__spa\/client\.js$/)
      t.equal(await tab.page.evaluate(() => 'spaReloader' in window), false)
    } else {
      await hears(tab, 2)
      t.match(await tab.state(), { status: 'current', connection: 'open' })
      t.same(await tab.told(), ['updated'])
    }
  })
  door.isScriptLost = false
  await tabs(async ({ t, tab }) => {
    await tab.page.goto(`${door.url.loopback}?auto`)
    await hears(tab, 2)
    t.equal((await tab.state()).status, 'current')
  })
})

interface Race {
  /** Of version a and of b. The door leads to the old one. */
  old: Pod
  young: Pod
  door: Door
  /** Opens the app in each engine, and waits; returns what does something with each of the tabs. */
  each(isOpen: (tab: Tab) => Promise<unknown>, kind?: 'auto'): Promise<(run: Run) => Promise<void>>
  visit(browser: Browser, url: string): Promise<Tab>
}

type Run = (in_: { t: Test; tab: Tab; browser: Browser; engine: Engine }) => Promise<unknown>

function race(name: string, run: (race: Race) => Promise<void>, app: App = {}, deployment = 'web'): void {
  t.test(name, async t => {
    const [old, young] = [await startPod(t, a, app), await startPod(t, b, { ...app, deployment })]
    const door = await openDoor(t, old)
    await run({ old, young, door, each, visit })

    async function each(isOpen: (tab: Tab) => Promise<unknown>, kind?: 'auto') {
      const url = kind === 'auto' ? `${door.url.loopback}?auto` : door.url.loopback
      const tabs = await Promise.all(browsers.map(browser => visit(browser, url)))
      await Promise.all(tabs.map(isOpen))
      return async (run: Run) => {
        const runs = tabs.map(async (tab, index) => {
          const browser = browsers[index]!
          await t.test(browser.engine, t => run({ t, tab, browser, engine: browser.engine }))
        })
        await Promise.all(runs)
      }
    }

    async function visit(browser: Browser, url: string): Promise<Tab> {
      const tab = tabOf(await browser.open(url))
      t.teardown(() => tab.page.close())
      return tab
    }
  })
}

function hears(tab: Tab, revision: number): Promise<boolean> {
  return until(
    `revision ${revision} to be heard of`,
    async () => (await tab.state()).target?.revision === revision,
  )
}

function isOffered(tab: Tab, { id }: Version): Promise<boolean> {
  return until('the offer', async () => {
    const { status, target } = await tab.state()
    return status === 'update' && target?.id === id
  })
}

async function loads(tab: Tab): Promise<number> {
  return (await tab.notes()).filter(({ what }) => what === 'load').length
}
