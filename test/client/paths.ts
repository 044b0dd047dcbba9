// An app below a path of its own, whether or not the Ingress strips that path: every address of the client reaches the real sidecar.

import t from 'tap'
import { newId } from '../sidecar/state.ts'
import { fresh, old, onOld, openTab, startIngress, startPod } from './fixtures/site.ts'

const tags: [page: string, src: string, base: string][] = [
  ['/shop/', '__spa/client.js', '/shop/__spa/'],
  ['/shop/', '/shop/__spa/client.js', '/shop/__spa/'],
  ['/shop/cart/42?tab=2#top', '/shop/__spa/client.js', '/shop/__spa/'],
  ['/shop/cart/42', '__spa/client.js', '/shop/cart/__spa/'],
]

for (const isStripping of [true, false])
  for (const [page, src, base] of tags)
    t.test(
      `an Ingress that ${isStripping ? 'strips' : 'keeps'} /shop: ${page} with a script at ${src}`,
      async t => {
        const pods = { old: await startPod(t, old), fresh: await startPod(t, fresh) }
        const ingress = await startIngress(t, pods.old, { prefix: '/shop', isStripping })
        pods.old.tell(onOld)
        const { reloader, reached } = await openTab(t, ingress, page, src)
        await reached(({ connection, status }) => connection === 'open' && status === 'current')
        t.equal(ingress.seen.at(-1), `${base}ws?v=web-${old}`)
        t.same(pods.old.pages(), [[`web-${old}`, 1]], 'the query came through as well')

        const before = ingress.seen.length
        t.equal(await reloader.check(), false)
        t.same(ingress.seen.slice(before), [`${base}version?v=web-${old}`])

        ingress.to(pods.fresh)
        pods.fresh.tell({ serial: 2 })
        pods.old.tell({ serial: 2 })
        await reached(({ status }) => status === 'update')
        t.equal(reloader.state.target?.id, newId)
        const [path = ''] = page.split('?')
        t.equal(ingress.seen.at(-1), path, 'its own document, without query')
        t.same(pods.fresh.asked, [isStripping ? path.slice('/shop'.length) : path])
        t.notOk(
          [...pods.old.asked, ...pods.fresh.asked].some(path => path.includes('__spa')),
          'the app is asked for nothing of ours',
        )
      },
    )

t.test('below a path the event stream and polling find the sidecar too', async t => {
  for (const isStripping of [true, false]) {
    const pods = { old: await startPod(t, old), fresh: await startPod(t, fresh) }
    const ingress = await startIngress(t, pods.old, { prefix: '/shop', isStripping, sockets: 'stripped' })
    pods.old.tell(onOld)
    const { reached } = await openTab(t, ingress, '/shop/cart/42', '/shop/__spa/client.js', 10)
    await reached(({ connection, status }) => connection === 'events' && status === 'current')
    t.ok(ingress.seen.includes(`/shop/__spa/events?v=web-${old}`))
    t.match(pods.old.tabs(), { tabs: 1, streams: 1 })
  }
})

t.test('a router that has gone where another app answers is no proof of a new version', async t => {
  const pods = { old: await startPod(t, old), fresh: await startPod(t, fresh) }
  const ingress = await startIngress(t, pods.old, { prefix: '/shop', isStripping: true })
  pods.old.tell(onOld)
  const { reloader, reached, goTo } = await openTab(t, ingress, '/shop/', '__spa/client.js')
  await reached(({ connection }) => connection === 'open')
  goTo('/landing')
  ingress.to(pods.fresh)
  pods.old.tell({ serial: 2 })
  await reached(({ target }) => target?.id === newId)
  t.equal(await reloader.check(), false)
  t.equal(ingress.seen.at(-1), '/landing')
  t.equal(reloader.state.status, 'rolling')
  goTo('/shop/cart/7')
  t.equal(await reloader.check(), true)
  t.equal(ingress.seen.at(-1), '/shop/cart/7')
})
