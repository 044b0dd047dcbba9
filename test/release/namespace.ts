import t from 'tap'
import { createApi } from '../../release/api.ts'
import { copyNamespace } from '../../release/namespace.ts'
import { createQueue, json, kubeConfig, serve } from './server.ts'

const at = new Date('2026-11-22T10:00:05Z')

const pod = (deployment: string, seconds: number, facts = {}) => ({
  metadata: {
    name: `${deployment}-aaa-${seconds}`,
    namespace: 'shop',
    labels: { app: 'web', 'pod-template-hash': 'aaa' },
    ownerReferences: [{ kind: 'ReplicaSet', name: `${deployment}-aaa`, uid: 'rs', controller: true }],
    ...facts,
  },
  status: {
    conditions: [{ type: 'Ready', status: 'False', lastTransitionTime: `2026-11-22T10:00:0${seconds}Z` }],
  },
})

t.test('a Deployment is looked at again when a neighbour’s pod has not come back', async t => {
  const again = async (...pods: object[]) => {
    const server = await serve(({ url, res }) => {
      const resource = url.pathname.split('/').at(-1) ?? ''
      const labels = { app: 'web' }
      const items: Record<string, object[]> = {
        pods,
        deployments: [
          { metadata: { name: 'web', namespace: 'shop' }, spec: { template: { metadata: { labels } } } },
        ],
        services: [{ metadata: { name: 'web', namespace: 'shop' }, spec: { selector: labels } }],
      }
      if (url.searchParams.has('watch')) res.writeHead(200).flushHeaders()
      else json(res, 200, { metadata: { resourceVersion: '1' }, items: items[resource] ?? [] })
    })
    const api = createApi(() => kubeConfig(server.url))
    const copies = copyNamespace({ api, namespace: 'shop', log: () => {}, onMoved: () => {} })
    await copies.synced
    const ms = copies.againMs(copies.deployment('web')!, at)
    await copies.close()
    await server.close()
    return ms
  }
  t.equal(await again(pod('canary', 0), pod('canary', 3)), 25_000, 'the one that went first')
  t.equal(await again(pod('web', 0)), undefined, 'its own pods tell of themselves')
  t.equal(await again(pod('canary', 0, { labels: { app: 'other' } })), undefined, 'no Service in common')
  t.equal(await again(pod('canary', 0, { deletionTimestamp: '2026-11-22T10:00:00Z' })), undefined)
})

t.test('a pod that a Service no longer selects moves every Deployment behind it', async t => {
  const shared = { app: 'web', live: 'true' }
  const canary = pod('canary', 0, { labels: { ...shared, 'pod-template-hash': 'aaa' } })
  const events = createQueue<object>()
  const server = await serve(({ url, res }) => {
    const resource = url.pathname.split('/').at(-1) ?? ''
    const template = { metadata: { labels: shared } }
    const named = (name: string) => ({ metadata: { name, namespace: 'shop' } })
    const items: Record<string, object[]> = {
      pods: [canary],
      deployments: ['web', 'canary'].map(name => ({ ...named(name), spec: { template } })),
      services: [{ ...named('web'), spec: { selector: { live: 'true' } } }],
    }
    if (!url.searchParams.has('watch'))
      return json(res, 200, { metadata: { resourceVersion: '1' }, items: items[resource] ?? [] })
    res.writeHead(200).flushHeaders()
    if (resource === 'pods') void events.next().then(event => res.write(`${JSON.stringify(event)}\n`))
  })
  const moved = new Set<string>()
  const api = createApi(() => kubeConfig(server.url))
  const copies = copyNamespace({ api, namespace: 'shop', log: () => {}, onMoved: name => moved.add(name) })
  t.teardown(async () => {
    await copies.close()
    await server.close()
  })
  await copies.synced
  moved.clear()
  events.push({ type: 'MODIFIED', object: pod('canary', 0) })
  while (moved.size === 0) await new Promise(setImmediate)
  t.same([...moved].sort(), ['canary', 'web'])
})
