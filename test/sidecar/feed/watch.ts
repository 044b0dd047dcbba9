import t from 'tap'
import type { Test } from 'tap'
import { createApi } from '../../../release/api.ts'
import { createFeeds } from '../../../sidecar/feed/feeds.ts'
import { createWatchFeed } from '../../../sidecar/feed/watch.ts'
import type { ReleaseState } from '../../../protocol/release.ts'
import { json, kubeConfig, serveByHand } from '../../release/server.ts'
import type { Exchange } from '../../release/server.ts'
import { releaseState } from '../state.ts'

t.test('the Release of that name is listed and watched, and each state is handed on', async t => {
  const { next, list, heard, until } = await setUp(t)
  const listing = await next()
  t.equal(listing.url.pathname, '/apis/spa-reloader.io/v1/namespaces/shop/releases')
  t.equal(listing.url.searchParams.get('fieldSelector'), 'metadata.name=web')
  t.equal(listing.req.headers.authorization, 'Bearer secret')
  list(listing, releaseState({ serial: 1 }))
  const watching = await next()
  t.equal(watching.url.searchParams.get('watch'), 'true')
  t.equal(watching.url.searchParams.get('fieldSelector'), 'metadata.name=web')
  watching.res.write(event('MODIFIED', release(releaseState({ serial: 2 }))))
  await until(() => heard.length === 2)
  t.same(heard, [releaseState({ serial: 1 }), releaseState({ serial: 2 })])
})

t.test('a Release without a state, with a malformed one, or deleted changes nothing', async t => {
  const { next, list, heard, until } = await setUp(t)
  list(await next(), releaseState({ serial: 1 }))
  const { res } = await next()
  res.write(event('MODIFIED', release(undefined)))
  res.write(event('MODIFIED', release({ ...releaseState(), epoch: 7 })))
  res.write(event('DELETED', release(releaseState({ serial: 3 }))))
  res.write(event('ADDED', release(releaseState({ serial: 4 }))))
  await until(() => heard.length === 2)
  t.same(
    heard.map(({ serial }) => serial),
    [1, 4],
  )
})

t.test('refused for whatever reason, it goes on asking, and says it once for each reason', async t => {
  const { next, list, heard, lines, feed, until } = await setUp(t)
  const refusals = [403, 403, 403, 429, 500, 403]
  for (const status of refusals) json((await next()).res, status, { message: `no ${status}` })
  list(await next(), releaseState({ serial: 1 }))
  const { res } = await next()
  res.flushHeaders()
  await until(() => lines.includes('release watched undefined'))
  t.same(lines, [
    'release not watched 403: no 403',
    'release not watched 429: no 429',
    'release not watched 500: no 500',
    'release not watched 403: no 403',
    'release watched undefined',
  ])
  t.equal(feed.errors(), 4)
  t.equal(heard.length, 1)
})

t.test('after 401 the token is read again', async t => {
  const { next, list, heard, rotate, until } = await setUp(t)
  const refused = await next()
  rotate('renewed')
  json(refused.res, 401, { message: 'expired' })
  const again = await next()
  t.equal(again.req.headers.authorization, 'Bearer renewed')
  list(again, releaseState())
  await until(() => heard.length === 1)
})

t.test('an API server that goes away and comes back is watched on, and the last state stays', async t => {
  const { next, list, heard, lines, server, port, until } = await setUp(t)
  list(await next(), releaseState({ serial: 1 }))
  await next()
  await server.close()
  await until(() => lines.some(line => line.includes('ECONNREFUSED')))
  const back = await serveByHand(port)
  t.teardown(back.close)
  const again = await back.next()
  json(again.res, 410, { message: 'too old' })
  list(await back.next(), releaseState({ serial: 2 }))
  await until(() => heard.length === 2)
  t.same(
    heard.map(({ serial }) => serial),
    [1, 2],
  )
})

t.test('without credentials it says so, and the process goes on', async t => {
  const lines: string[] = []
  const feed = createWatchFeed({
    namespace: 'shop',
    name: 'web',
    offer: () => t.fail('a state from nowhere'),
    log: (message, fields) => void lines.push(`${message} ${fields?.reason}`),
    connect() {
      throw new Error('no service account')
    },
  })
  feed.open()
  t.same(lines, ['release not watched no service account'])
  t.equal(feed.errors(), 1)
  feed.close()
})

t.test('the file is read too: it is what there is while the API server says nothing', async t => {
  const podDir = t.testdir({ release: JSON.stringify(releaseState({ serial: 5 })) })
  const heard: ReleaseState[] = []
  const options = { podDir, namespace: 'shop', name: 'web', log: () => {} }
  // Where KUBECONFIG leads nowhere, and there is no service account: as in a pod whose token was not mounted.
  const before = process.env.KUBECONFIG
  process.env.KUBECONFIG = podDir
  t.teardown(() => {
    if (before === undefined) delete process.env.KUBECONFIG
    else process.env.KUBECONFIG = before
  })
  const feeds = createFeeds({ ...options, feed: 'watch', offer: state => void heard.push(state) })
  t.teardown(feeds.close)
  feeds.open()
  t.same(
    heard.map(({ serial }) => serial),
    [5],
  )
  while (feeds.errors().length < 2) await new Promise(resolve => setTimeout(resolve, 5))
  t.same(feeds.errors(), [
    ['downward', 0],
    ['watch', 1],
  ])
})

async function setUp(t: Test) {
  const server = await serveByHand()
  let token = 'secret'
  const heard: ReleaseState[] = []
  const lines: string[] = []
  let wake = () => {}
  const feed = createWatchFeed({
    namespace: 'shop',
    name: 'web',
    backoffMs: 1,
    connect: () => createApi(() => kubeConfig(server.url, { token })),
    offer(state) {
      heard.push(state)
      wake()
    },
    log(message, fields) {
      lines.push(`${message} ${fields?.reason}`)
      wake()
    },
  })
  feed.open()
  t.teardown(async () => {
    feed.close()
    await server.close()
  })
  const { next, port } = server
  return { server, port, next, list, heard, lines, feed, rotate, until }

  function rotate(next: string): void {
    token = next
  }

  async function until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await new Promise<void>(resolve => (wake = resolve))
  }
}

function list({ res }: Exchange, state: unknown): void {
  json(res, 200, { metadata: { resourceVersion: '10' }, items: [release(state)] })
}

function release(status: unknown) {
  return { metadata: { name: 'web', namespace: 'shop', uid: 'u', resourceVersion: '11' }, status }
}

function event(type: string, object: unknown): string {
  return `${JSON.stringify({ type, object })}\n`
}
