// GET /api/apps/:id/events over a real socket, of Events as the API server has them.

import t from 'tap'
import type { Test } from 'tap'
import type { ConsoleAppEvent } from '../../../protocol/console.ts'
import { openConsole } from '../../../console/console.ts'
import { until } from '../../cluster/wait.ts'
import { createWorld, deployment } from '../fixtures/cluster.ts'

const at = (seconds: number) => new Date(Date.UTC(2026, 10, 28, 2, 0, seconds)).toISOString()

function event(seconds: number, kind: string, name: string, message: string, more: object = {}) {
  return {
    metadata: { name: `${name}.${seconds}`, uid: `uid-${seconds}`, creationTimestamp: at(seconds) },
    involvedObject: { kind, name, uid: `${name}-uid` },
    type: 'Normal',
    reason: 'Said',
    message,
    firstTimestamp: at(seconds),
    lastTimestamp: at(seconds),
    count: 1,
    ...more,
  }
}

const items = [
  event(1, 'Deployment', 'web', 'Scaled up replica set web-6c487dcc49 from 0 to 2'),
  event(2, 'Pod', 'web-6c487dcc49-x2x7k', 'Back-off pulling image "web:missing"', {
    type: 'Warning',
    reason: 'BackOff',
    lastTimestamp: at(50),
    count: 7,
  }),
  event(3, 'ReplicaSet', 'web-6c487dcc49', 'Created pod: web-6c487dcc49-x2x7k'),
  event(4, 'Deployment', 'web-admin', 'of another one'),
  event(5, 'ReplicaSet', 'web-admin-5d9fb7c6b8', 'of another one'),
  event(6, 'Pod', 'web-admin-5d9fb7c6b8-8fqlm', 'of another one'),
  event(7, 'Pod', 'webs-5d9fb7c6b8-8fqlm', 'of another one'),
  event(8, 'Service', 'web', 'of another kind'),
]

t.test('the Events of an app, of its ReplicaSets and its pods, those that were seen last first', async t => {
  const { ask } = await open(t)
  const { status, body } = await ask('/api/apps/shop%2Fweb/events')
  t.equal(status, 200)
  t.same(
    (JSON.parse(body) as ConsoleAppEvent[]).map(({ at, level, about, text, count }) => [at, level, about, text, count]), // prettier-ignore
    [
      [at(50), 'warning', 'Pod web-6c487dcc49-x2x7k', 'Back-off pulling image "web:missing"', 7],
      [at(3), 'info', 'ReplicaSet web-6c487dcc49', 'Created pod: web-6c487dcc49-x2x7k', 1],
      [at(1), 'info', 'Deployment web', 'Scaled up replica set web-6c487dcc49 from 0 to 2', 1],
    ],
  )
})

t.test('a long list is read in pages, and at most 100 of what fits is kept', async t => {
  const names = Array.from({ length: 250 }, (_, n) => event(n, 'Deployment', n % 2 ? 'web' : 'other', `${n}`))
  const { ask, asked } = await open(t, { pages: [names, items] })
  const lines = JSON.parse((await ask('/api/apps/shop%2Fweb/events')).body) as ConsoleAppEvent[]
  t.equal(lines.length, 100)
  t.equal(lines[0]?.text, '249')
  t.same(asked, [
    { path: '/api/v1/namespaces/shop/events', limit: 500, continue: undefined },
    { path: '/api/v1/namespaces/shop/events', limit: 500, continue: '1' },
  ])
})

t.test('who asks for the same at the same time is answered by one reading', async t => {
  const { ask, asked, proceed } = await open(t, { pages: [items, items], isHeld: true })
  const path = '/api/apps/shop%2Fweb/events'
  const answers = [ask(path), ask(path)]
  await until('both have come', async () => (await ask('/api/apps/shop%2Fother/events')).status === 404)
  proceed()
  const [one, other] = await Promise.all(answers)
  t.match(one?.body, /Back-off/)
  t.equal(one?.body, other?.body)
  t.equal(asked.length, 2, 'one reading of two pages')
  await ask(path)
  t.equal(asked.length, 4, 'and then anew')
})

t.test('a reading ends with the last who waits for it', async t => {
  const { ask, asked, aborted } = await open(t, { pages: [items, items], isHeld: true })
  const [first, second] = [new AbortController(), new AbortController()]
  const path = '/api/apps/shop%2Fweb/events'
  const answers = [first, second].map(({ signal }) => ask(path, signal).catch(String))
  await until('it is read', () => asked.length === 1)
  await ask('/api/apps/shop%2Fother/events')
  first.abort()
  await answers[0]
  await ask('/api/apps/shop%2Fother/events')
  t.equal(aborted(), false, 'somebody waits still')
  second.abort()
  await until('nobody waits', aborted)
  t.equal(asked.length, 1)
})

t.test('an app of the name events is an app, and has Events, too', async t => {
  const { ask } = await open(t, { name: 'events' })
  t.match(JSON.parse((await ask('/api/apps/shop/events')).body), { id: 'shop/events' })
  t.same(JSON.parse((await ask('/api/apps/shop/events/events')).body), [])
})

t.test('there is no such app, or they may not be read', async t => {
  const { ask, asked } = await open(t, { status: 403 })
  t.equal((await ask('/api/apps/shop%2Fother/events')).status, 404)
  t.same(asked, [])
  t.equal((await ask('/api/apps/shop%2Fweb/events')).status, 500)
})

/** A console whose API server answers with this status, and with these pages; held back until `proceed`. */
async function open(
  t: Test,
  { status = 200, name = 'web', pages = [items], isHeld = false }: Partial<Server> = {},
) {
  const world = createWorld()
  world.deployments.set(name, deployment({ name }))
  const asked: { path: string; limit: unknown; continue: unknown }[] = []
  let isAborted = false
  let proceed!: () => void
  const held = isHeld ? new Promise<void>(resolve => (proceed = resolve)) : undefined
  const console = await openConsole({
    api: {
      async request({ path, query, signal }) {
        asked.push({ path, limit: query?.limit, continue: query?.continue })
        signal?.addEventListener('abort', () => (isAborted = true))
        await held
        if (status !== 200) return { status, body: { message: 'forbidden' }, headers: {} }
        const page = Number(query?.continue ?? 0)
        const metadata = page + 1 < pages.length ? { continue: String(page + 1) } : {}
        return { status, body: { metadata, items: pages[page] }, headers: {} }
      },
      stream: () => Promise.reject(new Error('not asked in this test')),
      close: () => {},
    },
    source: world.source,
    port: 0,
    hosts: [],
    version: '1.2.3',
    log: () => {},
  })
  t.teardown(console.close)
  return {
    asked,
    aborted: () => isAborted,
    proceed,
    async ask(path: string, signal?: AbortSignal) {
      const answer = await fetch(`http://127.0.0.1:${console.port}${path}`, signal ? { signal } : {})
      return { status: answer.status, body: await answer.text() }
    },
  }
}

interface Server {
  status: number
  name: string
  pages: object[][]
  isHeld: boolean
}
