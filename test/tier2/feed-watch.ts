// Feed `watch` on a real API server: the sidecar of an injected pod, as its own ServiceAccount, with no file to read.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { freePort, startProgram } from '../cluster/process.ts'
import { until } from '../cluster/wait.ts'
import { install, webDeployment, webService } from './installation.ts'
import type { Installation } from './installation.ts'
import type { Pod } from '../cluster/fake-kubelet.ts'

const namespace = 'shop'
const a = 'a'.repeat(64)
const b = 'b'.repeat(64)
const c = 'c'.repeat(64)
const binding = ['delete', 'clusterrolebinding', 'spa-reloader-feed']

t.test('the sidecar hears from the API server, and keeps what it knows when that refuses', async t => {
  const installation = await install(t)
  const { cluster } = installation
  const { behaviour, apply, kubectl, pods, told } = await installation.open(t, namespace)
  behaviour.images.set('web:1', a).set('web:2', b).set('web:3', c)
  await apply(webService(), webDeployment('web:1', { annotations: { 'spa-reloader.io/feed': 'watch' } }))
  await told('the first version', ({ phase, target }) => phase === 'ready' && target.id === a)
  const [pod] = await pods()
  const sidecar = await startSidecar(t, installation, pod!)

  await sidecar.says('release not watched', /403: .*serviceaccount:shop:default.* cannot list/)
  t.equal(await sidecar.told(), undefined, 'nobody may read Releases as we install')
  await cluster.kubectl(['apply', '-f', 'manifests/feed-watch'])
  await until('the first state', async () => (await sidecar.told()) === `1 ready ${a}`)
  await sidecar.says('release watched')

  await kubectl('set image deployment/web web=web:2')
  await until('the second version', async () => (await sidecar.told()) === `2 ready ${b}`)

  await cluster.kubectl(binding)
  await cluster.restartApiServer() // what was opened before the binding went would stay open
  await sidecar.says('release not watched', /403: /, 2)
  await kubectl('set image deployment/web web=web:3')
  await told('the third version', ({ phase, target }) => phase === 'ready' && target.id === c)
  t.equal(await sidecar.told(), `2 ready ${b}`, 'the last known state stays')
  t.equal(await sidecar.page(), 200, 'traffic passes')
  await cluster.kubectl(['apply', '-f', 'manifests/feed-watch'])
  await until('what was missed', async () => (await sidecar.told()) === `3 ready ${c}`)
  t.notOk(sidecar.log().includes('uncaught'))
})

t.test('another value is told by an Event, and the file stays the feed', async t => {
  const { open } = await install(t)
  const { behaviour, apply, kubectl, pods, told } = await open(t, namespace)
  behaviour.images.set('web:1', a)
  await apply(webService(), webDeployment('web:1', { annotations: { 'spa-reloader.io/feed': 'stream' } }))
  await told('the first version', ({ phase, target }) => phase === 'ready' && target.id === a)
  const message = await until('the Event', async () => {
    const events = 'get events --field-selector reason=InjectionWarning -o jsonpath={.items[0].message}'
    return (await kubectl(events)) || undefined
  })
  t.match(message, /^bad-option: spa-reloader.io\/feed: /)
  for (const pod of await pods()) t.equal(env(pod).SPA_FEED, undefined)
})

/** The sidecar with the environment that injection gave this pod; what fields of the pod would say is filled in. */
async function startSidecar(t: Test, { cluster }: Installation, pod: Pod) {
  t.equal(env(pod).SPA_FEED, 'watch')
  t.same(tokenMounts(pod), ['spa-reloader'], 'no other container has the token')
  const log = join(cluster.dir, 'sidecar.log')
  const [appPort, frontPort, adminPort] = [await freePort(), await freePort(), await freePort()]
  const app = startProgram(
    process.execPath,
    ['-e', `require('http').createServer((_, res) => res.end('page')).listen(${appPort}, '127.0.0.1')`],
    { log: join(cluster.dir, 'app.log') },
  )
  t.teardown(() => app.stop())
  const program = startProgram(process.execPath, ['dist/sidecar.js'], {
    log,
    env: {
      ...env(pod),
      KUBECONFIG: await cluster.kubeconfigOf(namespace, 'default'),
      SPA_NAMESPACE: namespace,
      SPA_HASH: pod.metadata.labels?.['pod-template-hash'] ?? '',
      SPA_POD_IP: '127.0.0.1',
      SPA_LISTEN_ADDRESS: '127.0.0.1',
      SPA_APP_PORT: String(appPort),
      SPA_FRONT_PORT: String(frontPort),
      SPA_ADMIN_PORT: String(adminPort),
      SPA_POD_DIR: join(cluster.dir, 'no-volume'),
      SPA_RUN_DIR: cluster.dir,
    },
  })
  t.teardown(() => program.stop())
  await Promise.race([until('the front', async () => (await page()) === 200), program.failed])
  return { says, told, page, log: () => readFileSync(log, 'utf8') }

  /** Waits until it was said so often. */
  async function says(message: string, reason = /.*/, times = 1): Promise<void> {
    await until(`${message}, ${times} times`, () => {
      const lines = readFileSync(log, 'utf8').split('\n')
      return lines.filter(line => line.includes(`"${message}"`) && reason.test(line)).length >= times
    })
  }

  /** `2 ready bbbb…`, undefined while it knows of no state. */
  async function told(): Promise<string | undefined> {
    const response = await get('/__spa/version')
    if (response.status !== 200) return undefined
    const { revision, phase, sha256 } = (await response.json()) as Record<string, unknown>
    return `${String(revision)} ${String(phase)} ${String(sha256)}`
  }

  async function page(): Promise<number> {
    return (await get('/')).status
  }

  /** By a connection of its own: a kept one may be closed by the other side just now. */
  function get(path: string): Promise<Response> {
    return fetch(`http://127.0.0.1:${frontPort}${path}`, { headers: { connection: 'close' } })
  }
}

function env(pod: Pod): Record<string, string> {
  const sidecar = pod.spec.containers.find(({ name }) => name === 'spa-reloader') as unknown as {
    env: { name: string; value?: string }[]
  }
  return Object.fromEntries(
    sidecar.env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])),
  )
}

/** The containers that mount what the sidecar's token is in. */
function tokenMounts(pod: Pod): string[] {
  return pod.spec.containers
    .filter(container => JSON.stringify(container).includes('spa-reloader-token'))
    .map(({ name }) => name)
}
