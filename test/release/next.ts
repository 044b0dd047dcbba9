import t from 'tap'
import { nextRelease } from '../../release/next.ts'
import { parseRecord, toStatus } from '../../release/record.ts'
import type { ReleaseRecord } from '../../release/record.ts'
import type { Facts } from './cluster.ts'
import { maxFormerIds } from '../../release/versions.ts'
import { a, b, c, digest, onA, onB, onCanary, play, rollingToB, webA, webB, world } from './cluster.ts'

const told = (record: {
  state: { phase: string; revision: number; target: { id: string }; serial: number }
}) => `${record.state.revision} ${record.state.phase} ${record.state.target.id.slice(0, 1)}`

t.test(
  'a Deployment that is met complete is ready at once, by the app container and not by the first one',
  async t => {
    const [record] = play(onA)
    t.match(record?.state, {
      namespace: 'shop',
      name: 'web',
      epoch: /^[0-9a-z]{6}-d3f1c2aa$/,
      serial: 1,
      revision: 1,
      phase: 'ready',
      target: { id: a, name: 'web:1', hash: 'aaa' },
      previous: null,
      live: [{ id: a, pods: 1 }],
      known: [['aaa', a, 1]],
      why: 'rollout',
    })
  },
)

t.test(
  'a rollout is rolling until it is complete, then ready, and the version before it is told',
  async t => {
    const records = play(onA, rollingToB, onB)
    t.same(records.map(told), ['1 ready a', '2 rolling b', '2 ready b'])
    t.same(
      records.map(({ state }) => state.serial),
      [1, 2, 3],
    )
    t.same(records[1]?.state.previous, { id: a, name: 'web:1' })
    t.same(records[2]?.state.previous, { id: a, name: 'web:1' })
    t.same(records[2]?.state.known, [
      ['bbb', b, 2],
      ['aaa', a, 1],
    ])
  },
)

t.test('complete is not ready while a ready pod of the old ReplicaSet is left, injected or not', async t => {
  const left = { ...onB, pods: [...onB.pods, { hash: 'aaa', digest: a, injected: false }] }
  t.same(play(onA, rollingToB, left, onB).map(told), ['1 ready a', '2 rolling b', '2 rolling b', '2 ready b'])
})

t.test('a terminating old pod does not count', async t => {
  const left = { ...onB, pods: [...onB.pods, { hash: 'aaa', digest: a, terminating: true }] }
  t.equal(told(play(onA, left)[1]!), '2 ready b')
  t.same(play(onA, left)[1]?.state.live, [{ id: b, pods: 1 }])
})

t.test('not ready before the target has reported its digest', async t => {
  const silent = { ...onB, pods: [{ hash: 'bbb' }] }
  const [, second, third] = play(onA, silent, onB)
  t.match(second?.state, {
    phase: 'rolling',
    target: { id: '', name: 'web:2' },
    known: [['aaa', a, 1]],
    previous: { id: a },
  })
  t.equal(told(third!), '2 ready b')
})

t.test('not ready while the controller has not observed the newest generation', async t => {
  const unobserved = { ...onB, generation: 3, observedGeneration: 2 }
  t.equal(told(play(onA, unobserved)[1]!), '2 rolling b')
  const late = told(play(onA, { ...unobserved, deadlineExceeded: true })[1]!)
  t.equal(late, '2 rolling b', 'the deadline may be that of the rollout before')
})

t.test(
  'a passed deadline with one new pod ready and no old one is ready; without a ready new pod it is not',
  async t => {
    const status = { replicas: 2, updatedReplicas: 2, availableReplicas: 1 }
    const stuck = { ...onB, replicas: 2, status, deadlineExceeded: true }
    t.equal(told(play(onA, stuck)[1]!), '2 ready b')
    t.equal(told(play(onA, { ...stuck, deadlineExceeded: false })[1]!), '2 rolling b')
    const fewer = { replicas: 1, updatedReplicas: 1, availableReplicas: 1 }
    t.equal(told(play(onA, { ...onB, replicas: 2, status: fewer })[1]!), '2 rolling b')
    t.equal(
      told(play(onA, { ...stuck, pods: [{ hash: 'bbb', digest: b, ready: false }] })[1]!),
      '2 rolling b',
    )
  },
)

t.test(
  'ready is latched: scaling, an unready pod and a restart of the controller do not take it back',
  async t => {
    const scaling = { ...onB, replicas: 3, status: { replicas: 3, updatedReplicas: 3, availableReplicas: 1 } }
    const records = play(onA, onB, scaling, { ...onB, pods: [{ hash: 'bbb', digest: b, ready: false }] })
    t.same(records.map(told), ['1 ready a', '2 ready b', '2 ready b', '2 ready b'])
    const restored = parseRecord(JSON.parse(JSON.stringify(toStatus(records[2]!))))
    t.equal(told(nextRelease(restored, world(scaling), new Date())!), '2 ready b')
  },
)

t.test('nothing new gives the very same record, also after a restart of the controller', async t => {
  const [record] = play(onA)
  t.equal(nextRelease(record, world(onA), new Date()), record)
  const restored = parseRecord(JSON.parse(JSON.stringify(toStatus(record!))))
  t.equal(nextRelease(restored, world(onA), new Date()), restored)
})

t.test('the number of live pods alone is not a change', async t => {
  const two = { ...onA, replicas: 2, pods: [...onA.pods, { hash: 'aaa', digest: a }] }
  const [first, second] = play(onA, two)
  t.equal(second?.state, first?.state)
})

t.test('a rollback is a new revision of the old version', async t => {
  const backToA = {
    revision: 3,
    replicaSets: [
      { ...webA, revision: 3, created: 1, history: '1' },
      { ...webB, replicas: 0 },
    ],
    pods: [{ hash: 'aaa', digest: a }],
  }
  const record = play(onA, onB, backToA)[2]
  t.match(record?.state, {
    revision: 3,
    phase: 'ready',
    target: { id: a },
    previous: { id: b },
    why: 'rollback',
  })
})

t.test('a rollback before completion goes back to a version that never left', async t => {
  const backToA = {
    revision: 3,
    replicaSets: [
      { ...webA, revision: 3, created: 1, history: '1' },
      { ...webB, replicas: 0 },
    ],
    pods: [{ hash: 'aaa', digest: a }],
  }
  const record = play(onA, rollingToB, backToA)[2]
  t.match(record?.state, { revision: 3, phase: 'ready', target: { id: a }, previous: null, why: 'rollback' })
})

t.test('a restart with the same bytes keeps the id', async t => {
  const restarted = {
    revision: 2,
    replicaSets: [
      { ...webA, replicas: 0 },
      { hash: 'rrr', revision: 2, image: 'web:1' },
    ],
    pods: [{ hash: 'rrr', digest: a }],
  }
  const record = play(onA, restarted)[1]
  t.match(record?.state, {
    revision: 2,
    phase: 'ready',
    target: { id: a, hash: 'rrr' },
    previous: null,
    why: 'restart',
  })
})

t.test('a re-pushed tag after a restart is a new version', async t => {
  const restarted = {
    revision: 2,
    replicaSets: [
      { ...webA, replicas: 0 },
      { hash: 'rrr', revision: 2, image: 'web:1' },
    ],
    pods: [{ hash: 'rrr', digest: b }],
  }
  t.match(play(onA, restarted)[1]?.state, {
    target: { id: b, name: 'web:1' },
    previous: { id: a },
    why: 'restart',
  })
})

t.test('nodes that report different digests of one image are one version, whichever comes first', async t => {
  const both = {
    ...onA,
    replicas: 2,
    pods: [
      { hash: 'aaa', digest: a },
      { hash: 'aaa', digest: c },
    ],
  }
  const restarted = {
    revision: 2,
    replicaSets: [
      { ...webA, replicas: 0 },
      { hash: 'rrr', revision: 2, image: 'web:1' },
    ],
    pods: [{ hash: 'rrr', digest: c }],
  }
  t.match(play(both, restarted)[1]?.state, {
    target: { id: a },
    known: [
      ['rrr', a, 2],
      [c, a, 2],
      ['aaa', a, 1],
    ],
  })
})

t.test('an id that turns out to be another name of an older version becomes an alias of it', async t => {
  const restarted = (pods: { hash: string; digest: string }[]) => ({
    revision: 2,
    replicas: pods.length,
    replicaSets: [
      { ...webA, replicas: 0 },
      { hash: 'rrr', revision: 2, image: 'web:1' },
    ],
    pods,
  })
  const [, second, third] = play(
    onA,
    restarted([{ hash: 'rrr', digest: c }]),
    restarted([
      { hash: 'rrr', digest: c },
      { hash: 'rrr', digest: a },
    ]),
  )
  t.equal(second?.state.target.id, c)
  t.match(third?.state, {
    target: { id: a },
    known: [
      ['rrr', a, 2],
      [c, a, 2],
      ['aaa', a, 1],
    ],
  })
})

t.test(
  'a tag that moves while a ReplicaSet is in use does not change its id; used again it does',
  async t => {
    const moved = { ...onA, replicas: 2, pods: [...onA.pods, { hash: 'aaa', digest: c }] }
    const replaced = { ...onA, pods: [{ hash: 'aaa', digest: c }] }
    t.equal(play(onA, moved, replaced)[2]?.state.target.id, a)
    t.equal(
      play(onA, replaced)[1]?.state.target.id,
      a,
      'one pod rescheduled to a node that reports another digest',
    )
    const reused = {
      revision: 3,
      replicaSets: [
        { ...webA, revision: 3, created: 1, history: '1' },
        { ...webB, replicas: 0 },
      ],
      pods: [{ hash: 'aaa', digest: c }],
    }
    t.match(play(onA, onB, reused)[2]?.state, {
      target: { id: c },
      known: [
        ['aaa', c, 3],
        ['bbb', b, 2],
        [a, a, 3],
      ],
    })
    const empty = { ...onA, replicas: 0, replicaSets: [{ ...webA, replicas: 0 }], pods: [] }
    t.equal(play(onA, empty, replaced)[2]?.state.target.id, c, 'scaled to 0 and back')
  },
)

t.test('a version stays known when its ReplicaSet came to run other bytes, or was made again', async t => {
  const empty = { ...onA, replicas: 0, replicaSets: [{ ...webA, replicas: 0 }], pods: [] }
  const on = (digest: string) => ({ ...onA, pods: [{ hash: 'aaa', digest }] })
  const rows = (record: ReleaseRecord | undefined) => record?.state.known.map(([key, id]) => [key, id])
  const records = play(onA, empty, on(c), empty, on(b), empty, on(c))
  t.same(rows(records[4]), [
    ['aaa', b],
    [a, a],
    [c, c],
  ])
  t.same(
    rows(records[6]),
    [
      ['aaa', c],
      [a, a],
      [b, b],
    ],
    'once more under the tag that it had',
  )
  const back = play(onA, empty, on(c), empty, on(b), empty, on(c), empty, on(b)).at(-1)
  t.same(back?.replicaSets[0]?.formerIds, [a, b, c], 'each of them once')
  const leaving = { ...on(c), pods: [{ hash: 'aaa', digest: a, terminating: true }, ...on(c).pods] }
  t.equal(play(onA, empty, leaving)[2]?.state.target.id, c, 'a pod that is leaving says nothing of it')
  const again = { ...on(c), revision: 2, replicaSets: [{ ...webA, uid: 'rs-again', revision: 2 }] }
  const made = { ...again, pods: [{ hash: 'aaa', digest: c, replicaSet: 'rs-again' }] }
  t.same(rows(play(onA, made)[1]), [
    ['aaa', c],
    [a, a],
  ])
  const digests = Array.from({ length: maxFormerIds + 3 }, (_, index) => index.toString(16).padStart(64, 'd'))
  const pushed = play(onA, ...digests.flatMap(digest => [empty, on(digest)])).at(-1)
  t.equal(pushed?.state.known.length, 1 + maxFormerIds)
  t.same(pushed?.replicaSets[0]?.formerIds, digests.slice(-1 - maxFormerIds, -1), 'the newest of them')
})

t.test(
  'while a ReplicaSet is used again and no pod has reported, its hash stands for no version, and its id for itself',
  async t => {
    const empty = { ...onA, replicas: 0, replicaSets: [{ ...webA, replicas: 0 }], pods: [] }
    const rows = (record: ReleaseRecord | undefined) => record?.state.known.map(([key, id]) => [key, id])
    const again = { ...onA, pods: [] }
    const records = play(onA, empty, again, { ...onA, pods: [{ hash: 'aaa', digest: c }] }, empty, again)
    t.same(rows(records[1]), [['aaa', a]], 'nothing of it can be reached')
    t.same(rows(records[2]), [
      ['aaa', ''],
      [a, a],
    ])
    t.same(rows(records[3]), [
      ['aaa', c],
      [a, a],
    ])
    t.same(rows(records[5]), [
      ['aaa', ''],
      [c, c],
      [a, a],
    ])
    const { replicaSets, ...rolledBack } = { ...onA, revision: 3, replicaSets: [{ ...webA, revision: 3 }, { ...webB, replicas: 1 }] } // prettier-ignore
    const undone = play(onA, onB, { ...rolledBack, replicaSets, pods: onB.pods })[2]
    t.same(
      rows(undone),
      [
        ['aaa', ''],
        [a, a],
        ['bbb', b],
      ],
      'rolled back to',
    )
    t.same(parseRecord(toStatus(undone!)), undone, 'also after a restart of ours')
  },
)

t.test('a digest pinned in the spec is believed before any status', async t => {
  const image = `web@sha256:${b}`
  const pinned = {
    revision: 2,
    replicaSets: [webA, { hash: 'ppp', revision: 2, image }],
    pods: [{ hash: 'ppp', digest: c }],
  }
  t.match(play(onA, pinned)[1]?.state, { phase: 'ready', target: { id: b, name: image } })
})

t.test('an image changed at 0 replicas is rolling until a pod serves it', async t => {
  const empty = {
    ...onB,
    replicas: 0,
    replicaSets: [
      { ...webA, replicas: 0 },
      { ...webB, replicas: 0 },
    ],
    pods: [],
  }
  t.same(play(onA, empty, onB).map(told), ['1 ready a', '2 rolling ', '2 ready b'])
})

t.test('a Deployment that was made again starts a later epoch at serial 1', async t => {
  const again = { ...onA, uid: '11111111-0000-4000-8000-000000000000', created: '2026-11-22T11:00:00Z' }
  const [first, second] = play(onA, again)
  t.equal(second?.state.serial, 1)
  t.ok(second!.state.epoch > first!.state.epoch)
})

t.test('a cache that lags behind the record changes nothing', async t => {
  const [first, second] = play({ ...onA, resourceVersion: '9' }, { ...onB, resourceVersion: '10' })
  t.equal(nextRelease(second, world({ ...onA, resourceVersion: '9' }), new Date()), second)
  const withoutTarget = { ...onB, replicaSets: [webA], resourceVersion: '10' }
  t.equal(nextRelease(first, world(withoutTarget), new Date()), first)
  t.equal(nextRelease(undefined, world(withoutTarget), new Date()), undefined)
})

t.test(
  'a ReplicaSet that is deleted and made again starts a new revision, and is ready by its own pods only',
  async t => {
    const again = { ...webB, uid: 'rs-again', created: 9 }
    const both = [
      { hash: 'bbb', digest: b },
      { hash: 'bbb', digest: c, ready: false, replicaSet: 'rs-again' },
    ]
    const alone = [{ hash: 'bbb', digest: c, replicaSet: 'rs-again' }]
    const [, , third, fourth] = play(
      onA,
      onB,
      { ...onB, replicaSets: [webA, again], pods: both },
      { ...onB, replicaSets: [webA, again], pods: alone },
    )
    t.match(third?.state, { revision: 3, phase: 'rolling', target: { id: c } })
    t.match(fourth?.state, { revision: 3, phase: 'ready', target: { id: c }, previous: { id: b } })
    t.same(fourth?.state.known.find(([key]) => key === 'bbb')?.[1], c, 'its hash means what it runs now')
  },
)

t.test('a Deployment that Kubernetes numbers anew goes on', async t => {
  const renumbered = { ...webA, revision: 1, uid: 'rs-new', hash: 'nnn', image: 'web:3', created: 9 }
  const record = play(onA, onB, {
    revision: 1,
    replicaSets: [renumbered],
    pods: [{ hash: 'nnn', digest: c, replicaSet: 'rs-new' }],
  })[2]
  t.match(record?.state, { revision: 3, phase: 'ready', target: { id: c } })
})

t.test('a Service that is away for a moment does not make another container the app', async t => {
  const [, second, third] = play(onA, { ...rollingToB, services: [] }, onB)
  t.match(second?.state, { target: { id: b, name: 'web:2' } })
  t.match(third?.state, { phase: 'ready', target: { id: b, name: 'web:2' }, previous: { id: a } })
  t.same(
    third?.state.known.map(([key]) => key),
    ['bbb', 'aaa'],
  )
})

t.test('pods of another Deployment behind the same Service are live too', async t => {
  const canary = { hash: 'ccc', deployment: 'web-canary', digest: c }
  const facts = { ...onA, pods: [...onA.pods, canary], others: play(onCanary) }
  t.same(play(facts)[0]?.state.live, [
    { id: a, pods: 1 },
    { id: c, pods: 1 },
  ])
  t.same(
    play(onA, { ...facts, services: [], revision: 1, replicas: 1 })[1]?.state.live,
    [{ id: a, pods: 1 }],
    'without a Service only its own',
  )
})

t.test('a neighbour’s pod that is not ready for a moment is live, one that has gone is not', async t => {
  const others = play(onCanary)
  const beside = (...canaries: object[]): Facts => {
    const pods = canaries.map(facts => ({ hash: 'ccc', deployment: 'web-canary', digest: c, ...facts }))
    return { ...onA, pods: [...onA.pods, ...pods], others }
  }
  const unready = { ready: false, readySince: '2026-11-22T10:00:00Z' }
  const [both] = play(beside({}))
  const idsAfter = (facts: Facts, seconds: number, last = both) =>
    nextRelease(last, world(facts), new Date(Date.UTC(2026, 10, 22, 10, 0, seconds)))?.state.live.map(
      ({ id }) => id,
    )
  t.equal(
    nextRelease(both, world(beside(unready)), new Date('2026-11-22T10:00:29Z')),
    both,
    'nothing is told',
  )
  t.same(idsAfter(beside(unready), 30), [a], 'it does not come back')
  t.same(idsAfter(beside(unready), -20), [a, c], 'its node’s clock is ahead')
  t.same(idsAfter(beside(unready), -40), [a], 'so far that nothing can be said')
  t.same(idsAfter(beside(unready, {}), 60), [a, c], 'another one of it is ready')
  for (const [what, pod] of Object.entries({
    terminating: { ...unready, terminating: true },
    evicted: { ...unready, finished: true },
    'behind other Services': { ...unready, labels: { app: 'other' } },
    'unready for no one knows how long': { ready: false },
  }))
    t.same(idsAfter(beside(pod), 1), [a], what)
  t.same(idsAfter(beside(), 1), [a], 'scaled to 0')
  const [alone] = play(onA)
  t.same(idsAfter(beside(unready), 1, alone), [a], 'its version was not to be had')
  t.same(idsAfter(beside(unready), 1, nextRelease(both, world(beside()), new Date())), [a], 'nor now')
  const own = { ...onA, pods: [{ ...onA.pods[0]!, ...unready }] }
  t.same(idsAfter(own, 1, alone), [], 'of its own pods only those that answer count')
})

t.test(
  'a tab of another Deployment that stands or once stood behind the same Service is known, also when that is gone',
  async t => {
    const others = play(onCanary)
    const [during, after] = play({ ...onA, others }, onB)
    t.same(during?.state.known, [
      ['aaa', a, 1],
      ['ccc', c, 1],
    ])
    t.same(after?.state.known, [
      ['bbb', b, 2],
      ['aaa', a, 1],
      ['ccc', c, 1],
    ])
    const [switched] = play({ ...onA, others: play(onCanary, { ...onCanary, services: [] }) })
    t.same(switched?.state.known[1], ['ccc', c, 1], 'blue/green: the Service has left it')
    const elsewhere = play({ ...onCanary, services: [] })
    t.same(play({ ...onA, others: elsewhere })[0]?.state.known, [['aaa', a, 1]], 'no Service in common')
  },
)

t.test('who was away meanwhile sees by its revision that a ReplicaSet is used again', async t => {
  const again = { ...onA, revision: 3, replicaSets: [{ ...webA, revision: 3 }, { ...webB, replicas: 0 }] } // prettier-ignore
  const record = play(onA, { ...again, pods: [{ hash: 'aaa', digest: c }] })[1]
  t.match(record?.state, { revision: 3, phase: 'ready', target: { id: c }, previous: { id: a } })
})

t.test('blue/green: who is connected should come again once the Services lead elsewhere', async t => {
  const switched = (...facts: Facts[]) => play(onA, ...facts).map(({ state }) => state.switched)
  const green = { ...onA, services: [{ selector: { app: 'green' } }] }
  t.same(switched(green, onA), [undefined, true, undefined], 'and not when they lead back')
  t.same(
    switched({ ...onA, services: [] }),
    [undefined, undefined],
    'a Service that is deleted leads nowhere',
  )
  t.same(
    switched({ ...onA, services: [{ selector: {} }] }),
    [undefined, undefined],
    'nor does one without a selector',
  )
  t.same(switched({ ...onA, services: [...green.services, { selector: { app: 'web' } }] }), [undefined, undefined], 'another one is left') // prettier-ignore
  const [never] = play(green)
  t.equal(never?.state.switched, undefined, 'it has never led here')
})

const service = (color: string) => ({ name: 'web', selector: { app: 'web', color } })
const metrics = {
  name: 'metrics',
  selector: { app: 'web' },
  ports: [{ name: 'metrics', port: 9090, targetPort: 'exporter' }],
}

t.test('blue/green: a Service for the metrics of both leads no browser to either', async t => {
  const blue = { ...onA, labels: { color: 'blue' } }
  const [before, after, next] = play(
    { ...blue, services: [service('blue'), metrics] },
    { ...blue, services: [service('green'), metrics] },
    { ...onB, labels: { color: 'blue' }, services: [service('green'), metrics] },
  )
  t.equal(before?.state.switched, undefined)
  t.equal(after?.state.switched, true, 'the tabs of blue are to come again')
  t.match(
    next?.state,
    { target: { id: b, name: 'web:2' } },
    'nor do its pods make a version of blue’s next one',
  )
  const green: Facts = {
    ...onCanary,
    labels: { color: 'green' },
    services: [service('green'), metrics],
    pods: [
      { hash: 'ccc', digest: c, labels: { color: 'green' } },
      { hash: 'aaa', digest: a, labels: { color: 'blue' }, deployment: 'web-blue' },
    ],
    others: [after!],
  }
  const [{ state } = after!] = play(green)
  t.same(state.live, [{ id: c, pods: 1 }], 'blue cannot be had any more')
  t.same(state.known[1], ['aaa', a, 1], 'its tabs are told')
})

const byAnnotation: [string, Partial<Facts>, string | number][] = [
  [
    'a template that was injected as a file',
    {
      annotations: {
        'spa-reloader.io/port': '8080',
        'spa-reloader.io/container': 'web',
        'spa-reloader.io/status': '{"container":"web","port":8080,"portName":"http","front":14020}',
      },
      ports: [{ name: 'http', containerPort: 14_020 }],
    },
    'http',
  ],
  [
    'a port that no container declares',
    { annotations: { 'spa-reloader.io/port': '8080', 'spa-reloader.io/container': 'web' }, ports: [] },
    8080,
  ],
]

for (const [what, template, targetPort] of byAnnotation)
  t.test(`an annotation names the port, of ${what}: canaries and blue/green are seen`, async t => {
    const lead = (color?: string) => ({
      services: [
        { name: 'web', selector: { app: 'web', ...(color && { color }) }, ports: [{ targetPort }] },
        metrics,
      ],
    })
    const canary = { hash: 'ccc', deployment: 'web-canary', digest: c }
    const others = play({ ...onCanary, ...template, ...lead() })
    const [beside] = play({ ...onA, ...template, ...lead(), pods: [...onA.pods, canary], others })
    t.same(
      beside?.state.live.map(({ id }) => id),
      [a, c],
    )
    t.same(
      beside?.state.known.map(([key]) => key),
      ['aaa', 'ccc'],
    )
    const blue = { ...onA, ...template, labels: { color: 'blue' } }
    const [, switched, back] = play(
      { ...blue, ...lead('blue') },
      { ...blue, ...lead('green') },
      { ...blue, ...lead('blue') },
    )
    t.equal(switched?.state.switched, true)
    t.equal(back?.state.switched, undefined)
  })

t.test(
  'a Service that selects the pods as before, for their metrics now, has not turned to others',
  async t => {
    const [, after] = play(
      { ...onA, services: [{ ...metrics, ports: [{ targetPort: 'http' }] }] },
      { ...onA, services: [metrics] },
    )
    t.equal(after?.state.switched, undefined)
  },
)

t.test('a Service for the metrics of a whole namespace makes no neighbours of its Deployments', async t => {
  const stranger = { ...onCanary, services: [{ name: 'stranger', selector: { app: 'web' } }, metrics] }
  const facts = { ...onA, services: [{ name: 'web', selector: { app: 'web' } }, metrics] }
  t.same(play({ ...facts, others: play(stranger) })[0]?.state.known, [['aaa', a, 1]])
})

t.test('since never goes back, even when the clock does', async t => {
  const [first] = play(onA)
  const second = nextRelease(first, world(onB), new Date(0))
  t.equal(second?.state.since, first?.state.since)
})

t.test('many revisions keep the record bounded, and never drop one that exists', async t => {
  const history = Array.from({ length: 50 }, (_, index) => {
    const rs = { hash: `h${index}`, revision: index + 1, image: `web:${index}` }
    return {
      revision: index + 1,
      replicaSets: [rs],
      pods: [{ hash: rs.hash, digest: digest((index % 16).toString(16)) }],
    }
  })
  const record = play(...history)[49]
  t.equal(record?.replicaSets.length, 32)
  t.equal(record?.state.known[0]?.[0], 'h49')
  t.ok(JSON.stringify(record?.state).length < 8_000, 'fits well into an annotation')
})

t.test(
  'what is live changes nothing while rolling: only the end of the rollout is worth a write',
  async t => {
    const bothReady = { ...rollingToB, pods: rollingToB.pods.map(pod => ({ ...pod, ready: true })) }
    const [, second, third, fourth] = play(onA, rollingToB, bothReady, onB)
    t.equal(third?.state, second?.state)
    t.same(fourth?.state.live, [{ id: b, pods: 1 }])
  },
)

t.test('a tag that is pushed again while there is no pod is a rollout of its own', async t => {
  const empty = { ...onA, replicas: 0, replicaSets: [{ ...webA, replicas: 0 }], pods: [] }
  const starting = {
    ...onA,
    status: { replicas: 1, updatedReplicas: 1, availableReplicas: 0 },
    pods: [{ hash: 'aaa', digest: c, ready: false }],
  }
  const onC = { ...onA, pods: [{ hash: 'aaa', digest: c }] }
  const records = play(onA, empty, starting, onC, onC)
  t.same(records.map(told), ['1 ready a', '1 ready a', '2 rolling c', '2 ready c', '2 ready c'])
  t.match(records[3]?.state, { previous: { id: a }, why: 'restart' })
  const next = { ...onB, pods: [{ hash: 'bbb', digest: b }] }
  t.equal(told(play(onA, empty, onC, next)[3]!), '3 ready b', 'and Kubernetes catches up')
})

t.test(
  'a tag that moved after the rollout is news with the next restart, though one pod had it already',
  async t => {
    const scaled = {
      ...onA,
      replicas: 2,
      pods: [...onA.pods, { hash: 'aaa', digest: c, created: 30 }],
    }
    const restarted = {
      revision: 2,
      replicas: 2,
      replicaSets: [
        { ...webA, replicas: 0 },
        { hash: 'rrr', revision: 2, image: 'web:1' },
      ],
      pods: [
        { hash: 'rrr', digest: c, created: 40 },
        { hash: 'rrr', digest: c, created: 40 },
      ],
    }
    const records = play(onA, scaled, restarted)
    t.same(records.map(told), ['1 ready a', '1 ready a', '2 ready c'])
    t.match(records[2]?.state, { previous: { id: a }, why: 'restart' })
    t.equal(told(play(onA, scaled, scaled, restarted)[3]!), '2 ready c', 'however often we look meanwhile')
  },
)

t.test('a running pod that reports another digest later has two names for the same bytes', async t => {
  const renamed = { ...onA, pods: [{ hash: 'aaa', digest: c }] }
  const restarted = {
    revision: 2,
    replicaSets: [
      { ...webA, replicas: 0 },
      { hash: 'rrr', revision: 2, image: 'web:1' },
    ],
    pods: [{ hash: 'rrr', digest: c, created: 40 }],
  }
  t.same(play(onA, renamed, restarted, restarted).map(told), [
    '1 ready a',
    '1 ready a',
    '2 ready a',
    '2 ready a',
  ])
})

const restartedOnC = (count: number): Facts => ({
  revision: 2,
  replicas: count,
  replicaSets: [
    { ...webA, replicas: 0 },
    { hash: 'rrr', revision: 2, image: 'web:1' },
  ],
  pods: Array.from({ length: count }, () => ({ hash: 'rrr', digest: c, created: 40 })),
})

t.test(
  'a container that started again pulled its tag again: what it reports is news with the next restart',
  async t => {
    const both = { ...onA, replicas: 2, pods: [...onA.pods, ...onA.pods] }
    const one = { ...both, pods: [...onA.pods, { hash: 'aaa', digest: c, restarts: 1 }] }
    const all = { ...both, pods: one.pods.map(() => ({ hash: 'aaa', digest: c, restarts: 1 })) }
    for (const [what, between] of Object.entries({
      one: [one],
      all: [all],
      'one, then all': [one, one, all],
    })) {
      const records = play(both, ...between, restartedOnC(2), restartedOnC(2))
      t.same(records.slice(0, -2).map(told), Array(between.length + 1).fill('1 ready a'), what)
      t.same(records.slice(-2).map(told), ['2 ready c', '2 ready c'], what)
      t.match(records.at(-1)?.state, { previous: { id: a }, why: 'restart' })
    }
  },
)

t.test('so it is where one had started again before we first looked, wherever it stands', async t => {
  for (const created of [0, 2]) {
    const restarted = { hash: 'aaa', digest: c, restarts: 1, created }
    const met = { ...onA, replicas: 2, pods: [{ hash: 'aaa', digest: a, created: 1 }, restarted] }
    t.same(play(met, restartedOnC(2)).map(told), ['1 ready a', '2 ready c'])
  }
})

t.test('files that an init container brought anew are news with the next restart, too', async t => {
  const brought = { ...webA, init: 'assets:1' }
  const first = { ...onA, replicaSets: [brought], pods: [{ hash: 'aaa', digest: a, init: b }] }
  const again = { ...first, pods: [{ hash: 'aaa', digest: a, init: c, restarts: 1 }] }
  const restarted = {
    revision: 2,
    replicaSets: [brought, { ...brought, hash: 'rrr', revision: 2 }],
    pods: [{ hash: 'rrr', digest: a, init: c, created: 40 }],
  }
  const [one, two, three] = play(first, again, restarted).map(({ state }) => state)
  t.equal(two?.target.id, one?.target.id)
  t.match(three, { phase: 'ready', why: 'restart', previous: { id: one?.target.id } })
  t.not(three?.target.id, one?.target.id)
})

t.test(
  'containers that start again before the end of their rollout make it a version like any other',
  async t => {
    const crashed = { ...onA, pods: [{ hash: 'aaa', digest: a, restarts: 3 }] }
    const renamed = { ...onA, pods: [{ hash: 'aaa', digest: c, restarts: 3 }] }
    const restarted = { ...restartedOnC(1), pods: [{ hash: 'rrr', digest: a, created: 40 }] }
    t.equal(told(play(crashed, restarted)[1]!), '2 ready a', 'the same bytes')
    t.equal(told(play(crashed, renamed, restartedOnC(1))[2]!), '2 ready c', 'told once too often')
  },
)

t.test('two names of one version are not each other’s previous version', async t => {
  const restarted = (...digests: string[]) => ({
    revision: 2,
    replicas: digests.length,
    replicaSets: [
      { ...webA, replicas: 0 },
      { hash: 'rrr', revision: 2, image: 'web:1' },
    ],
    pods: digests.map(digest => ({ hash: 'rrr', digest })),
  })
  const [, second, third] = play(onA, restarted(c), restarted(c, a))
  t.match(second?.state, { target: { id: c }, previous: { id: a } })
  t.match(third?.state, { target: { id: a }, previous: null })
})

t.test('why is read from the ReplicaSet, not guessed from the time of its creation', async t => {
  const sameSecond = {
    revision: 3,
    replicaSets: [
      { ...webA, revision: 3, created: 2, history: '1' },
      { ...webB, replicas: 0, created: 2 },
    ],
    pods: [{ hash: 'aaa', digest: a }],
  }
  // Our copy of the ReplicaSets is ahead of that of the Deployment.
  const ahead = { ...onB, replicaSets: sameSecond.replicaSets }
  t.equal(play(onA, onB, ahead, sameSecond)[3]?.state.why, 'rollback')
})

t.test('an init container’s image is news like the app’s own', async t => {
  const brought = { ...webA, init: 'assets:1' }
  const next = { hash: 'bbb', revision: 2, image: 'web:1', init: 'assets:2' }
  const first = { ...onA, replicaSets: [brought], pods: [{ hash: 'aaa', digest: a, init: b }] }
  const silent = { revision: 2, replicaSets: [brought, next], pods: [{ hash: 'bbb', digest: a }] }
  const second = { ...silent, pods: [{ hash: 'bbb', digest: a, init: c }] }
  const restarted = {
    revision: 3,
    replicaSets: [brought, next, { ...next, hash: 'rrr', revision: 3 }],
    pods: [{ hash: 'rrr', digest: a, init: c }],
  }
  const [one, , two, three] = play(first, silent, second, restarted).map(({ state }) => state)
  t.equal(one?.target.name, 'web:1 + assets:1')
  t.match(two, { phase: 'ready', target: { name: 'web:1 + assets:2' }, previous: { id: one?.target.id } })
  t.not(two?.target.id, one?.target.id)
  t.equal(play(first, silent)[1]?.state.target.id, '', 'both digests are needed')
  t.match(three, { phase: 'ready', why: 'restart', target: { id: two?.target.id } }, 'the same bytes')
})
