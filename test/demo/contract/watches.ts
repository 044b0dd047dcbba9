// Watches: what they bring, and how they begin and end.

import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import type { Api } from '../../../release/api.ts'
import { connect, secret } from './cluster.ts'
import type { Json } from './cluster.ts'
import { installReleases } from './objects.ts'

export function watchesContract(t: Test, api: Api): void {
  const { send, namespace, watch } = connect(api)

  void t.test('a watch brings what happens after a version, in the eyes of its selector', async t => {
    const { path } = await namespace()
    const secrets = `${path()}/secrets`
    await send('POST', secrets, secret('before', { x: '1' }))
    const { resourceVersion } = (await send('GET', secrets)).body.metadata
    const label = (name: string, x: string) =>
      send('PATCH', `${secrets}/${name}`, { metadata: { labels: { x } } })
    await send('POST', secrets, secret('one', { x: '1' }))
    await send('POST', secrets, secret('two', { x: '2' }))
    await label('two', '1')
    await label('two', '2')
    await send('PATCH', `${secrets}/one`, { metadata: { annotations: { a: 'b' } } })
    await send('DELETE', `${secrets}/one`)
    const events = watch(secrets, { resourceVersion, labelSelector: 'x=1' })
    const versions: number[] = []
    for (const expected of ['ADDED one', 'ADDED two', 'DELETED two', 'MODIFIED one', 'DELETED one']) {
      const { type, object } = await events.next()
      t.equal(`${type} ${object.metadata.name}`, expected)
      versions.push(Number(object.metadata.resourceVersion))
    }
    t.strictSame(
      versions,
      [...versions].sort((a, b) => a - b),
      'every event has its own, later version',
    )
    t.equal(new Set(versions).size, 5)
    await send('POST', secrets, secret('three', { x: '1' }))
    t.match(await events.next(), {
      type: 'ADDED',
      object: { kind: 'Secret', apiVersion: 'v1', metadata: { name: 'three' } },
    })
    events.close()
  })

  void t.test('a watch from version 0 begins with everything', async t => {
    const { path } = await namespace()
    await send('POST', `${path()}/secrets`, secret('one'))
    const events = watch(`${path()}/secrets`, { resourceVersion: '0', fieldSelector: 'metadata.name=one' })
    t.match(await events.next(), { type: 'ADDED', object: { metadata: { name: 'one' } } })
    events.close()
  })

  void t.test('a watch from a version that is no longer remembered is told 410', async t => {
    const { path } = await namespace()
    const releases = await installReleases(send, path)
    const opened = await api.stream({ path: releases, query: { watch: true, resourceVersion: '1' } })
    if ('refused' in opened) throw new Error('refused')
    const [line] = (await text(opened.body)).split('\n')
    t.match(JSON.parse(line ?? ''), {
      type: 'ERROR',
      object: { kind: 'Status', code: 410, reason: 'Expired' },
    })
  })

  void t.test('a watch with a time limit sends a bookmark of what it has seen pass, and ends', async t => {
    const [{ path }, other] = [await namespace(), await namespace()]
    const { resourceVersion } = (await send('GET', `${path()}/secrets`)).body.metadata
    const query = { watch: true, resourceVersion, allowWatchBookmarks: true, timeoutSeconds: 4 }
    const opened = await api.stream({ path: `${path()}/secrets`, query })
    if ('refused' in opened) throw new Error('refused')
    const passed = (await send('POST', `${other.path()}/secrets`, secret('one'))).body.metadata
    const events = (await text(opened.body)).split('\n').filter(Boolean)
    const bookmark = JSON.parse(events.at(-1) ?? '') as { type: string; object: Json }
    t.match(bookmark, { type: 'BOOKMARK', object: { kind: 'Secret', apiVersion: 'v1' } })
    t.ok(Number(bookmark.object.metadata.resourceVersion) >= Number(passed.resourceVersion))
  })
}
