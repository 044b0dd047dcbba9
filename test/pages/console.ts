// The console's pages in Chromium, below a path, on a fake of its API: what changes is seen without a refresh, whatever becomes of the connection.

import axe from 'axe-core'
import type { Page } from 'puppeteer-core'
import t from 'tap'
import type { Test as T } from 'tap'
import { launchProgram } from '../browsers/puppeteer.ts'
import { until } from '../cluster/wait.ts'
import { startFakeApi } from '../console/fake-api.ts'
import type { FakeApi } from '../console/fake-api.ts'
import { sampleApp, sampleDeploy, sampleFleet, sampleInstance, sampleLine } from '../console/sample.ts'
import { openShop } from '../console/shop.ts'

const browser = await launchProgram('chromium')
t.teardown(() => browser.close())

/** A page in a window of its own, so that none hides another, and all that its console says of it. */
async function open(
  api: FakeApi,
  address = '#/',
  scheme: 'light' | 'dark' = 'light',
  type: 'window' | 'tab' = 'window',
) {
  const page = await browser.newPage({ type })
  const complaints: string[] = []
  page.on('console', message => complaints.push(`${message.type()}: ${message.text()}`))
  page.on('pageerror', error => complaints.push(String(error)))
  page.setDefaultTimeout(120_000)
  await page.setViewport({ width: 1_280, height: 900 })
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }])
  await page.goto(api.url + address, { waitUntil: 'load' })
  await saying(page, '[data-state=live]', 'Live')
  return { page, complaints }
}

async function start(t: T, fill: (api: FakeApi) => void = openShop): Promise<FakeApi> {
  const api = await startFakeApi('/below/here/')
  fill(api)
  t.teardown(api.close)
  return api
}

const textOf = (page: Page, selector: string) =>
  page.$$eval(selector, all => all.map(one => one.textContent.replaceAll(/\s+/g, ' ')).join(' '))

async function saying(page: Page, selector: string, words: string): Promise<void> {
  await until(`${selector} says ${words}`, async () => (await textOf(page, selector)).includes(words))
}

t.test('no page has a fault that axe finds, nor breaks its own policy, in light and dark', async t => {
  const api = await start(t)
  const addresses = ['#/', '#/apps/shop/web', '#/apps/shop/account', '#/apps/shop/checkout', '#/deploys/shop/web/31', '#/not-injected', '#/?q=nothing'] // prettier-ignore
  for (const scheme of ['light', 'dark'] as const)
    for (const address of addresses) {
      const { page, complaints } = await open(api, address, scheme)
      await until('what is asked for is there', async () => !(await textOf(page, 'main')).includes('Loading'))
      await page.evaluate(axe.source)
      const { violations } = await page.evaluate(() =>
        (
          globalThis as unknown as {
            axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> }
          }
        ).axe.run(),
      )
      const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join()}`)
      t.same(found, [], `${address} ${scheme}`)
      t.same(complaints, [], `${address} ${scheme}`)
      await page.close()
    }
})

t.test('a rollout, one that fails, a rollback and a scale-up are seen as they happen', async t => {
  const web = sampleApp('shop', 'web')
  const api = await start(t, api => {
    api.apps.set(web.id, web)
    for (let n = 0; n < 3; n += 1) {
      const instance = sampleInstance(web, n)
      api.instances.set(instance.id, instance)
    }
  })
  const { page: fleet } = await open(api)
  const { page: app } = await open(api, '#/apps/shop/web')
  const row = '[data-app="shop/web"]'
  const rolling = {
    ...web,
    status: 'rolling',
    revision: 8,
    replicas: { desired: 3, updated: 1, available: 3, old: 3 },
  } as const
  api.putApp(rolling)
  await saying(fleet, row, 'Rolling')
  await saying(app, 'h1 + .chip', 'Rolling')
  await saying(fleet, '[role=status]', 'rollout of revision 8 has begun')
  api.events.set(web.id, [sampleLine(1, { level: 'warning', text: 'Back-off pulling image', count: 3 })])
  api.putApp({ ...rolling, status: 'failing', message: 'ImagePullBackOff' })
  api.putInstance(sampleInstance(rolling, 3, { phase: 'failing', reason: 'ImagePullBackOff: no such image' }))
  await saying(fleet, row, 'Failing')
  await saying(app, '.message', 'ImagePullBackOff')
  await saying(app, 'tbody', 'no such image')
  await saying(app, '.events', 'Back-off pulling image')
  api.dropInstance(sampleInstance(rolling, 3).id)
  api.putApp({ ...web, revision: 9 })
  await saying(fleet, row, 'Ready')
  await until('three pods', async () => (await app.$$('[data-instance]')).length === 3)
  api.putInstance(sampleInstance(web, 4, { phase: 'starting' }))
  api.putApp({ ...web, revision: 9, replicas: { desired: 4, updated: 4, available: 3, old: 0 } })
  await until('four pods', async () => (await app.$$('[data-instance]')).length === 4)
  await saying(fleet, row, '3/4')
  await fleet.close()
  await app.close()
})

t.test(
  'a page whose server goes and comes back, or that is offline for a while, has each line and row once',
  async t => {
    const web = sampleApp('shop', 'web', { status: 'rolling' })
    const deploy = sampleDeploy(web, 7, { status: 'rolling' })
    const api = await start(t, api => {
      api.apps.set(web.id, web)
      api.deploys.set(deploy.id, deploy)
      api.say(
        deploy.id,
        [0, 1, 2].map(n => sampleLine(n)),
      )
    })
    const { page } = await open(api, '#/deploys/shop/web/7')
    const lines = () => page.$$eval('[data-line]', all => all.map(one => one.getAttribute('data-line')))
    const numbered = (count: number) => Array.from({ length: count }, (_, n) => `line-${n}`)
    await until('three lines', async () => (await lines()).length === 3)
    api.refuse(503)
    await saying(page, '.top [data-state]', 'Reconnecting')
    api.say(deploy.id, [sampleLine(3)])
    api.refuse(undefined)
    await until('the line that came meanwhile', async () => (await lines()).length === 4)
    t.same(await lines(), numbered(4))
    await page.setOfflineMode(true)
    await saying(page, '.top [data-state]', 'Offline')
    api.say(deploy.id, [sampleLine(4), sampleLine(5)])
    await page.setOfflineMode(false)
    await saying(page, '.top [data-state]', 'Live')
    await until('six lines', async () => (await lines()).length === 6)
    t.same(await lines(), numbered(6))
    api.refuse(401)
    await saying(page, '.top [data-state]', 'Not let in (401)')
    api.refuse(undefined)
    await page.click('.top [data-state] button')
    await saying(page, '.top [data-state]', 'Live')
    await page.close()
  },
)

t.test(
  'a log follows until its reader scrolls up, whatever comes; a pause loses nothing; markup is text',
  async t => {
    const web = sampleApp('shop', 'web', { status: 'rolling' })
    const deploy = sampleDeploy(web, 7, { status: 'rolling' })
    let said = 0
    const api = await start(t, api => {
      api.apps.set(web.id, web)
      api.deploys.set(deploy.id, deploy)
    })
    const say = (count: number) =>
      api.say(
        deploy.id,
        Array.from({ length: count }, () => sampleLine(said++)),
      )
    say(300)
    const { page, complaints } = await open(api, '#/deploys/shop/web/7')
    const gap = () => page.$eval('[role=log]', log => log.scrollHeight - log.scrollTop - log.clientHeight)
    await until(
      'the end',
      async () => (await textOf(page, '[data-line="line-299"]')) !== '' && (await gap()) < 3,
    )
    say(5_000)
    await saying(page, '.skipped', '300 lines skipped')
    await until(
      'the end still',
      async () => (await textOf(page, '[data-line="line-5299"]')) !== '' && (await gap()) < 3,
    )
    t.ok((await page.$$('[data-line]')).length < 400, 'only what is near the view is in the document')
    await page.hover('[role=log]')
    await page.mouse.wheel({ deltaY: -600 })
    await until('it does not follow', async () => (await gap()) > 300)
    say(10)
    await saying(page, '.jump', '10 new lines')
    t.ok((await gap()) > 300)
    await page.click('.jump')
    await until('the end again', async () => (await gap()) < 3)
    await page.keyboard.press('p')
    say(7)
    await saying(page, '.counted', 'Paused, 7 new lines')
    t.equal(await textOf(page, '[data-line="line-5316"]'), '')
    await page.keyboard.press('p')
    await saying(page, '[data-line="line-5316"]', 'line 5316')
    api.say(deploy.id, [sampleLine(99_999, { text: '<img src=x onerror=alert(1)>' })])
    await saying(page, '[data-line="line-99999"]', '<img src=x')
    t.same(complaints, [])
    await page.close()
  },
)

t.test('a log that ends, or whose Deployment is gone, does not run on', async t => {
  const web = sampleApp('shop', 'web', { status: 'rolling' })
  const deploys = [7, 8, 9].map(revision => sampleDeploy(web, revision, { status: 'rolling' }))
  const [ending = '', going = ''] = deploys.map(({ id }) => id)
  const api = await start(t, api => {
    api.apps.set(web.id, web)
    for (const deploy of deploys) api.deploys.set(deploy.id, deploy)
    for (const { id } of deploys) api.say(id, [sampleLine(0)])
  })
  const openLog = async (revision: number) => (await open(api, `#/deploys/shop/web/${revision}`)).page
  const [first, second, third] = [await openLog(7), await openLog(8), await openLog(9)]
  for (const page of [first, second, third]) await saying(page, '.head', 'running for')
  api.deploys.set(ending, { ...deploys[0]!, status: 'superseded' })
  api.end(ending)
  await saying(first, '.head', 'Superseded')
  api.deploys.delete(going)
  api.cut()
  await saying(second, '.head', 'Superseded')
  for (const page of [first, second]) t.notMatch(await textOf(page, '.head'), /running for/)
  t.match(await textOf(third, '.head'), /running for/, 'one that goes on does')
  await Promise.all([first, second, third].map(page => page.close()))
})

t.test('more tabs than a browser has connections: each is live when it is looked at', async t => {
  const web = sampleApp('shop', 'web')
  const api = await start(t, api => api.apps.set(web.id, web))
  const pages: Page[] = []
  for (let n = 0; n < 8; n += 1) pages.push((await open(api, '#/', 'light', 'tab')).page)
  api.putApp({ ...web, status: 'paused' })
  for (const page of pages) {
    await page.bringToFront()
    await saying(page, '.top [data-state]', 'Live')
    await saying(page, '[data-app]', 'Paused')
    await until('no word of a crowd', async () => (await textOf(page, '.crowd')) === '')
  }
  await until('a connection that is left for what comes next', () => api.readers() < 6)
  await Promise.all(pages.map(page => page.close()))
  await until('nobody is left', () => api.readers() === 0)
})

t.test('five pages in view say that the next one may not load, until one is closed', async t => {
  const api = await start(t)
  const pages: Page[] = []
  for (let n = 0; n < 5; n += 1) pages.push((await open(api)).page)
  await until('one connection of each', () => api.readers() === 5)
  for (const page of pages) await saying(page, '.crowd', '5 live connections')
  await pages.pop()?.close()
  for (const page of pages) await until('no word of it', async () => (await textOf(page, '.crowd')) === '')
  await Promise.all(pages.map(page => page.close()))
})

t.test('keys: filter, go through the rows, open, and up again; the address keeps the view', async t => {
  const api = await start(t)
  const { page } = await open(api)
  await page.keyboard.press('/')
  await page.keyboard.type('shop jk')
  await until('letters to be letters while somebody writes', () =>
    page.evaluate(() => location.hash === '#/?q=shop+jk'),
  )
  await page.keyboard.press('Escape')
  await page.goto(`${api.url}#/?namespace=shop&sort=name`)
  await until('four rows', async () => (await page.$$('[data-app]')).length === 4)
  for (const key of ['j', 'j', 'k', 'j', 'Enter'] as const) await page.keyboard.press(key)
  await saying(page, 'h1', 'checkout')
  await page.keyboard.press('?')
  await page.waitForSelector('dialog[open]')
  await page.keyboard.press('u')
  await page.keyboard.press('Escape')
  await page.waitForSelector('dialog:not([open])')
  t.equal(await textOf(page, 'h1'), 'checkout', 'keys do nothing behind the list of them')
  await page.keyboard.press('u')
  await saying(page, 'h1', 'Fleet')
  await page.close()
})

t.test('keys can be switched off, and stay so', async t => {
  const api = await start(t)
  const { page } = await open(api)
  await page.keyboard.press('?')
  await page.waitForSelector('dialog[open]')
  await page.click('dialog label')
  await page.keyboard.press('Escape')
  await page.reload()
  await until('the rows', async () => (await page.$$('[data-app]')).length > 0)
  await page.keyboard.press('/')
  t.equal(await page.evaluate(() => document.activeElement?.tagName), 'BODY', 'no key does anything')
  await page.click('.keys')
  await page.click('dialog label')
  await page.keyboard.press('Escape')
  await page.keyboard.press('/')
  t.equal(await page.evaluate(() => document.activeElement?.tagName), 'INPUT', 'and on again')
  await page.close()
})

t.test('what has the focus is seen: no bar covers it, and it has an outline in forced colours', async t => {
  const api = await start(t, api => {
    for (const app of sampleFleet(40, 0).apps) api.apps.set(app.id, app)
  })
  const { page } = await open(api, '#/?sort=name')
  const devtools = await page.createCDPSession()
  await devtools.send('Emulation.setEmulatedMedia', {
    features: [{ name: 'forced-colors', value: 'active' }],
  })
  await until('the rows', async () => (await page.$$('[data-app]')).length > 10)
  for (let n = 0; n < 39; n += 1) await page.keyboard.press('j')
  const hidden: string[] = []
  let rows = 0
  for (let n = 0; n < 36; n += 1) {
    await page.keyboard.down('Shift')
    await page.keyboard.press('Tab')
    await page.keyboard.up('Shift')
    const seen = await page.evaluate(() => {
      const link = document.activeElement!
      const row = link.closest('[data-app]')
      const { left, right, top, bottom } = link.getBoundingClientRect()
      const [x, y] = [(left + right) / 2, (top + bottom) / 2]
      const points = [y, top + 1, bottom - 1].map(y => document.elementFromPoint(x, y))
      const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(link)
      return {
        app: row?.getAttribute('data-app'),
        isCovered: !points.every(one => row?.contains(one)),
        outline: `${outlineStyle} ${outlineWidth}`,
        outlineColor,
      }
    })
    if (!seen.app) break
    rows += 1
    if (seen.isCovered || seen.outline !== 'solid 2px' || seen.outlineColor === 'rgba(0, 0, 0, 0)')
      hidden.push(JSON.stringify(seen))
  }
  t.ok(rows > 30, `${rows} rows`)
  t.same(hidden, [])
  await page.close()
})

t.test('with no app at all a newcomer is told what to do', async t => {
  const api = await start(t, () => {})
  const { page } = await open(api)
  await saying(page, 'main', 'kubectl label namespace shop spa-reloader.io/inject=enabled')
  await page.close()
})
