// GET /api/deploys/:id/logs over real sockets, of a cluster that a test moves.

import { PassThrough } from 'node:stream'
import t from 'tap'
import type { Test } from 'tap'
import { openConsole } from '../../../console/console.ts'
import type { Api, ApiRequest } from '../../../release/api.ts'
import { until } from '../../cluster/wait.ts'
import { createWorld, deployment, pod, replicaSet, startedAt } from '../fixtures/cluster.ts'
import { openStream } from '../fixtures/stream.ts'

const path = '/api/deploys/shop%2Fweb@1/logs'
const owner = (kind: string, name: string) => [{ kind, name, uid: `${name}-uid`, controller: true }]
const revision = { 'deployment.kubernetes.io/revision': '1' }

const rawDeployment = {
  metadata: { name: 'web', namespace: 'shop', uid: 'web-uid', resourceVersion: '1', annotations: revision },
  spec: { replicas: 2, selector: { matchLabels: { app: 'web' } }, template: {} },
  status: { conditions: [{ type: 'Progressing', status: 'True', reason: 'ReplicaSetUpdated' }] },
}
const rawSet = {
  metadata: {
    name: 'web-h1',
    namespace: 'shop',
    uid: 'web-h1-uid',
    creationTimestamp: startedAt,
    labels: { 'pod-template-hash': 'h1' },
    annotations: revision,
    ownerReferences: owner('Deployment', 'web'),
  },
  spec: { template: { spec: { containers: [{ name: 'web', image: 'web:1' }] } } },
}

/** A pod whose container has ended, and is in this state now. */
function crashed(name: string, restartCount: number, state: object) {
  const terminated = { exitCode: 1, reason: 'Error', finishedAt: startedAt }
  return {
    metadata: {
      name,
      namespace: 'shop',
      uid: name,
      creationTimestamp: startedAt,
      ownerReferences: owner('ReplicaSet', 'web-h1'),
    },
    spec: { containers: [{ name: 'web', image: 'web:1' }] },
    status: { containerStatuses: [{ name: 'web', restartCount, state, lastState: { terminated } }] },
  }
}

t.test('of a Deployment that is deleted the log says that it is over, and ends', async t => {
  const { console, world, tell } = await open(t)
  const stream = await openStream(console.port, path)
  t.teardown(stream.close)
  await stream.until(({ type }) => type === 'deploy_log')
  t.match(stream.told[0], { type: 'reset', payload: { deploy: { status: 'rolling' } } })
  world.deployments.clear()
  tell('deployments', { type: 'DELETED', object: rawDeployment })
  t.match(await stream.until(({ type }) => type === 'end'), {
    id: 'end',
    payload: { status: 'superseded' },
  })
  t.match(
    stream.told.filter(({ type }) => type === 'deploy_status').map(({ payload }) => payload),
    [{ id: 'shop/web@1', status: 'superseded' }],
    'once, before the end',
  )
  await stream.ended
})

t.test('who has heard the end is told that there is no more', async t => {
  const { console } = await open(t)
  const stream = await openStream(console.port, path, { 'Last-Event-ID': 'end' })
  t.equal(stream.status, 204)
  await stream.ended
})

t.test('the last lines of a container that crashed, of the run that crashed', async t => {
  const pods = [
    crashed('web-h1-again', 1, { running: { startedAt } }),
    crashed('web-h1-waiting', 2, { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 20s' } }),
    crashed('web-h1-ended', 0, {
      terminated: { exitCode: 1, reason: 'Error', finishedAt: startedAt },
    }),
  ]
  const { console, asked } = await open(t, { pods, readsOutput: true })
  const stream = await openStream(console.port, path)
  t.teardown(stream.close)
  const lines = () =>
    stream.told
      .filter(({ type }) => type === 'deploy_log')
      .flatMap(({ payload }) => payload as unknown as { about: string; text: string }[])
  const output = () =>
    lines()
      .filter(({ text }) => text.startsWith('said by'))
      .map(({ about, text }) => `${about}: ${text}`)
  await until('what each has said', () => output().length >= 6)
  t.same(output().toSorted(), [
    'Pod web-h1-again: said by web-h1-again, previous true',
    'Pod web-h1-again: said by web-h1-again, to the end',
    'Pod web-h1-ended: said by web-h1-ended, previous false',
    'Pod web-h1-ended: said by web-h1-ended, to the end',
    'Pod web-h1-waiting: said by web-h1-waiting, previous false',
    'Pod web-h1-waiting: said by web-h1-waiting, to the end',
  ])
  const logs = asked.filter(({ path }) => path.endsWith('/log'))
  t.equal(logs.length, 3, 'each is asked once')
  for (const { query } of logs) t.match(query, { container: 'web', tailLines: 10, limitBytes: 4_096 })
})

t.test('without the right to, no container is asked what it said', async t => {
  const pods = [crashed('web-h1-again', 1, { running: { startedAt } })]
  const { console, asked } = await open(t, { pods })
  const stream = await openStream(console.port, path)
  t.teardown(stream.close)
  await stream.until(({ payload }) => JSON.stringify(payload).includes('ended with 1 (Error)'))
  t.same(
    asked.filter(({ path }) => path.endsWith('/log')),
    [],
  )
})

/** A console, and an API server with one Deployment that rolls out; `tell` adds a line to the watches of a kind. */
async function open(
  t: Test,
  { pods = [], readsOutput = false }: { pods?: object[]; readsOutput?: boolean } = {},
) {
  const world = createWorld()
  world.deployments.set('web', deployment({ progress: 'ReplicaSetUpdated', updated: 1 }))
  world.replicaSets.set('web-h1', replicaSet())
  world.pods.set('web-h1-a', pod())
  const items: Record<string, object[]> = { deployments: [rawDeployment], replicasets: [rawSet], pods }
  const asked: ApiRequest[] = []
  const watches = new Map<string, PassThrough>()
  const kindOf = (path: string) => path.slice(path.lastIndexOf('/') + 1)
  const api: Api = {
    async request(request) {
      asked.push(request)
      const { path, query } = request
      const [, name] = /pods\/(.+)\/log$/.exec(path) ?? []
      const body = name
        ? `said by ${name}, previous ${query?.['previous']}\nsaid by ${name}, to the end\n`
        : { metadata: { resourceVersion: '1' }, items: items[kindOf(path)] ?? [] }
      return { status: 200, headers: {}, body }
    },
    async stream({ path, signal }) {
      const body = new PassThrough()
      signal?.addEventListener('abort', () => body.destroy())
      watches.set(kindOf(path), body)
      return { body }
    },
    close: () => {},
  }
  const console = await openConsole({
    api,
    source: world.source,
    port: 0,
    hosts: [],
    readsOutput,
    version: '1.2.3',
    log: () => {},
  })
  t.teardown(console.close)
  return {
    console,
    world,
    asked,
    tell: (kind: string, line: object) => watches.get(kind)?.write(`${JSON.stringify(line)}\n`),
  }
}
