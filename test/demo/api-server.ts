import { once } from 'node:events'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { startApiServer } from '../../demo/api-server/server.ts'
import type { ApiServerOptions } from '../../demo/api-server/server.ts'
import { runControllers } from '../../demo/controllers/loop.ts'
import { createApi } from '../../release/api.ts'
import { watchResource } from '../../release/watch.ts'
import { createQueue, kubeConfig } from '../release/server.ts'
import { createCertificate } from '../tls.ts'
import { clusterContract } from './contract.ts'
import { connect, pod, secret } from './contract/cluster.ts'

const log = () => {}

t.test('the contract', async t => {
  const { server, api } = await start()
  const controllers = runControllers({ api, log })
  t.teardown(async () => {
    await controllers.close()
    api.close()
    await server.close()
  })
  clusterContract(t, api)
})

t.test('only so many changes are remembered; a watch that missed more lists again', async t => {
  const { server, api } = await start({ historySize: 3 })
  const { send, namespace } = connect(api)
  const { path } = await namespace()
  const secrets = `${path()}/secrets`
  const { resourceVersion } = (await send('GET', secrets)).body.metadata
  for (const name of ['a', 'b', 'c', 'd']) await send('POST', secrets, secret(name))
  const late = await api.stream({ path: secrets, query: { watch: true, resourceVersion } })
  if ('refused' in late) throw new Error('refused')
  const [line] = (await late.body.toArray()) as Buffer[]
  t.match(JSON.parse(String(line)), { type: 'ERROR', object: { code: 410 } })
  api.close()
  await server.close()
})

t.test(
  'a watch of ours survives a restart, though the new server knows nothing of the old versions',
  async t => {
    const { server, api } = await start()
    const { send, namespace } = connect(api)
    await send('POST', `${(await namespace()).path()}/secrets`, secret('old'))
    const changes = createQueue<string>()
    const watch = watchResource({
      api,
      path: '/api/v1/secrets',
      parse: () => true,
      onChange: ({ type, key }) => changes.push(`${type} ${key.split('/')[1]}`),
      log,
      backoffMs: 10,
    })
    t.equal(await changes.next(), 'upsert old')
    await server.close()
    const restarted = await startApiServer({ log, port: Number(new URL(server.url).port) })
    t.equal(await changes.next(), 'delete old')
    await send('POST', `${(await namespace()).path()}/secrets`, secret('new'))
    t.equal(await changes.next(), 'upsert new')
    await watch.close()
    api.close()
    await restarted.close()
  },
)

t.test('bookmarks come at their interval', async t => {
  const { server, api } = await start({ bookmarkMs: 10 })
  const { namespace, watch } = connect(api)
  const { path } = await namespace()
  const events = watch(`${path()}/secrets`, { resourceVersion: '0', allowWatchBookmarks: true })
  t.match(await events.next(), { type: 'BOOKMARK' })
  t.match(await events.next(), { type: 'BOOKMARK' })
  events.close()
  api.close()
  await server.close()
})

t.test('a namespace takes everything in it with it', async t => {
  const { server, api } = await start()
  const { send, namespace, watch } = connect(api)
  const [doomed, other] = [await namespace(), await namespace()]
  await send('POST', `${doomed.path()}/secrets`, secret('one'))
  await send('POST', `${other.path()}/secrets`, secret('two'))
  const { resourceVersion } = (await send('GET', '/api/v1/secrets')).body.metadata
  const events = watch('/api/v1/secrets', { resourceVersion })
  await send('DELETE', `/api/v1/namespaces/${doomed.name}`)
  t.match(await events.next(), { type: 'DELETED', object: { metadata: { name: 'one' } } })
  t.equal((await send('GET', '/api/v1/secrets')).body.items.length, 1)
  events.close()
  api.close()
  await server.close()
})

t.test(
  'a webhook that is named by its Service is reached where that is said to be, under its own name',
  async t => {
    const { ca, cert, key } = createCertificate('hook.system.svc')
    const paths: (string | undefined)[] = []
    const hook = https.createServer({ cert, key }, (req, res) => {
      paths.push(req.url)
      res.writeHead(500).end()
    })
    hook.listen(0, '127.0.0.1')
    await once(hook, 'listening')
    const logged: unknown[] = []
    const { server, api } = await start({
      log: (message, fields) => logged.push({ message, ...fields }),
      resolveService: (namespace, name) =>
        namespace === 'system' && name === 'hook'
          ? { host: '127.0.0.1', port: (hook.address() as AddressInfo).port }
          : undefined,
    })
    const { send, namespace } = connect(api)
    for (const name of ['hook', 'nowhere'])
      await send('POST', '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations', {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'MutatingWebhookConfiguration',
        metadata: { name },
        webhooks: [
          {
            name: `${name}.example`,
            clientConfig: {
              service: { namespace: 'system', name, path: '/mutate' },
              caBundle: Buffer.from(ca).toString('base64'),
            },
            rules: [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['pods'] }],
            failurePolicy: 'Ignore',
          },
        ],
      })
    const { path } = await namespace()
    t.equal((await send('POST', `${path()}/pods`, pod('one'))).status, 201)
    t.strictSame(paths, ['/mutate'])
    t.match(logged, [
      { message: 'webhook failed', webhook: 'hook.example', reason: 'status 500' },
      {
        message: 'webhook failed',
        webhook: 'nowhere.example',
        reason: 'Service system/nowhere has no endpoint',
      },
    ])
    api.close()
    await server.close()
    hook.close()
    hook.closeAllConnections()
  },
)

t.test('a request that is no JSON, or for nothing that is served, is told so', async t => {
  const { server, api } = await start()
  const raw = await fetch(`${server.url}/api/v1/namespaces`, { method: 'POST', body: '{' })
  t.equal(raw.status, 400)
  t.equal((await fetch(`${server.url}/api/v1/nodes`)).status, 404)
  t.equal((await fetch(`${server.url}/api/v1/nodes?watch=true`)).status, 404)
  t.equal((await fetch(`${server.url}/api/v1/pods/one`)).status, 404, 'a pod without its namespace')
  t.equal((await fetch(`${server.url}/api/v1/namespaces`, { method: 'OPTIONS' })).status, 405)
  api.close()
  await server.close()
})

async function start(options: Partial<ApiServerOptions> = {}) {
  const server = await startApiServer({ log, ...options })
  return { server, api: createApi(() => kubeConfig(server.url)) }
}
