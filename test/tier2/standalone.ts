// The standalone mode on a real API server, with the rights of manifests/standalone and no others, heard by a client of the original's kind:
// a plain WebSocket without a subprotocol that takes each frame for news.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { startControlPlane } from '../cluster/control-plane.ts'
import { startFakeKubelet } from '../cluster/fake-kubelet.ts'
import type { Pod } from '../cluster/fake-kubelet.ts'
import { freePort, startProgram } from '../cluster/process.ts'
import type { Program } from '../cluster/process.ts'
import { until } from '../cluster/wait.ts'
import { webDeployment, webService } from './installation.ts'
import { untilMay } from './rights.ts'

const a = 'a'.repeat(64)
const b = 'b'.repeat(64)
const c = 'c'.repeat(64)
const d = 'd'.repeat(64)
const folder = 'manifests/standalone'

t.test('one frame for each rollout, none on connect, in order, each with what was live before', async t => {
  const { kubelet, kubectl, apply, start, client, cluster } = await setUp(t)
  kubelet.images.set('web:1', a).set('web:2', b)
  await apply(webService(), webDeployment('web:1'))
  await rolledOut(kubectl)
  await start({ SPA_NAME: 'web', SPA_RESYNC_SEC: '1' })
  const heard = await client('/ws')

  await kubectl('set image deployment/web web=web:2')
  await heard.told(1)
  await kubectl('rollout undo deployment/web')
  await heard.told(2)
  await restart(kubectl) // the same bytes: silence
  await rolledOut(kubectl)
  await kubectl('scale deployment/web --replicas=4')
  await rolledOut(kubectl)
  kubelet.images.set('web:1', c)
  await restart(kubectl)
  await heard.told(3)
  const letGo = kubelet.hold(imageIs('web:2'))
  await kubectl('set image deployment/web web=web:2')
  await cluster.restartApiServer()
  await sleep(1_500) // lists anew meanwhile
  t.equal(heard.frames.length, 3, 'not before it is finished')
  letGo()
  await heard.told(4)
  t.same(heard.frames.map(summary), [
    `web bbbb docker.io/library/web:2 after aaaa docker.io/library/web:1`,
    `web aaaa docker.io/library/web:1 after bbbb docker.io/library/web:2`,
    `web cccc docker.io/library/web:1 after aaaa docker.io/library/web:1`,
    `web bbbb docker.io/library/web:2 after cccc docker.io/library/web:1`,
  ])
  const times = heard.frames.map(({ created_at }) => Date.parse(created_at))
  t.same(
    times,
    times.toSorted((x, y) => x - y),
  )
})

t.test('a process that starts again tells nothing old, and a rollout that was half-way once', async t => {
  const { kubelet, kubectl, apply, start, stop, client } = await setUp(t)
  kubelet.images.set('web:1', a).set('web:2', b).set('web:3', c)
  await apply(webService(), webDeployment('web:1'))
  await start({ SPA_NAME: 'web' })
  const before = await client('/ws')
  await kubectl('set image deployment/web web=web:2')
  await before.told(1)
  await stop('SIGTERM')
  t.equal(await before.closed, 1012, 'never 1000, after which its client would not come back')

  await start({ SPA_NAME: 'web' })
  const after = await client('/ws')
  await kubectl('scale deployment/web --replicas=3')
  await rolledOut(kubectl)
  const letGo = kubelet.hold(imageIs('web:3'))
  await kubectl('set image deployment/web web=web:3')
  await until('a pod of the third version', async () =>
    (await kubectl('get pods -o jsonpath={.items[*].spec.containers[*].image}')).includes('web:3'),
  )
  t.same(after.frames, [])
  await stop()
  await start({ SPA_NAME: 'web' })
  const late = await client('/ws')
  letGo()
  await late.told(1)
  await kubectl('rollout undo deployment/web')
  await late.told(2)
  t.same(late.frames.map(summary), [
    `web cccc docker.io/library/web:3 after bbbb docker.io/library/web:2`,
    `web bbbb docker.io/library/web:2 after cccc docker.io/library/web:3`,
  ])
})

t.test('without a name each Deployment is told under its own, but ours', async t => {
  const { kubelet, kubectl, apply, start, client } = await setUp(t)
  kubelet.images.set('web:1', a).set('web:2', b).set('api:1', c).set('api:2', d)
  await apply(webService(), webDeployment('web:1'), named(webDeployment('api:1'), 'api'))
  await rolledOut(kubectl)
  await rolledOut(kubectl, 'api')
  await start({ HOSTNAME: 'spa-reloader-6c487dcc49-x7x2p' })
  const heard = await client('/')
  await kubectl('set image deployment/spa-reloader spa-reloader=spa-reloader-sidecar:next')
  await rolledOut(kubectl, 'spa-reloader')
  await kubectl('set image deployment/api web=api:2')
  await heard.told(1)
  await kubectl('set image deployment/web web=web:2')
  await heard.told(2)
  t.same(heard.frames.map(summary), [
    `api dddd docker.io/library/api:2 after cccc docker.io/library/api:1`,
    `web bbbb docker.io/library/web:2 after aaaa docker.io/library/web:1`,
  ])
})

t.test('it needs the rights of its manifests, all of them, and says which one it lacks', async t => {
  const { cluster, kubectl, apply, start, ready } = await setUp(t)
  await apply(webService(), webDeployment('web:1'))
  for (const resource of ['pods', 'services', 'deployments', 'replicasets']) {
    const group = ['pods', 'services'].includes(resource) ? 0 : 1
    const rules = JSON.parse(await kubectl('get role spa-reloader -o jsonpath={.rules}')) as {
      resources: string[]
    }[]
    const fewer = structuredClone(rules)
    fewer[group]!.resources = fewer[group]!.resources.filter(name => name !== resource)
    await kubectl(`patch role spa-reloader --type=merge -p ${JSON.stringify({ rules: fewer })}`)
    const right = { namespace: 'shop', verb: 'list', resource, ...(group === 1 && { group: 'apps' }) }
    await untilMay(cluster, 'shop:spa-reloader', right, false)
    const program = await start({ SPA_NAME: 'web' }, false)
    const said = await until('the reason', async () => {
      const { status, text } = await ready()
      return status === 503 && text.includes('403') && text
    })
    t.match(said, new RegExp(`${resource} are not watched: 403: .*cannot list resource "${resource}"`))
    await kubectl(`patch role spa-reloader --type=merge -p ${JSON.stringify({ rules })}`)
    await until('readiness', async () => (await ready()).status === 200)
    await program.stop()
  }
})

t.test('its pod is admitted under Pod Security restricted', async t => {
  const { cluster } = await setUp(t)
  await cluster.kubectl(['create', 'namespace', 'strict'])
  await cluster.kubectl(['label', 'namespace', 'strict', 'pod-security.kubernetes.io/enforce=restricted'])
  await cluster.kubectl(['apply', '-f', '-'], manifests('strict'))
  await cluster.kubectl(['-n', 'strict', 'rollout', 'status', 'deployment/spa-reloader', '--timeout=5m'])
  const port = 'jsonpath={.items[0].ports[0].port}'
  await until(
    'its endpoints',
    async () => (await cluster.kubectl(['-n', 'strict', 'get', 'endpointslices', '-o', port])) === '8080',
  )
})

interface Frame {
  created_at: string
  name: string
  current_image: { name: string; sha256: string }
  previous_image: { name?: string; sha256?: string }
}

function summary({ name, current_image, previous_image }: Frame): string {
  const { name: before = '', sha256 = '' } = previous_image
  return `${name} ${current_image.sha256.slice(0, 4)} ${current_image.name} after ${sha256.slice(0, 4)} ${before}`
}

function manifests(namespace: string): string {
  return readdirSync(folder)
    .map(file =>
      readFileSync(join(folder, file), 'utf8').replaceAll('namespace: default', `namespace: ${namespace}`),
    )
    .join('') // as sed does it, in docs/moving.md
}

async function setUp(t: Test) {
  const cluster = await startControlPlane()
  t.teardown(cluster.stop)
  const kubelet = await startFakeKubelet(cluster)
  t.teardown(kubelet.close)
  await cluster.kubectl(['create', 'namespace', 'shop'])
  await cluster.kubectl(['apply', '-f', '-'], manifests('shop'))
  const kubeconfig = await cluster.kubeconfigOf('shop', 'spa-reloader')
  const [port, adminPort] = [await freePort(), await freePort()]
  let running: Program | undefined
  t.teardown(() => running?.stop())
  return { cluster, kubelet, kubectl, apply, start, stop, client, ready }

  function kubectl(command: string): Promise<string> {
    return cluster.kubectl(['-n', 'shop', ...command.split(' ')])
  }

  async function apply(...objects: object[]): Promise<void> {
    for (const object of objects)
      await cluster.kubectl(['apply', '-n', 'shop', '-f', '-'], JSON.stringify(object))
  }

  /** The environment is the original's; two ports differ, so that several tests can run on one machine. */
  async function start(env: Record<string, string>, awaitReady = true): Promise<Program> {
    const program = startProgram(process.execPath, ['dist/sidecar.js'], {
      log: join(cluster.dir, 'standalone.log'),
      env: {
        KUBECONFIG: kubeconfig,
        SPA_NAMESPACE: 'shop',
        SPA_WEBSOCKET_PORT: String(port),
        SPA_ADMIN_PORT: String(adminPort),
        ...env,
      },
    })
    running = program
    const isThere = async () => (await ready()).status === 200 || !awaitReady
    await Promise.race([until('the standalone process', isThere), program.failed])
    return program
  }

  async function stop(signal?: NodeJS.Signals): Promise<void> {
    await running?.stop(signal)
  }

  async function ready(): Promise<{ status: number; text: string }> {
    const response = await fetch(`http://127.0.0.1:${adminPort}/readyz`, { headers: { connection: 'close' } })
    return { status: response.status, text: await response.text() }
  }

  async function client(path: string) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, {
      headers: { Origin: 'http://shop.example' },
    })
    const frames: Frame[] = []
    socket.on('message', (data: Buffer) => frames.push(JSON.parse(String(data)) as Frame))
    await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject))
    const closed = new Promise<number>(resolve => socket.on('close', resolve))
    t.teardown(() => socket.terminate())
    return { frames, closed, told: (count: number) => until(`frame ${count}`, () => frames.length >= count) }
  }
}

function named(deployment: object, name: string): object {
  const labels = { app: name }
  const { spec } = deployment as { spec: { template: object } }
  const template = { ...spec.template, metadata: { labels } }
  return { ...deployment, metadata: { name }, spec: { ...spec, selector: { matchLabels: labels }, template } }
}

function imageIs(image: string): (pod: Pod) => boolean {
  return pod => pod.spec.containers[0]?.image === image
}

type Kubectl = (command: string) => Promise<string>

/** Waits until kubectl calls the rollout complete. */
function rolledOut(kubectl: Kubectl, deployment = 'web'): Promise<string> {
  return kubectl(`rollout status deployment/${deployment} --timeout=5m`)
}

/** kubectl refuses to do it twice within a second. */
function restart(kubectl: Kubectl): Promise<string> {
  return until('a restart', () => kubectl('rollout restart deployment/web'))
}
