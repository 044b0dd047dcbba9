import t from 'tap'
import type { WatchEvent } from '../../cluster/api.ts'
import { watchTruth, worldOf } from '../../../bench/torture/truth.ts'

const old = 'a'.repeat(64)
const young = 'b'.repeat(64)

t.test('complete: all the Deployment asked for is there, of one ReplicaSet, and ready', async t => {
  t.match(worldOf(deployment(), [pod('y1', young), pod('y2', young)]), { isComplete: true, serving: [young] })
})

const incomplete = {
  'its spec has just changed': [deployment({}, 3), [pod('y1', young), pod('y2', young)]],
  'one of two is updated': [deployment({ updatedReplicas: 1 }), [pod('o1', old), pod('y1', young)]],
  'an old one is left over': [
    deployment({ replicas: 3 }),
    [pod('y1', young), pod('y2', young), pod('o1', old)],
  ],
  'its status does not say yet that an old one is left': [deployment(), [pod('y1', young), pod('o1', old)]],
  'one is not ready': [
    deployment({ availableReplicas: 1 }),
    [pod('y1', young), pod('y2', young, { ready: 'False' })],
  ],
  'its status does not say yet that one was killed': [
    deployment(),
    [pod('y1', young), pod('y2', young, { deletionTimestamp: '2026-11-25T12:00:00Z' })],
  ],
} as const
for (const [name, [object, pods]] of Object.entries(incomplete))
  t.test(`not complete: ${name}`, async t => {
    t.equal(worldOf(object, pods).isComplete, false)
  })

t.test('a pod that is about to go serves nobody any more', async t => {
  const going = pod('o1', old, { deletionTimestamp: '2026-11-25T12:00:00Z' })
  t.same(worldOf(deployment(), [pod('y1', young), pod('y2', young), going]).serving, [young])
})

t.test(
  'bare: a pod without the sidecar, also while it goes, and not where the sidecar is an init container',
  async t => {
    const bare = { containers: [{ name: 'web' }] }
    t.equal(worldOf(deployment(), [pod('y1', young), pod('y2', young)]).isBare, false)
    t.equal(worldOf(deployment(), [{ ...pod('y1', young), spec: bare }]).isBare, true)
    t.equal(
      worldOf(deployment(), [
        { ...pod('y1', young), spec: { ...bare, initContainers: [{ name: 'spa-reloader' }] } },
      ]).isBare,
      false,
    )
  },
)

t.test('a world is noted when it changes, once', async t => {
  const told: ((event: WatchEvent) => void)[] = []
  const truth = watchTruth(
    {
      watch(_, onEvent) {
        told.push(onEvent)
        return { close() {} }
      },
    },
    'shop',
  )
  const tell = (index: number, type: WatchEvent['type'], object: unknown) =>
    told[index]?.({ type, object } as WatchEvent)
  tell(1, 'ADDED', pod('y1', young))
  t.equal(truth.worlds.length, 0, 'nothing is known of the Deployment yet')
  tell(0, 'ADDED', deployment())
  tell(0, 'MODIFIED', deployment())
  t.equal(truth.worlds.length, 1)
  tell(1, 'ADDED', pod('y2', young))
  tell(1, 'DELETED', pod('y2', young))
  t.same(
    truth.worlds.map(({ isComplete }) => isComplete),
    [false, true, false],
  )
})

function deployment(status: object = {}, generation = 2) {
  return {
    metadata: { generation },
    spec: { replicas: 2, template: { spec: {} } },
    status: { observedGeneration: 2, replicas: 2, updatedReplicas: 2, availableReplicas: 2, ...status },
  }
}

function pod(name: string, digest: string, { ready = 'True', deletionTimestamp = '' } = {}) {
  return {
    metadata: {
      name,
      uid: name,
      labels: { 'pod-template-hash': digest.slice(0, 6) },
      ...(deletionTimestamp && { deletionTimestamp }),
    },
    spec: { containers: [{ name: 'web' }, { name: 'spa-reloader' }] },
    status: {
      conditions: [{ type: 'Ready', status: ready }],
      containerStatuses: [
        { name: 'spa-reloader', imageID: `x@sha256:${'c'.repeat(64)}` },
        { name: 'web', imageID: `docker.io/library/web@sha256:${digest}` },
      ],
    },
  }
}
