// How objects end: with their owners, and pods in their own time.

import type { Test } from 'tap'
import type { Api } from '../../../release/api.ts'
import { connect, markReady, pod, secret, until } from './cluster.ts'
import type { Json } from './cluster.ts'

export function endingsContract(t: Test, api: Api): void {
  const { send, namespace, createPod } = connect(api)

  void t.test('what has lost its last owner is deleted', async t => {
    const { path } = await namespace()
    const secrets = `${path()}/secrets`
    const owners = [
      (await send('POST', secrets, secret('owner-1'))).body.metadata,
      (await send('POST', secrets, secret('owner-2'))).body.metadata,
    ]
    const owned = (name: string, by: Json['metadata'][]) =>
      send('POST', secrets, { ...secret(name), metadata: { name, ownerReferences: by.map(reference) } })
    await owned('of-one', owners.slice(0, 1))
    await owned('of-both', owners)
    await owned('free', [])
    await send('DELETE', `${secrets}/owner-1`)
    await until(async () => (await send('GET', `${secrets}/of-one`)).status === 404)
    t.equal((await send('GET', `${secrets}/of-both`)).status, 200)
    await send('DELETE', `${secrets}/owner-2`)
    await until(async () => (await send('GET', `${secrets}/of-both`)).status === 404)
    t.equal((await send('GET', `${secrets}/free`)).status, 200)
    await owned('late', owners)
    await until(async () => (await send('GET', `${secrets}/late`)).status === 404)
  })

  void t.test('a pod that runs somewhere is given time to end; another is deleted at once', async t => {
    const { path } = await namespace()
    const pods = `${path()}/pods`
    await createPod(pods, pod('waiting'))
    t.equal((await send('DELETE', `${pods}/waiting`)).status, 200)
    t.equal((await send('GET', `${pods}/waiting`)).status, 404)

    await createPod(pods, pod('running'))
    const binding = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name: 'running' },
      target: { kind: 'Node', name: 'n' },
    }
    t.equal((await send('POST', `${pods}/running/binding`, binding)).status, 201)
    t.equal((await send('GET', `${pods}/running`)).body.spec.nodeName, 'n')
    t.match(await send('DELETE', `${pods}/running`), {
      status: 200,
      body: { metadata: { deletionTimestamp: /Z$/ } },
    })
    t.match(await send('GET', `${pods}/running`), {
      status: 200,
      body: { metadata: { deletionTimestamp: /Z$/, deletionGracePeriodSeconds: 30 } },
    })
    await send('DELETE', `${pods}/running`, undefined, { gracePeriodSeconds: 0 })
    t.equal((await send('GET', `${pods}/running`)).status, 404)
  })

  void t.test("a pod's status is what is patched into it", async t => {
    const { path } = await namespace()
    await createPod(`${path()}/pods`, { ...pod('one'), status: { phase: 'Running' } })
    t.equal((await send('GET', `${path()}/pods/one`)).body.status?.phase, 'Pending')
    const patched = await markReady(send, `${path()}/pods/one`)
    t.match(patched.body.status, { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] })
  })
}

function reference({ name, uid }: Json['metadata']) {
  return { apiVersion: 'v1', kind: 'Secret', name, uid }
}
