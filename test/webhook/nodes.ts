// The form of new sidecars follows the kubelets, as the API server tells of them in a table.

import t from 'tap'
import type { Test } from 'tap'
import { createApi } from '../../release/api.ts'
import { lookAtNodes } from '../../webhook/nodes.ts'
import { until } from '../demo/contract/cluster.ts'
import { json, kubeConfig, serve } from '../release/server.ts'

const columns = ['Name', 'Status', 'Roles', 'Age', 'Version'].map(name => ({ name, type: 'string' }))

/** An API server with nodes of these versions, two on a page; undefined: it refuses. */
async function look(t: Test, cluster: { versions: string[] | undefined }) {
  const server = await serve(({ url, req, res }) => {
    const { versions } = cluster
    if (!versions) return json(res, 403, { message: 'forbidden' })
    t.match(req.headers.accept, /as=Table/)
    t.equal(url.searchParams.get('includeObject'), 'None')
    const from = Number(url.searchParams.get('continue') ?? 0)
    const rows = versions.slice(from, from + 2).map(version => ({ cells: ['n', 'Ready', '', '1d', version] }))
    const next = from + 2 < versions.length ? String(from + 2) : ''
    json(res, 200, { kind: 'Table', metadata: { continue: next }, columnDefinitions: columns, rows })
  })
  const api = createApi(() => kubeConfig(server.url))
  const logged: string[] = []
  const nodes = lookAtNodes({ api, log: message => void logged.push(message), everyMs: 10 })
  t.teardown(async () => {
    nodes.close()
    api.close()
    await server.close()
  })
  await nodes.looked
  return { nodes, logged }
}

t.test('native where every kubelet is 1.33 or newer', async t => {
  const versions: [isNative: boolean, ...string[]][] = [
    [true, 'v1.33.0'],
    [true, 'v1.34.4', 'v1.33.1-gke.1001000', 'v1.35.0+k3s1'],
    [true, 'v2.0.0'],
    [false],
    [false, 'v1.32.9'],
    [false, 'v1.34.0', 'v1.34.0', 'v1.30.1'],
    [false, 'v1.34.0', 'azure-aci/v1.6.2'],
    [false, 'v1.34.0', ''],
  ]
  for (const [isNative, ...each] of versions) {
    const { nodes } = await look(t, { versions: each })
    t.equal(nodes.areNative(), isNative, each.join())
  }
})

t.test('plain until it is known, and what was known stays while nodes cannot be listed', async t => {
  const cluster: { versions: string[] | undefined } = { versions: undefined }
  const { nodes, logged } = await look(t, cluster)
  t.notOk(nodes.areNative())
  t.equal(logged[0], 'nodes not listed')
  cluster.versions = ['v1.34.4']
  await until(async () => nodes.areNative())
  cluster.versions = undefined
  const before = logged.length
  await until(async () => logged.length > before + 2)
  t.ok(nodes.areNative())
  cluster.versions = ['v1.34.4', 'v1.32.0']
  await until(async () => !nodes.areNative())
})
