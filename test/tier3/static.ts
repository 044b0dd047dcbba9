// manifests/static on a real node, in a real browser: files from an init container, served by our image, behind the sidecar.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { launch } from '../browsers/browser.ts'
import { imageOf } from '../cluster/images.ts'
import { until } from '../cluster/wait.ts'
import { install, makeNamespace, settled } from './installation.ts'
import { knowSeconds, openTab } from './tab.ts'

const namespace = 'files'

t.test(
  'an app without a server of its own: a rollout of its files reaches the tabs, and no request fails',
  async t => {
    const cluster = await install(t)
    for (const [version, tag] of [
      ['one', '1.0.0'],
      ['two', '1.1.0'],
    ] as const)
      await cluster.pushImage(await makeImage(version), `registry.example/web:${tag}`)
    await makeNamespace(cluster, namespace, true)
    await cluster.inNamespace(namespace, 'apply -f manifests/static')
    await settled(cluster, namespace, 'web')
    for (const { spec } of await cluster.pods(namespace))
      t.same(
        [...spec.containers, ...(spec.initContainers ?? [])].map(({ name }) => name).sort(),
        ['files', 'spa-reloader', 'web'],
        'injected under Pod Security restricted',
      )
    const address = await cluster.inNamespace(namespace, 'get service web -o jsonpath={.spec.clusterIP}')
    const url = `http://${address}/`

    const browser = await launch('chromium')
    t.teardown(browser.close)
    const tab = await openTab(browser, `${url}orders/17`)
    t.equal(await tab.version(), 'one')
    const load = underLoad(url)
    t.teardown(load.end)
    await cluster.inNamespace(namespace, 'set image deployment/web files=registry.example/web:1.1.0')
    await until('the tab to be told', async () => (await tab.told()).includes('update'), knowSeconds)
    await cluster.routed(namespace, 'web')
    await tab.reload()
    t.equal(await tab.version(), 'two')
    const { sent, failures } = await load.end()
    t.comment(`${sent} requests`)
    t.same(failures, [])

    const asset = async (name: string) => {
      const answer = await fetch(`${url}assets/${name}`, { headers: { 'sec-fetch-dest': 'script' } })
      return [answer.status, answer.headers.get('cache-control')]
    }
    t.same(await asset('app-twoZ1z3a.js'), [200, 'public, max-age=31536000, immutable'])
    t.same(await asset('app-oneZ1z3a.js'), [404, 'no-store'])
    t.match(
      await cluster.inNamespace(namespace, 'get releases'),
      /web +2 +ready +registry\.example\/web:1\.1\.0 +rollout/,
    )
  },
)

/** As a team builds one: nginx's folder with the files, and a shell with cp. */
async function makeImage(version: string): Promise<string> {
  // @ts-expect-error: JavaScript, as it runs in the sample app's image
  const { pageOf } = (await import('../cluster/app/page.js')) as { pageOf(version: string): string }
  const dir = mkdtempSync(join(tmpdir(), 'spa-files-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  mkdirSync(join(dir, 'assets'))
  writeFileSync(join(dir, 'index.html'), pageOf(version))
  writeFileSync(join(dir, `assets/main-${version}.js`), '')
  writeFileSync(join(dir, `assets/app-${version}Z1z3a.js`), '')
  return imageOf({ '/usr/share/nginx/html': dir }, ['true'], 'node:24-trixie-slim')
}

/** Asks on a fresh connection, one after the other, until it is ended. */
function underLoad(url: string) {
  const failures: string[] = []
  let sent = 0
  let isEnding = false
  const done = ask()
  return { end }

  async function ask(): Promise<void> {
    while (!isEnding) {
      sent++
      const answer = await fetch(url, { headers: { connection: 'close' } }).catch(String)
      if (typeof answer === 'string') failures.push(answer)
      else if (!answer.ok || !(await answer.text()).includes('<h1 id="version">'))
        failures.push(`${answer.status}`)
    }
  }

  async function end() {
    isEnding = true
    await done
    return { sent, failures }
  }
}
