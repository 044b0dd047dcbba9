// Apps of others behind the front: each injected and, as its twin, not. What reaches a browser or a gRPC client is the same, but for what
// docs/front.md names.

import { createHash } from 'node:crypto'
import t from 'tap'
import { launchProgram } from '../browsers/puppeteer.ts'
import { visit } from '../browsers/visit.ts'
import type { Visit } from '../browsers/visit.ts'
import { prepareApps, webServers } from '../cluster/apps/apps.ts'
import type { App } from '../cluster/apps/apps.ts'
import { makeSite } from '../cluster/site.ts'
import { deploy, install, makeNamespace } from './installation.ts'
import type { Cluster } from './installation.ts'

const namespace = 'apps'
const all = [...webServers, 'grpc'] as const

t.test('apps of others are, injected, what they are without', async t => {
  const site = makeSite()
  const apps = prepareApps(site)
  t.teardown(apps.close)
  const cluster = await install(t)
  await makeNamespace(cluster, namespace, true)
  const urls = {} as Record<App, Twins>
  for (const app of all) await cluster.pushImage(await apps.makeImage(app), `${app}:1`)
  await Promise.all(all.map(async app => (urls[app] = await deployTwins(cluster, app))))
  const containers = new Set(
    (await cluster.pods(namespace)).map(({ spec }) =>
      [...spec.containers, ...(spec.initContainers ?? [])].map(({ name }) => name).join(),
    ),
  )
  t.same(containers, new Set(all.flatMap(app => [`${app},spa-reloader`, `${app}-plain`])))
  const browser = await launchProgram('chromium')
  t.teardown(() => browser.close())

  for (const app of webServers)
    await t.test(`${app}: a page with 60 assets in Chromium`, async t => {
      const isCached = app !== 'static' // it says nothing of how long its files are fresh
      const plain = await visit(browser, urls[app].plain)
      const first = await visit(browser, urls[app].injected)
      const second = await visit(browser, urls[app].injected)
      const digests = Object.fromEntries(Array.from(site.files, ([path, bytes]) => [path, digest(bytes)]))
      t.equal(Object.keys(digests).length, 61)
      for (const { answers, complaints } of [plain, first, second]) {
        t.same(Object.fromEntries(Array.from(answers, ([path, { body }]) => [path, digest(body)])), digests)
        t.same(complaints, [], 'nothing in the console')
      }

      const page = heads(plain)['/'] ?? []
      const saysNothing = !page.some(line => /^Cache-Control:/i.test(line))
      const ours = ['Server-Timing: …', ...(saysNothing ? ['Cache-Control: no-cache'] : [])]
      const expected = { ...heads(plain), '/': [...page, ...ours] }
      t.same(heads(first), expected, 'the heads of the app, and ours')
      if (!isCached) t.same(heads(second), expected)
      else t.same(lessMemory(heads(second), expected), lessMemory(expected, expected))
      t.equal(await metric(cluster, app, 'front_cache_hits_total'), isCached ? 60 : 0)
    })

  await t.test('gRPC: its own interoperability tests, over HTTP/2 in the clear', async t => {
    const hosts = [urls.grpc.plain, urls.grpc.injected].map(url => new URL(url).host)
    const [plain, injected] = await Promise.all(hosts.map(host => apps.callGrpc(`${host}:80`)))
    t.equal(plain?.length, 14)
    t.same(injected, plain)
    t.ok((await metric(cluster, 'grpc', 'front_opaque_total')) > 0, 'through the front')
  })
})

/** The URLs of a Deployment's Service and its twin's. */
interface Twins {
  injected: string
  plain: string
}

async function deployTwins(cluster: Cluster, app: App): Promise<Twins> {
  const port = app === 'grpc' ? 'api' : 'http' // one whose name says gRPC is left alone
  const readinessProbe =
    app === 'grpc' ? { grpc: { port: 8080 } } : { httpGet: { path: '/', port }, periodSeconds: 1 }
  const common = {
    namespace,
    image: `${app}:1`,
    port,
    replicas: 1,
    pod: {
      securityContext: { runAsNonRoot: true, runAsUser: 65_534, seccompProfile: { type: 'RuntimeDefault' } },
      volumes: [{ name: 'tmp', emptyDir: {} }],
    },
    container: {
      readinessProbe,
      livenessProbe: undefined,
      volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
    },
  }
  const name = `${app}-plain`
  const labels = { app: name, 'spa-reloader.io/inject': 'false' }
  const [injected, plain] = await Promise.all([
    deploy(cluster, { ...common, name: app }),
    deploy(cluster, { ...common, name, metadata: { labels } }),
  ])
  return { injected, plain }
}

/** The lines of each answer's head, by path. */
type Heads = Record<string, string[]>

/** Of what is another one each time only the name is left. */
function heads({ answers }: Visit): Heads {
  return Object.fromEntries(
    Array.from(answers, ([path, { head }]) => [
      path,
      head.map(line =>
        line
          .replace(/^Date: .*/, 'Date: …')
          .replace(
            /^Server-Timing: spa;desc="[a-z]+-[0-9a-z]+"(, spa-id;desc="[0-9a-f]{64}")?$/,
            'Server-Timing: …',
          ),
      ),
    ]),
  )
}

/** Assets' heads without what memory may change of them: what is the connection's own, Age, and codings where the app has none. */
function lessMemory(heads: Heads, ofApp: Heads): Heads {
  const isPlain = (path: string) => !ofApp[path]?.some(line => /^Content-Encoding:/i.test(line))
  const changes = (path: string, line: string) =>
    /^(Connection|Keep-Alive|Transfer-Encoding|Content-Length|Age): /.test(line) ||
    (isPlain(path) && /^(Vary: Accept-Encoding|Content-Encoding: (br|gzip))$/.test(line))
  return Object.fromEntries(
    Object.entries(heads).map(([path, head]) => [
      path,
      path === '/' ? head : head.filter(line => !changes(path, line)),
    ]),
  )
}

function digest(bytes: Buffer): string {
  return `${bytes.length} ${createHash('sha256').update(bytes).digest('hex')}`
}

/** Of the Deployment's only pod. */
async function metric({ pods }: Cluster, app: App, name: string): Promise<number> {
  const pod = (await pods(namespace)).find(({ spec }) => spec.containers.some(({ name }) => name === app))
  const text = await (await fetch(`http://${pod?.status.podIP}:14021/metrics`)).text()
  return Number(new RegExp(`^spa_reloader_${name} (\\d+)`, 'm').exec(text)?.[1])
}
