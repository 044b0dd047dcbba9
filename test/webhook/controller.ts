// The controller on the demo's API server and controllers; the kubelet's part, the pods' status, is played here.
// The same on a real control plane, with injection, is test/tier2/release.ts.

import { once } from 'node:events'
import http from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { startApiServer } from '../../demo/api-server/server.ts'
import { runControllers } from '../../demo/controllers/loop.ts'
import { install } from '../../demo/manifests.ts'
import type { Log } from '../../protocol/log.ts'
import { annotation, label } from '../../protocol/names.ts'
import { parseReleaseState } from '../../protocol/release.ts'
import type { ReleaseState } from '../../protocol/release.ts'
import { createApi } from '../../release/api.ts'
import type { Api } from '../../release/api.ts'
import { watchResource } from '../../release/watch.ts'
import { createController } from '../../webhook/controller.ts'
import type { Told } from '../../webhook/events.ts'
import { connect, deployment, image, until } from '../demo/contract/cluster.ts'
import type { Json } from '../demo/contract/cluster.ts'
import { kubeConfig } from '../release/server.ts'

const digests: Record<string, string> = { 'web:1': 'a'.repeat(64), 'web:2': 'b'.repeat(64) }
const enabled = { [label.inject]: 'enabled' }

t.test('in a labelled namespace a Deployment gets its Release, and its pods carry the state', async t => {
  const { shop } = await start(t)
  const other = await shop()
  await other.apply()
  const mine = await shop(enabled)
  await mine.apply()
  const state = await mine.told(({ phase }) => phase === 'ready')
  t.match(state, {
    namespace: mine.namespace,
    name: 'web',
    revision: 1,
    target: { id: digests['web:1'], name: 'web:1' },
    previous: null,
    live: [{ id: digests['web:1'], pods: 2 }],
  })
  const release = (await mine.release())!
  t.match(release.metadata.ownerReferences, [{ kind: 'Deployment', name: 'web' }])
  t.match(release.status?.record, { replicaSets: [{ digests: [digests['web:1']] }] }, 'what it remembers')

  t.equal(await other.release(), undefined, 'nothing happens without the label')
  t.same((await other.stamps()).filter(Boolean), [])
})

t.test('a rollout is rolling, and then ready: told with one serial after the other', async t => {
  const { shop } = await start(t)
  const { apply, roll, told, states } = await shop(enabled)
  await apply()
  await told(({ phase }) => phase === 'ready')
  await roll('web:2')
  const state = await told(({ revision, phase }) => revision === 2 && phase === 'ready')
  t.match(state, { target: { id: digests['web:2'] }, previous: { id: digests['web:1'] }, why: 'rollout' })
  const seen = states()
  t.ok(seen.some(({ revision, phase }) => revision === 2 && phase === 'rolling'))
  t.same(
    seen.map(({ serial }) => serial),
    seen.map((_, index) => index + 1),
  )
})

t.test('pods that are not injected count, but are not written on', async t => {
  const { shop } = await start(t)
  const { apply, roll, told, stamps, release } = await shop(enabled)
  await apply()
  await told(({ phase }) => phase === 'ready')
  await roll('web:2', { [label.injected]: null })
  const status = await until(async () => {
    const { status } = (await release()) ?? {}
    return status?.revision === 2 && status.phase === 'ready' && status
  })
  t.match(status, { live: [{ id: digests['web:2'], pods: 2 }] })
  t.same(await stamps(), [undefined, undefined])
})

t.test('without its label a namespace is left alone; with it again, what was missed is told', async t => {
  const { shop, send, logged } = await start(t)
  const { namespace, apply, roll, rolledOut, told, release, stamps } = await shop(enabled)
  await apply()
  await told(({ phase }) => phase === 'ready')
  const relabel = (value: string | null) =>
    send('PATCH', `/api/v1/namespaces/${namespace}`, { metadata: { labels: { [label.inject]: value } } })
  await relabel(null)
  await until(async () => logged().includes('namespace left'))
  await roll('web:2')
  await rolledOut('web:2')
  t.equal((await release())?.status?.revision, 1)
  t.same(await stamps(), [undefined, undefined])
  await relabel('enabled')
  const state = await told(({ revision, phase }) => revision === 2 && phase === 'ready')
  t.match(state, { target: { id: digests['web:2'] }, previous: { id: digests['web:1'] } })
})

t.test('pods that could not be written are written later, although nothing moves any more', async t => {
  const { shop, refuse, refused } = await start(t)
  const { apply, roll, told } = await shop(enabled)
  await apply()
  await told(({ phase }) => phase === 'ready')
  refuse(true)
  await roll('web:2')
  await until(
    async () => refused().filter(({ revision, phase }) => revision === 2 && phase === 'ready').length >= 2,
  )
  refuse(false)
  await told(({ revision, phase }) => revision === 2 && phase === 'ready')
})

t.test('a pod that a policy refuses to have changed is not tried at each move, and told of once', async t => {
  const { shop, send, refuse, refused, events } = await start(t)
  const { namespace, apply, roll, told } = await shop(enabled)
  await apply()
  await told(({ phase }) => phase === 'ready')
  refuse(true)
  await roll('web:2')
  const tries = () => refused().filter(({ revision, phase }) => revision === 2 && phase === 'ready').length
  await until(async () => tries() >= 2)
  for (let move = 0; move < 10; move += 1) {
    const labels = { move: `${move}` }
    await send('PATCH', `/apis/apps/v1/namespaces/${namespace}/deployments/web`, { metadata: { labels } })
    await sleep(50)
  }
  t.equal(tries(), 2, 'once for each pod')
  t.same(events(), [])
  await until(async () => events().length > 0)
  t.match(events(), [{ reason: 'ReleaseRefused', message: /2 pods, .*: 403: denied by policy/ }])
  t.equal(events().length, 1)
  t.equal(tries(), 4)
})

t.test('a Release that is deleted comes back as it was, and goes on from there', async t => {
  const { shop, send } = await start(t)
  const { namespace, apply, roll, told, release } = await shop(enabled)
  await apply()
  const before = await told(({ phase }) => phase === 'ready')
  const { uid } = (await release())!.metadata
  await send('DELETE', `/apis/spa-reloader.io/v1/namespaces/${namespace}/releases/web`)
  const again = await until(async () => {
    const found = await release()
    return found?.status && found.metadata.uid !== uid && found
  })
  t.match(again.status, before)
  await roll('web:2')
  const after = await told(({ revision, phase }) => revision === 2 && phase === 'ready')
  t.ok(after.serial > before.serial)
})

t.test('one that is deleted while nobody watches goes on, too: the pods remember their state', async t => {
  const { shop, send, restart } = await start(t)
  const { namespace, apply, told } = await shop(enabled)
  await apply()
  const before = await told(({ phase }) => phase === 'ready')
  await restart(() => send('DELETE', `/apis/spa-reloader.io/v1/namespaces/${namespace}/releases/web`))
  const after = await told(({ serial, phase }) => serial > before.serial && phase === 'ready')
  t.equal(after.epoch, before.epoch)
})

t.test('while another replica leads nothing is written, and then it goes on from there', async t => {
  const { shop, restart, lead } = await start(t)
  const { apply, roll, rolledOut, told, release, states } = await shop(enabled)
  await apply()
  await told(({ phase }) => phase === 'ready')
  lead(false)
  await restart(async () => {})
  await roll('web:2')
  await rolledOut('web:2')
  await new Promise(resolve => setTimeout(resolve, 200))
  t.equal((await release())?.status?.revision, 1)
  lead(true)
  const state = await told(({ revision, phase }) => revision === 2 && phase === 'ready')
  t.match(state, { target: { id: digests['web:2'] }, previous: { id: digests['web:1'] } })
  const serials = states().map(({ serial }) => serial)
  t.same(serials, [...new Set(serials)], 'nothing is told twice')
})

t.test('pods that came while a breaker was open are missed once its time has passed', async t => {
  const { shop, send, missed } = await start(t)
  const { namespace, apply, told, stamps } = await shop(enabled)
  await apply()
  await told(({ phase }) => phase === 'ready')
  const release = `/apis/spa-reloader.io/v1/namespaces/${namespace}/releases/web`
  const image = 'spa-reloader-sidecar:1'
  const [since, retry] = ['2026-11-28T11:45:00Z', '2100-01-01T00:00:00Z']
  const breaker = { cause: 'container', says: 'ErrImagePull', image, since, retry, trips: 1 }
  const annotate = (text: string) =>
    send('PATCH', release, { metadata: { annotations: { [annotation.breaker]: text } } })
  await annotate(JSON.stringify(breaker))
  const containers = [{ name: 'web', image: 'web:2', ports: [{ name: 'http', containerPort: 8080 }] }]
  const template = { metadata: { labels: { [label.injected]: null } }, spec: { containers } }
  await send('PATCH', `/apis/apps/v1/namespaces/${namespace}/deployments/web`, { spec: { template } })
  await until(async () => (await stamps()).every(stamp => stamp === undefined))
  t.equal(missed(), 0)
  await annotate(JSON.stringify({ ...breaker, retry: '2026-11-28T11:55:00Z' }))
  await until(async () => missed() === 2)
})

/** A cluster with our controller, which ends with the test. */
async function start(t: Test) {
  const messages: string[] = []
  const log = (message: string) => void messages.push(message)
  const states: ReleaseState[] = []
  const told: Told[] = []
  const server = await startApiServer({ log })
  const api = createApi(() => kubeConfig(server.url))
  await install(api, 'manifests')
  const controllers = runControllers({ api, log })
  const kubelet = reportPods(api, log)
  const proxy = await startProxy(server.url)
  const ours = createApi(() => kubeConfig(proxy.url))
  let isLeading = true
  let controller = run()
  const { send, namespace: create } = connect(api)
  t.teardown(async () => {
    await Promise.all([controller.close(), kubelet.close(), controllers.close()])
    for (const { close } of [ours, api]) close()
    await proxy.close()
    await server.close()
  })
  return {
    send,
    shop,
    restart,
    lead,
    refuse: proxy.refuse,
    refused: proxy.refused,
    logged: () => messages,
    events: () => told,
    missed: () => controller.missed(),
  }

  function lead(isOurTurn: boolean): void {
    isLeading = isOurTurn
    if (isOurTurn) controller.lookAgain()
  }

  function run() {
    const writer = { isLeading: () => isLeading, api: ours }
    const tell = (event: Told) => void told.push(event)
    return createController({
      api: ours,
      log,
      writer,
      tell,
      image: 'spa-reloader-sidecar:1',
      onState: state => void states.push(state),
    })
  }

  async function restart(meanwhile: () => Promise<unknown>): Promise<void> {
    await controller.close()
    await meanwhile()
    controller = run()
  }

  /** A namespace for the Deployment `web` with two pods behind a Service. */
  async function shop(labels: Record<string, string> = {}) {
    const { name: namespace, path } = await create(labels)
    const one = `${path('apps/v1')}/deployments/web`
    const own = () => states.filter(state => state.namespace === namespace)
    return {
      namespace,
      states: own,
      apply,
      roll,
      rolledOut,
      release,
      stamps,
      told,
    }

    /** As if it had been injected. */
    async function apply(): Promise<void> {
      await send('POST', `${path()}/services`, {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'web' },
        spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }] },
      })
      const made = deployment('web', 2)
      const metadata = { labels: { ...made.spec.template.metadata.labels, [label.injected]: 'true' } }
      const template = { ...made.spec.template, metadata }
      await send('POST', `${path('apps/v1')}/deployments`, { ...made, spec: { ...made.spec, template } })
    }

    async function roll(name: string, labels: Record<string, string | null> = {}): Promise<void> {
      const { spec } = image(name)
      await send('PATCH', one, { spec: { template: { metadata: { labels }, ...spec.template } } })
    }

    async function rolledOut(name: string): Promise<void> {
      await until(async () => {
        const all = await pods()
        return all.length === 2 && all.every(pod => imageOf(pod) === name && pod.status?.containerStatuses)
      })
    }

    async function pods(): Promise<Json[]> {
      return (await send('GET', `${path()}/pods`)).body.items
    }

    async function release(): Promise<Json | undefined> {
      const { status, body } = await send('GET', `${path('spa-reloader.io/v1')}/releases/web`)
      return status === 200 ? body : undefined
    }

    /** What each pod carries. */
    async function stamps(): Promise<(ReleaseState | undefined)[]> {
      return (await pods()).map(({ metadata }) => {
        const text = metadata.annotations?.[annotation.release]
        return text === undefined ? undefined : parseReleaseState(JSON.parse(text))
      })
    }

    /** Waits until the newest state is meant and every pod carries it. */
    function told(isMeant: (state: ReleaseState) => boolean): Promise<ReleaseState> {
      return until(async () => {
        const state = own().at(-1)
        if (!state || !isMeant(state)) return undefined
        const all = await stamps()
        return all.length > 0 && all.every(stamp => stamp?.serial === state.serial) && state
      })
    }
  }
}

/** Every new pod runs and is ready at once. */
function reportPods(api: Api, log: Log) {
  const { send } = connect(api)
  return watchResource({
    api,
    log,
    path: '/api/v1/pods',
    parse: raw => raw as Json,
    onChange({ type, object: pod }) {
      if (type === 'delete' || pod.status?.containerStatuses) return
      const { namespace, name } = pod.metadata
      const imageID = `web@sha256:${digests[imageOf(pod)]}`
      const state = { running: { startedAt: new Date().toISOString() } }
      void send('PATCH', `/api/v1/namespaces/${namespace}/pods/${name}/status`, {
        status: {
          phase: 'Running',
          conditions: [{ type: 'Ready', status: 'True' }],
          containerStatuses: [{ name: 'web', imageID, state }],
        },
      })
    },
  })
}

function imageOf({ spec }: Json): string {
  return (spec.containers as { image: string }[])[0]?.image ?? ''
}

/** Before the API server: while it is told to, it refuses our writes to pods, as a policy does. */
async function startProxy(url: string) {
  let isRefusing = false
  const refused: ReleaseState[] = []
  const proxy = http.createServer((req, res) => {
    if (isRefusing && req.method === 'PATCH' && req.url?.includes('/pods/')) void refuse(req, res)
    else pass(req, res)
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    refuse: (refusing: boolean) => void (isRefusing = refusing),
    /** The states that were to be written. */
    refused: () => refused,
    async close() {
      proxy.close()
      proxy.closeAllConnections()
      await once(proxy, 'close')
    },
  }

  async function refuse(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { metadata } = JSON.parse(await text(req)) as Json
    const state = parseReleaseState(JSON.parse(metadata.annotations?.[annotation.release] ?? ''))
    if (state) refused.push(state)
    res.writeHead(403, { 'Content-Type': 'application/json' }).end('{"message":"denied by policy"}')
  }

  function pass(req: IncomingMessage, res: ServerResponse): void {
    const { method = 'GET', headers } = req
    const onward = http.request(new URL(req.url ?? '/', url), { method, headers }, answer => {
      res.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(res)
    })
    onward.on('error', () => res.destroy())
    res.on('close', () => onward.destroy())
    req.pipe(onward)
  }
}
