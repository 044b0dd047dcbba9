// The three ways by which traffic comes to the front, on a real kubelet: an app whose port has a name, one that is told its port, and nginx as it
// comes, in a namespace that admits everything and in one under Pod Security `restricted`. And probes, which must find the app's truth.

import t from 'tap'
import { WebSocket } from 'ws'
import { parseMessage } from '../../protocol/message.ts'
import type { HeardState } from '../../protocol/message.ts'
import { path, subprotocol } from '../../protocol/names.ts'
import { prepareApps } from '../cluster/apps/apps.ts'
import { makeSite } from '../cluster/site.ts'
import { until } from '../cluster/wait.ts'
import { deploy, install, isReady, labelNamespace, makeNamespace, settled } from './installation.ts'
import type { Changes, Cluster, RunningPod } from './installation.ts'

const apps = ['static', 'node', 'nginx'] as const
const namespaces = ['open', 'strict'] as const
type Namespace = (typeof namespaces)[number]

t.test('three apps that run already, their namespace is labelled, they are restarted', async t => {
  const made = prepareApps(makeSite())
  t.teardown(made.close)
  const cluster = await install(t)
  await allowRedirect(cluster)
  for (const app of apps)
    for (const tag of ['1', '2']) await cluster.pushImage(await made.makeImage(app), `${app}:${tag}`)
  const urls = {} as Record<Namespace, Record<string, string>>
  for (const namespace of namespaces) {
    await makeNamespace(cluster, namespace, false, namespace === 'open' ? 'privileged' : 'restricted')
    urls[namespace] = Object.fromEntries(
      await Promise.all(apps.map(async app => [app, await deployApp(cluster, namespace, app)] as const)),
    )
  }
  await settled(cluster, 'spa-reloader', 'spa-reloader-webhook') // and nobody is asked who has not heard of the redirect
  for (const namespace of namespaces) {
    await labelNamespace(cluster, namespace)
    await cluster.inNamespace(namespace, 'rollout restart deployment')
    for (const app of apps) await settled(cluster, namespace, app)
  }

  await t.test('each serves, and passes the sidecar wherever one fits', async t => {
    for (const namespace of namespaces)
      for (const app of apps) {
        const isCaptured = app !== 'nginx' || namespace === 'open'
        const url = urls[namespace][app]!
        await until(`${app} in ${namespace}`, async () => (await passes(url)) === isCaptured)
        t.match(await (await fetch(url)).text(), /<title>60 assets/)
        const pod = await podOf(cluster, namespace, app)
        const redirect = app === 'nginx' ? ['spa-reloader-redirect'] : []
        t.same(
          containersOf(pod).filter(name => name !== app),
          isCaptured ? ['spa-reloader', ...redirect] : [],
          `${app} in ${namespace}`,
        )
      }
  })

  await t.test('where none fits, an Event says what to do', async t => {
    const events = await until('the Event', async () => {
      const text = await cluster.inNamespace('strict', 'get events -o jsonpath={.items[*].message}')
      return text.includes('pod-security: ') && text
    })
    t.match(events, /pod-security: .*give the container port a name, and use that name as targetPort/)
  })

  await t.test('each that is captured hears of a rollout', async t => {
    const captured = namespaces.flatMap(namespace =>
      apps.map(app => ({ namespace, app })).filter(({ app }) => app !== 'nginx' || namespace === 'open'),
    )
    const tabs = captured.map(({ namespace, app }) => openTab(t, urls[namespace][app]!))
    const heard = (revision: number, phase: HeardState['phase']) =>
      until(`every tab to hear that revision ${revision} is ${phase}`, () =>
        tabs.every(({ state }) => state()?.revision === revision && state()?.phase === phase),
      )
    const setImages = async (tag: string) => {
      for (const { namespace, app } of captured)
        await cluster.inNamespace(namespace, `set image deployment/${app} ${app}=${app}:${tag}`)
    }
    await heard(2, 'ready')
    await setImages('missing') // so the old pods stay, and the tabs hear by the connections that they have
    await heard(3, 'rolling')
    await setImages('2')
    for (const { namespace, app } of captured) {
      await settled(cluster, namespace, app)
      const url = `${urls[namespace][app]!}${path.prefix.slice(1)}${path.version}`
      const state = await until(`${app} in ${namespace}`, async () => {
        const message = parseMessage(await (await fetch(url)).text())
        return message?.type === 'state' && message.revision === 4 && message.phase === 'ready' && message
      })
      t.match(state.image, new RegExp(`${app}:2$`))
    }
  })

  await t.test('probes find the app’s truth, with each capture', async t => {
    const captures = {
      name: { targetPort: 'http', listen: '8080' },
      env: { targetPort: 8080, listen: 'process.env.PORT' },
      redirect: { targetPort: 8080, listen: '8080', env: [] },
      stays: { targetPort: 8080, listen: '8080' },
      low: { targetPort: 80, listen: 'process.env.PORT' },
    }
    await Promise.all(
      Object.entries(captures).map(([name, facts]) =>
        t.test(name, t => judgeProbes(t, cluster, name, facts)),
      ),
    )
  })
})

interface Facts {
  targetPort: string | number
  /** JavaScript. */
  listen: string
  env?: object[]
}

async function judgeProbes(
  t: Tap,
  cluster: Cluster,
  name: string,
  { targetPort, listen, env }: Facts,
): Promise<void> {
  const namespace = name === 'redirect' ? 'open' : 'strict'
  const containerPort = targetPort === 80 ? 80 : 8080
  const port = typeof targetPort === 'string' ? targetPort : containerPort
  const url = await deploy(cluster, {
    namespace,
    name,
    image: 'node:1',
    port: 'http',
    targetPort,
    replicas: 1,
    pod: { securityContext: unprivileged },
    container: {
      command: ['node', '-e', sick(listen)],
      env: env ?? [{ name: 'PORT', value: String(containerPort) }],
      ports: [{ name: 'http', containerPort }],
      // On a busy machine node takes longer to start than a liveness probe of a second waits.
      startupProbe: { tcpSocket: { port }, periodSeconds: 1, failureThreshold: 300 },
      livenessProbe: { tcpSocket: { port }, periodSeconds: 1, timeoutSeconds: 5 },
      readinessProbe: {
        httpGet: { path: '/', port },
        periodSeconds: 1,
        timeoutSeconds: 5,
        failureThreshold: 1,
      },
    },
  })
  const isCaptured = name !== 'stays'
  await until('a page', async () => (await passes(url)) === isCaptured)
  const { status } = await podOf(cluster, namespace, name)
  t.match(
    await (await fetch(`http://${status.podIP}:14021/metrics`)).text(),
    new RegExp(`^spa_reloader_front_passive ${isCaptured ? 0 : 1}$`, 'm'),
  )
  t.equal(await restarts(cluster, namespace, name), 0, 'well, it is left alone')

  const itself = `http://${status.podIP}:${containerPort}`
  await fetch(`${itself}/fail`)
  await until('the pod to be unready', async () => !isReady(await podOf(cluster, namespace, name)))
  t.equal(await restarts(cluster, namespace, name), 0, 'an httpGet probe fails')
  await fetch(`${itself}/close`).catch(() => {})
  await until('a restart', async () => (await restarts(cluster, namespace, name)) === 1)
  await until('the pod to be ready again', async () => isReady(await podOf(cluster, namespace, name)))
  await until('a page', async () => (await passes(url)) === isCaptured)
  const { containerStatuses = [], initContainerStatuses = [] } = (await podOf(cluster, namespace, name))
    .status
  t.match(
    [...containerStatuses, ...initContainerStatuses].find(({ name }) => name === 'spa-reloader'),
    { restartCount: 0 },
    'a tcpSocket probe failed, and ended the app and nobody else',
  )
}

/** An app that can be told to answer with 500, and to stop listening, though its process stays. */
function sick(listen: string): string {
  return `
    let status = 200
    const server = require('node:http').createServer((request, response) => {
      if (request.url === '/fail') status = 500
      if (request.url === '/close') server.close()
      response.writeHead(status, { 'content-type': 'text/html', connection: 'close' }).end('<h1>well</h1>')
    }).listen(${listen})
    setInterval(() => {}, 60_000)
    process.on('SIGTERM', () => process.exit())`
}

type Tap = Pick<typeof t, 'equal' | 'match'>

const unprivileged = { runAsNonRoot: true, runAsUser: 65_534, seccompProfile: { type: 'RuntimeDefault' } }

/** One pod of it, without the sidecar as yet. */
function deployApp(cluster: Cluster, namespace: Namespace, name: (typeof apps)[number]): Promise<string> {
  const tmp = { volumes: [{ name: 'tmp', emptyDir: {} }] }
  const mounted = { volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }], livenessProbe: undefined }
  const probe = (port: string | number) => ({
    readinessProbe: { httpGet: { path: '/', port }, periodSeconds: 1 },
  })
  const common = { namespace, name, image: `${name}:1`, port: 'http', replicas: 1 }
  if (name === 'static')
    return deploy(cluster, {
      ...common,
      pod: { ...tmp, securityContext: unprivileged },
      container: { ...mounted, ...probe('http') },
    })
  if (name === 'node')
    return deploy(cluster, {
      ...common,
      targetPort: 8080,
      pod: { ...tmp, securityContext: unprivileged },
      container: { ...mounted, ...probe(8080), ports: undefined, env: [{ name: 'PORT', value: '8080' }] },
    })
  const low = { sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }] }
  const stock: Changes = {
    pod: { ...tmp, securityContext: { ...unprivileged, ...low } },
    container: {
      ...mounted,
      ...probe(80),
      command: ['/usr/sbin/nginx', '-e', 'stderr', '-c', '/etc/nginx/port-80.conf'],
      ports: [{ containerPort: 80 }],
    },
  }
  return deploy(cluster, { ...common, targetPort: 80, ...stock })
}

/** As docs/configuration.md says. */
async function allowRedirect(cluster: Cluster): Promise<void> {
  const tag = 'spa-reloader-redirect:0.1.0'
  await cluster.buildImage({ dockerfile: 'Dockerfile.redirect', context: '.', tag })
  const variables = `SPA_REDIRECT=labelled SPA_REDIRECT_IMAGE=${tag}`
  await cluster.inNamespace('spa-reloader', `set env deployment/spa-reloader-webhook ${variables}`)
}

/** Whether a page comes by way of the front. On a connection of its own. */
async function passes(url: string): Promise<boolean> {
  const response = await fetch(url, { headers: { connection: 'close' }, signal: AbortSignal.timeout(5_000) })
  if (!response.ok) throw new Error(`${url}: ${response.status}`)
  return response.headers.has('server-timing')
}

/** The Deployment's only pod that is not about to go. */
async function podOf(cluster: Cluster, namespace: string, deployment: string): Promise<RunningPod> {
  return until(`the pod of ${deployment}`, async () => {
    const living = (await cluster.pods(namespace)).filter(
      ({ metadata }) => metadata.labels?.['app'] === deployment && !metadata.deletionTimestamp,
    )
    return living.length === 1 && living[0]
  })
}

/** Names, in the order of the alphabet. */
function containersOf({ spec: { containers, initContainers = [] } }: RunningPod): string[] {
  return [...containers, ...initContainers].map(({ name }) => name).toSorted()
}

async function restarts(cluster: Cluster, namespace: string, name: string): Promise<number> {
  const { status } = await podOf(cluster, namespace, name)
  return status.containerStatuses?.find(container => container.name === name)?.restartCount ?? 0
}

/** Ends with the test, or with its pod. */
function openTab(t: { teardown(end: () => void): void }, url: string) {
  let state: HeardState | undefined
  const socket = new WebSocket(`${url}${path.prefix.slice(1)}${path.ws}`.replace('http', 'ws'), subprotocol)
  socket.on('message', data => {
    const message = parseMessage((data as Buffer).toString())
    if (message?.type === 'state') state = message
  })
  socket.on('error', () => {}) // a pod that goes away
  t.teardown(() => socket.terminate())
  return { state: () => state }
}
