// GET /api/apps/:id/events over a real socket, of Events as the API server has them.

import t from 'tap'
import type { ConsoleAppEvent } from '../../../protocol/console.ts'
import { openConsole } from '../../../console/console.ts'
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
  const { ask, asked } = await open(t, 200)
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
  t.same(asked, ['/api/v1/namespaces/shop/events'])
})

t.test('an app of the name events is an app, and has Events, too', async t => {
  const { ask } = await open(t, 200, 'events')
  t.match(JSON.parse((await ask('/api/apps/shop/events')).body), { id: 'shop/events' })
  t.same(JSON.parse((await ask('/api/apps/shop/events/events')).body), [])
})

t.test('there is no such app, or they may not be read', async t => {
  const { ask, asked } = await open(t, 403)
  t.equal((await ask('/api/apps/shop%2Fother/events')).status, 404)
  t.same(asked, [])
  t.equal((await ask('/api/apps/shop%2Fweb/events')).status, 500)
})

/** A console whose API server answers with this status. */
async function open(t: { teardown(run: () => unknown): void }, status: number, name = 'web') {
  const world = createWorld()
  world.deployments.set(name, deployment({ name }))
  const asked: string[] = []
  const console = await openConsole({
    api: {
      request: async ({ path }) => {
        asked.push(path)
        return { status, body: status === 200 ? { items } : { message: 'forbidden' }, headers: {} }
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
    async ask(path: string) {
      const answer = await fetch(`http://127.0.0.1:${console.port}${path}`)
      return { status: answer.status, body: await answer.text() }
    },
  }
}
