// Objects: how they are created, named, listed, selected, updated and patched.

import { readFileSync } from 'node:fs'
import type { Test } from 'tap'
import { parse as parseYaml } from 'yaml'
import { patchType } from '../../../release/api.ts'
import type { Api, ApiRequest } from '../../../release/api.ts'
import { connect, deployment, secret, until } from './cluster.ts'
import type { Json, Send } from './cluster.ts'

export function objectsContract(t: Test, api: Api): void {
  const { send, namespace } = connect(api)

  void t.test('a created object gets its identity, its version and its first generation', async t => {
    const { path } = await namespace()
    const { status, body } = await send('POST', `${path('apps/v1')}/deployments`, deployment('web', 0))
    t.equal(status, 201)
    t.match(body.metadata, {
      uid: /^[0-9a-f-]{36}$/,
      creationTimestamp: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
      resourceVersion: /^\d+$/,
      generation: 1,
    })
    t.match((await send('GET', `${path('apps/v1')}/deployments/web`)).body.metadata.uid, body.metadata.uid)
  })

  void t.test('names: generated, taken, unknown, and in a namespace that is not there', async t => {
    const { path } = await namespace()
    const secrets = `${path()}/secrets`
    const generated = await send('POST', secrets, { ...secret(''), metadata: { generateName: 'made-' } })
    t.match(generated.body.metadata.name, /^made-[a-z0-9]{5}$/)
    t.equal((await send('POST', secrets, secret('one'))).status, 201)
    t.match(await send('POST', secrets, secret('one')), { status: 409, body: { reason: 'AlreadyExists' } })
    t.match(await send('GET', `${secrets}/two`), {
      status: 404,
      body: { kind: 'Status', reason: 'NotFound', message: 'secrets "two" not found' },
    })
    t.match(await send('DELETE', `${secrets}/two`), { status: 404 })
    t.match(await send('POST', '/api/v1/namespaces/nowhere/secrets', secret('one')), {
      status: 404,
      body: { message: 'namespaces "nowhere" not found' },
    })
    t.match(await send('POST', secrets, { apiVersion: 'v1', kind: 'Pod' }), { status: 400 })
    t.match(await send('GET', `${path('apps/v1')}/nonsense`), { status: 404 })
  })

  void t.test('a Secret takes text and gives it back in base64', async t => {
    const { path } = await namespace()
    const made = await send('POST', `${path()}/secrets`, { ...secret('one'), stringData: { key: 'ü' } })
    t.strictSame(made.body.data, { key: Buffer.from('ü').toString('base64') })
    t.notOk('stringData' in made.body)
  })

  void t.test('lists are of one namespace or of all, and selected by labels and by name', async t => {
    const { name, path } = await namespace()
    for (const [secretName, labels] of Object.entries({ a: { x: '1' }, b: { x: '2', y: '' }, c: undefined }))
      await send('POST', `${path()}/secrets`, secret(secretName, labels))
    const select = async (query: ApiRequest['query'], everywhere = false) => {
      const { status, body } = await send(
        'GET',
        everywhere ? '/api/v1/secrets' : `${path()}/secrets`,
        undefined,
        query,
      )
      return status === 200 ? body.items.map(({ metadata }) => metadata.name).join() : status
    }
    const labelled: Record<string, unknown> = {
      'x=1': 'a',
      'x==1': 'a',
      'x!=1': 'b,c',
      x: 'a,b',
      '!x': 'c',
      'x in (1,2),y': 'b',
      'x notin (1, 3)': 'b,c',
      'y=': 'b',
      'x in 1': 400,
    }
    for (const [labelSelector, names] of Object.entries(labelled))
      t.equal(await select({ labelSelector }), names, labelSelector)
    t.equal(await select({ fieldSelector: 'metadata.name=b' }), 'b')
    t.equal(await select({ fieldSelector: 'metadata.name!=b' }), 'a,c')
    t.equal(await select({ fieldSelector: 'nonsense=b' }), 400)
    t.equal(await select({ fieldSelector: `metadata.namespace=${name}`, labelSelector: 'x' }, true), 'a,b')
    t.match((await send('GET', `${path()}/secrets`)).body, {
      kind: 'SecretList',
      apiVersion: 'v1',
      metadata: { resourceVersion: /^\d+$/ },
    })
    t.match(
      (
        await send('GET', '/api/v1/namespaces', undefined, {
          labelSelector: `kubernetes.io/metadata.name=${name}`,
        })
      ).body.items,
      [{ metadata: { name } }],
    )
  })

  void t.test(
    'an update needs the latest version, and makes a new one only when it changes something',
    async t => {
      const { path } = await namespace()
      const one = `${path('apps/v1')}/deployments/web`
      const first = (await send('POST', `${path('apps/v1')}/deployments`, deployment('web', 0))).body
      const labelled = { ...first, metadata: { ...first.metadata, labels: { a: 'b' } } }
      const second = (await settled(send, one, labelled)).body
      t.not(second.metadata.resourceVersion, first.metadata.resourceVersion)
      t.equal(second.metadata.generation, 1, 'labels are not what a generation counts')
      t.match(await send('PUT', one, first), { status: 409, body: { reason: 'Conflict' } })
      let latest, same
      do {
        latest = (await send('GET', one)).body
        same = await send('PUT', one, latest)
      } while (same.status === 409) // the Deployment controller wrote its status in between
      t.equal(same.body.metadata.resourceVersion, latest.metadata.resourceVersion)
      const patched = await send('PATCH', one, { spec: { paused: true } })
      t.equal(patched.body.metadata.generation, 2)
      t.match(await send('PUT', `${path('apps/v1')}/deployments/other`, latest), { status: 400 })
    },
  )

  void t.test('a status is written at /status alone, against the version that was read', async t => {
    const { path } = await namespace()
    const releases = await installReleases(send, path)
    const release = { apiVersion: 'spa-reloader.io/v1', kind: 'Release', metadata: { name: 'web' } }
    const made = (await send('POST', releases, { ...release, status: { serial: 1 } })).body
    t.notOk(made.status, 'a status does not come in at creation')
    const written = await send('PUT', `${releases}/web/status`, {
      ...release,
      metadata: { ...made.metadata, labels: { a: 'b' } },
      status: { serial: 2, known: [['6c487dcc49', '', 1]] },
    })
    t.match(written, { status: 200, body: { status: { serial: 2, known: [['6c487dcc49', '', 1]] } } })
    t.notOk(written.body.metadata.labels, 'nothing but the status is written there')
    t.equal(written.body.metadata.generation, 1)
    t.match(await send('PUT', `${releases}/web/status`, { ...made, status: { serial: 3 } }), {
      status: 409,
      body: { reason: 'Conflict' },
    })
    const patched = await send('PATCH', `${releases}/web`, {
      metadata: { labels: { a: 'b' } },
      status: { serial: 4 },
    })
    t.match(patched.body, { metadata: { labels: { a: 'b' } }, status: { serial: 2 } })
  })

  void t.test('patches: merge, JSON Patch and what they refuse', async t => {
    const { path } = await namespace()
    const one = `${path()}/secrets/one`
    await send('POST', `${path()}/secrets`, secret('one', { a: '1', b: '2' }))
    const merged = await send('PATCH', one, { metadata: { labels: { a: null, c: '3' } } })
    t.strictSame(merged.body.metadata.labels, { b: '2', c: '3' })
    const json = (operations: unknown[]) => send('PATCH', one, operations, undefined, patchType.json)
    const changed = await json([
      { op: 'test', path: '/metadata/labels/b', value: '2' },
      { op: 'replace', path: '/metadata/labels/b', value: '4' },
    ])
    t.strictSame(changed.body.metadata.labels, { b: '4', c: '3' })
    t.match(await json([{ op: 'test', path: '/metadata/labels/b', value: '2' }]), { status: 422 })
    t.match(await json([{ op: 'remove', path: '/metadata/labels/z' }]), { status: 422 })
    const { resourceVersion } = merged.body.metadata
    t.match(await send('PATCH', one, { metadata: { resourceVersion, labels: { d: '5' } } }), { status: 409 })
    t.match(await send('PATCH', one, {}, undefined, 'application/json'), { status: 415 })
    t.match(await send('PATCH', `${path()}/secrets/two`, {}), { status: 404 })
  })
}

/** On a real cluster controllers write at the same time: whoever changes the latest version may have to look again. */
async function settled(send: Send, path: string, change: Json) {
  return until(async () => {
    const { body } = await send('GET', path)
    const { labels } = change.metadata
    const response = await send('PUT', path, { ...body, metadata: { ...body.metadata, labels } })
    return response.status === 200 ? response : undefined
  })
}

/** Defines our resource, waits until it is served, and returns the path of its objects. */
export async function installReleases(send: Send, path: (apiVersion: string) => string): Promise<string> {
  const file = new URL('../../../manifests/10-release.yaml', import.meta.url)
  const definition: unknown = parseYaml(readFileSync(file, 'utf8'))
  await send('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition)
  const releases = `${path('spa-reloader.io/v1')}/releases`
  await until(async () => (await send('GET', releases)).status === 200)
  return releases
}
