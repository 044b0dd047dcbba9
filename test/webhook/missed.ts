import t from 'tap'
import { label, option } from '../../protocol/names.ts'
import type { Api } from '../../release/api.ts'
import { parseDeployment, parsePod, parseReplicaSet } from '../../release/objects.ts'
import type { Pod } from '../../release/objects.ts'
import { object } from '../../release/raw.ts'
import type { Breaker } from '../../webhook/breaker.ts'
import type { Told } from '../../webhook/events.ts'
import { createMissedPods } from '../../webhook/missed.ts'
import { readGolden } from './goldens.ts'

const { pod, context } = readGolden('helm')
const revision = { 'deployment.kubernetes.io/revision': '1' }
const { labels } = object(pod.metadata)
const template = { metadata: { labels, annotations: { [option.restart]: 'auto' } }, spec: pod.spec }
const meta = { namespace: 'shop', annotations: revision, resourceVersion: '1' }
const deployment = parseDeployment({ metadata: { ...meta, name: 'web', uid: 'd' }, spec: { template } })!
const uid = '0d7a3c5e-6b0f-4a3e-9a45-2f1f4c5b6a70'
const rawReplicaSet = { metadata: { ...meta, name: 'web-6c487dcc49', uid, labels }, spec: { template } }
const replicaSets = [parseReplicaSet(rawReplicaSet)!]
const pods = [
  parsePod({ ...pod, metadata: { ...object(pod.metadata), namespace: 'shop', name: 'web-1', uid: 'p' } })!,
]

/** One pod without the sidecar, and others; its people ask for a restart, and an API server that answers trials so. */
function start({ breaker = undefined as Breaker | undefined, others = [] as Pod[] } = {}) {
  const server = {
    isAsking: true,
    refuses: 'none' as 'none' | 'injected' | 'all',
    restart: 'restarted' as 'restarted' | 'lately',
  }
  const told: Told[] = []
  const state = { breaker }
  let restarts = 0
  let ms = Date.parse('2026-11-28T12:00:00Z')
  const request: Api['request'] = async ({ method, body }) => {
    const isPlain = object(object(object(body).metadata).labels)[label.inject] === 'false'
    const isRefused = server.refuses === 'all' || (server.refuses === 'injected' && !isPlain)
    if (method === 'POST' && isRefused) return { status: 403, headers: {}, body: { message: 'denied' } }
    const made = { metadata: { labels: server.isAsking ? { [label.injected]: 'true' } : {} } }
    return { status: 200, headers: {}, body: method === 'POST' ? made : rawReplicaSet }
  }
  const missed = createMissedPods({
    api: { request } as Api,
    namespace: 'shop',
    tell: event => told.push(event),
    restarts: {
      seen: () => {},
      ask: async () => {
        restarts += 1
        return server.restart
      },
    },
    now: () => new Date(ms),
  })
  return {
    server,
    state,
    told: () => told.map(({ message }) => message),
    restarts: () => restarts,
    count: missed.count,
    async look(afterMs = 0) {
      ms += afterMs
      const all = { ...context, breaker: () => state.breaker }
      return missed.look({ deployment, pods: [...pods, ...others], replicaSets, context: all })
    },
  }
}

t.test('pods that were missed are replaced where their people want it', async t => {
  const { look, told, restarts, count } = start()
  await look()
  t.match(told(), [/^missed: pods run without the sidecar: .* They are replaced$/])
  t.same([restarts(), count()], [1, 1])
})

t.test(
  'where the API server does not ask us, they are told of, and a restart would change nothing',
  async t => {
    const { server, look, told, restarts, count } = start()
    server.isAsking = false
    t.equal(await look(), 5_000)
    t.same([told(), restarts(), count()], [[], 0, 1], 'it may not have heard of the label yet')
    t.equal(await look(1_000), 4_000, 'whatever moves meanwhile')
    t.equal(await look(4_000), 60_000)
    t.match(told(), [/^missed: .* and so would new ones: the API server did not ask the webhook/])
    for (let minute = 0; minute < 3; minute += 1) t.equal(await look(60_000), 60_000)
    t.same([told().length, restarts()], [1, 0], 'once')
    server.isAsking = true
    await look(60_000)
    t.match(told()[1], /They are replaced$/)
    t.equal(restarts(), 1)
  },
)

const bare = parsePod({
  ...pod,
  metadata: { ...object(pod.metadata), namespace: 'shop', name: 'web-2', uid: 'q' },
})!
const open: Breaker = {
  cause: 'container',
  says: 'ErrImagePull',
  image: 'sidecar:1',
  since: '2026-11-28T11:45:00Z',
  retry: '2026-11-28T12:05:00Z',
  trips: 1,
}

t.test('once the time of a breaker has passed, those that came without the sidecar are missed', async t => {
  const { state, look, told, restarts, count } = start({ breaker: open, others: [bare] })
  t.equal(await look(), undefined)
  t.same([told(), restarts(), count()], [[], 0, 0], 'it is open')
  await look(5 * 60_000)
  t.equal(count(), 2)
  t.equal(await look(60_000), undefined)
  t.match(told(), [
    /^missed: .* kept others from starting \(ErrImagePull\), and may start by now\. kubectl .* tries one$/,
  ])
  t.equal(
    restarts(),
    0,
    'no dry run says whether it starts by now, and the app would be down until it is known',
  )
  state.breaker = undefined
  await look()
  t.equal(restarts(), 1, 'one has started')
})

for (const refuses of ['injected', 'all'] as const)
  t.test(
    `nothing is restarted where new pods would be refused (${refuses}), until they would not`,
    async t => {
      const { server, look, told, restarts, count } = start()
      server.refuses = refuses
      for (let minute = 0; minute < 3; minute += 1) t.equal(await look(60_000), 60_000)
      t.match(told(), [/^missed: pods run without the sidecar, .* the API server would refuse .*: denied$/])
      t.same([restarts(), count()], [0, 1])
      server.refuses = 'none'
      t.equal(await look(1_000), 59_000, 'whatever moves meanwhile')
      await look(59_000)
      t.match(told()[1], /They are replaced$/)
      t.equal(restarts(), 1)
    },
  )

t.test('while one is tried the others are left alone', async t => {
  const tried = { ...bare, injected: true, ready: false }
  const { look, told, count } = start({ breaker: open, others: [tried] })
  await look(5 * 60_000)
  t.same([told(), count()], [[], 0])
})

t.test('a Deployment that was restarted lately is looked at again, although nothing of it moves', async t => {
  const { server, look } = start()
  server.restart = 'lately'
  t.equal(await look(), 60_000)
})
