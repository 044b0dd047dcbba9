// The console's pages in Chromium, from the webhook's own process, on a real API server: what happens in the cluster is seen without a refresh, whatever
// becomes of the process or of the network.

import type { Page } from 'puppeteer-core'
import t from 'tap'
import type { Test } from 'tap'
import type { DeployLogLine } from '../../protocol/console.ts'
import { launchProgram } from '../browsers/puppeteer.ts'
import { freePort } from '../cluster/process.ts'
import { until } from '../cluster/wait.ts'
import { openStream } from '../console/fixtures/stream.ts'
import { webDeployment, webService } from './installation.ts'
import { installReplicas } from './replicas.ts'
import type { Replica } from './replicas.ts'
import { imageOf, rollOutMissing } from './shop.ts'
import type { Shop } from './shop.ts'

const { cluster, open, start } = await installReplicas(t)
const port = await freePort()
let replica = await startReplica()
const browser = await launchProgram('chromium')
t.teardown(() => browser.close())

t.test('a rollout, one that fails, a rollback and a scale-up are seen without a refresh', async t => {
  const shop = await open(t, 'live')
  const fleet = await visit(t, '#/')
  const app = await visit(t, '#/apps/live/web')
  await app.saying('main', 'This app is not there')
  const row = '[data-app="live/web"]'

  await shop.apply(webService(), webDeployment('web:1'))
  await fleet.saying(row, 'Ready')
  await app.saying('h1 + .chip', 'Ready')
  await sameRows(app.page, shop, 2)

  const letGo = shop.hold(pod => imageOf(pod) === 'web:2')
  await shop.setImage('web:2')
  await fleet.saying(row, 'Rolling')
  await app.saying('h1 + .chip', 'Rolling')
  await app.saying('.message', 'new replicas have been updated')
  letGo()
  await fleet.saying(row, 'Ready')
  await app.saying('.deploys', 'Revision 2')
  await app.saying('.events', 'Scaled up replica set web-')
  await app.saying('.message', 'successfully rolled out')
  await sameRows(app.page, shop, 2)

  const { stuck, forget } = await rollOutMissing(
    cluster,
    shop,
    'Back-off pulling image "web:missing": not found',
  )
  await fleet.saying(row, 'Failing')
  await app.saying('.message', '1 pod does not start: ImagePullBackOff: Back-off pulling image "web:missing"')
  await app.saying(`[data-instance="live/${stuck.metadata.name}"]`, 'Back-off pulling image "web:missing"')

  await shop.kubectl('rollout undo deployment/web')
  await fleet.saying(row, 'Ready')
  await app.saying('.deploys', 'Revision 4')
  await app.saying('.message', 'successfully rolled out')
  await sameRows(app.page, shop, 2)
  forget()

  await shop.scale(3)
  await fleet.saying(row, '3/3')
  await sameRows(app.page, shop, 3)
  for (const { page, complaints } of [fleet, app]) {
    t.same(complaints, [])
    t.ok(await isSamePage(page), 'it was not loaded anew')
  }
})

t.test(
  'the process is killed while a rollout is under way: nothing is missing, and nothing twice',
  async t => {
    const shop = await open(t, 'killed')
    await shop.apply(webService(), webDeployment('web:1'))
    await shop.told('web:1', ({ phase }) => phase === 'ready')
    const app = await visit(t, '#/apps/killed/web')
    const letGo = shop.hold(pod => imageOf(pod) === 'web:2')
    await shop.setImage('web:2')
    await app.saying('h1 + .chip', 'Rolling')
    const log = await visit(t, '#/deploys/killed/web/2')
    await log.saying('[role=log]', 'web:1 → web:2')
    await log.saying('[role=log]', 'Scaled up replica set')

    await replica.kill()
    for (const { page } of [app, log]) await until('it is seen', async () => (await stateOf(page)) !== 'live')
    letGo() // what the pages do not see happen
    await shop.settled('web:2', ({ status }) => status.updatedReplicas === 2 && status.readyReplicas === 2)
    await shop.scale(3)
    await shop.settled('the third pod', ({ status }) => status.readyReplicas === 3)
    replica = await startReplica()

    await app.saying('.top [data-state]', 'Live')
    await app.saying('h1 + .chip', 'Ready')
    await sameRows(app.page, shop, 3)
    await log.saying('.log footer [data-state]', 'Ended')
    const lines = await linesOf(log.page)
    t.same(lines, await linesOfServer('killed/web@2'), 'each line once, in its order')
    const [hash = ''] = (await shop.living()).map(({ metadata }) => metadata.labels?.['pod-template-hash'])
    const scaled = await scalings('killed')
    t.ok(scaled.length >= 4)
    for (const message of scaled.filter(text => text.includes(hash) || text.startsWith('Scaled down')))
      t.equal(lines.filter(line => line.includes(message)).length, 1, message)
    for (const { page } of [app, log]) t.ok(await isSamePage(page), 'it was not loaded anew')
  },
)

t.test('a page that was offline shows what happened meanwhile', async t => {
  const shop = await open(t, 'offline')
  await shop.apply(webService(), webDeployment('web:1'))
  const app = await visit(t, '#/apps/offline/web')
  await app.saying('h1 + .chip', 'Ready')
  await sameRows(app.page, shop, 2)
  await app.page.setOfflineMode(true)
  await app.saying('.top [data-state]', 'Offline')
  await shop.scale(1)
  await shop.settled('one pod', ({ status }) => status.replicas === 1)
  await app.page.setOfflineMode(false)
  await app.saying('.top [data-state]', 'Live')
  await sameRows(app.page, shop, 1)
})

t.test('more tabs than a browser has connections: each shows what is, once it is looked at', async t => {
  const shop = await open(t, 'tabs')
  await shop.apply(webService(), webDeployment('web:1'))
  const tabs: Visit[] = []
  for (let n = 0; n < 7; n += 1) tabs.push(await visit(t, '#/apps/tabs/web', 'tab'))
  await shop.scale(1)
  await shop.settled('one pod', ({ status }) => status.replicas === 1)
  for (const { page, saying } of tabs) {
    await page.bringToFront()
    await saying('.top [data-state]', 'Live')
    await sameRows(page, shop, 1)
    t.ok(await isSamePage(page), 'it was not loaded anew')
  }
})

async function startReplica(): Promise<Replica> {
  const replica = await start({ SPA_CONSOLE_PORT: String(port) })
  await until('its console', () =>
    fetch(`http://127.0.0.1:${port}/api/apps`).then(
      ({ ok }) => ok,
      () => false,
    ),
  )
  return replica
}

interface Visit {
  page: Page
  complaints: string[]
  /** Waits until what the selector finds says the words. */
  saying(selector: string, words: string): Promise<void>
}

/** A page in a window of its own, so that none hides another, with a mark that it loses when it is loaded anew. */
async function visit(t: Test, address: string, type: 'window' | 'tab' = 'window'): Promise<Visit> {
  const page = await browser.newPage({ type })
  t.teardown(() => page.close())
  const complaints: string[] = []
  page.on('console', message => complaints.push(`${message.type()}: ${message.text()}`))
  page.on('pageerror', error => complaints.push(String(error)))
  page.setDefaultTimeout(120_000)
  await page.setViewport({ width: 1_280, height: 900 })
  await page.goto(`http://127.0.0.1:${port}/${address}`, { waitUntil: 'load' })
  await page.evaluate(() => Object.assign(globalThis, { isSame: true }))
  await saying('.top [data-state]', 'Live')
  return { page, complaints, saying }

  async function saying(selector: string, words: string): Promise<void> {
    let said = ''
    await until(
      () => `${address}: ${selector} to say ${words}, which says ${said}`,
      async () => {
        const texts = await page.$$eval(selector, all => all.map(({ textContent }) => textContent))
        said = texts.join(' ').replaceAll(/\s+/g, ' ')
        return said.includes(words)
      },
    )
  }
}

function isSamePage(page: Page): Promise<boolean> {
  return page.evaluate(() => 'isSame' in globalThis)
}

function stateOf(page: Page): Promise<string | null> {
  return page.$eval('.top [data-state]', chip => chip.getAttribute('data-state'))
}

/** Waits until the table of instances has a row for each pod that the API server has, and no other. */
async function sameRows(page: Page, shop: Shop, count: number): Promise<void> {
  let rows: string[] = []
  let pods: string[] = []
  await until(
    () => `${count} rows that are the pods: ${rows.join(', ')} are shown, ${pods.join(', ')} are there`,
    async () => {
      rows = await page.$$eval('[data-instance]', all =>
        all.map(row => row.getAttribute('data-instance') ?? ''),
      )
      pods = (await shop.pods()).map(({ metadata }) => `${shop.namespace}/${metadata.name}`)
      return pods.length === count && rows.toSorted().join() === pods.toSorted().join()
    },
  )
}

/** `about: text` of each line in the document; they are so few that all are in it. */
async function linesOf(page: Page): Promise<string[]> {
  const lines = await page.$$eval('[data-line]', all =>
    all.map(line => {
      const said = [...(line.querySelector('.text')?.children ?? [])].filter(part => !part.matches('.count'))
      return `${line.querySelector('.about')?.textContent}: ${said.map(part => part.textContent).join('')}`
    }),
  )
  return lines.filter(isLasting)
}

/** The same, from the API, read anew. */
async function linesOfServer(id: string): Promise<string[]> {
  const stream = await openStream(port, `/api/deploys/${encodeURIComponent(id)}/logs`)
  await stream.until(({ type }) => type === 'end')
  const lines = new Map<string, string>()
  for (const { type, payload } of stream.told)
    if (type === 'deploy_log')
      for (const { id, about, text } of payload as unknown as DeployLogLine[])
        lines.set(id, `${about}: ${text}`)
  return [...lines.values()].filter(isLasting)
}

/** Our own Event about pods that were created while the webhook was away may come after the end. */
function isLasting(line: string): boolean {
  return !line.includes(': missed: ')
}

/** What the Deployment controller said in its Events. */
async function scalings(namespace: string): Promise<string[]> {
  const { body } = await cluster.api<{ kind: string; items: { message: string }[] }>(
    'GET',
    `/api/v1/namespaces/${namespace}/events`,
  )
  return body.items.map(({ message }) => message).filter(message => /^Scaled (?:up|down)/.test(message))
}
