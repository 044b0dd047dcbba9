// What is said of an app, in kubectl's words, as a table.

import t from 'tap'
import { describeApp } from '../../console/app.ts'
import { tabsBehind } from '../../console/web/src/lib/rows.ts'
import type { ReleaseRecord } from '../../release/record.ts'
import { deployment, pod, replicaSet, startedAt } from './fixtures/cluster.ts'
import type { DeploymentFacts, PodFacts } from './fixtures/cluster.ts'
import { sampleTabs } from './sample.ts'

const backOff = {
  waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image "registry/web:2"' },
}
const later = '2026-11-28T02:05:30Z'
const rolling = { revision: 2, progress: 'ReplicaSetUpdated' }
const waiting = 'Waiting for deployment "web" rollout to finish:'

const rows: [what: string, DeploymentFacts, PodFacts[], status: string, message: string][] = [
  ['rolled out', {}, [{}], 'ready', 'deployment "web" successfully rolled out'],
  [
    'one pod is lost afterwards',
    { available: 1 },
    [{}],
    'ready',
    'deployment "web" was rolled out; 1 of 2 pods are available',
  ],
  [
    'not observed',
    { ...rolling, unobserved: true },
    [],
    'rolling',
    'Waiting for deployment spec update to be observed...',
  ],
  [
    '1 of 2 updated',
    { ...rolling, updated: 1, total: 3 },
    [],
    'rolling',
    `${waiting} 1 out of 2 new replicas have been updated...`,
  ],
  [
    'old ones are left',
    { ...rolling, total: 3 },
    [],
    'rolling',
    `${waiting} 1 old replicas are pending termination...`,
  ],
  [
    'not available',
    { ...rolling, available: 1 },
    [],
    'rolling',
    `${waiting} 1 of 2 updated replicas are available...`,
  ],
  [
    'paused half-way',
    { ...rolling, paused: true, updated: 1 },
    [],
    'paused',
    `paused: ${waiting} 1 out of 2 new replicas have been updated...`,
  ],
  ['paused', { paused: true }, [], 'paused', 'paused'],
  [
    'the deadline has passed',
    { ...rolling, progress: 'ProgressDeadlineExceeded', updated: 1 },
    [],
    'failing',
    'deployment "web" exceeded its progress deadline',
  ],
  [
    'an image that is not there',
    { ...rolling, updated: 1 },
    [{ revision: 2, ready: false, state: backOff }],
    'failing',
    '1 pod does not start: ImagePullBackOff: Back-off pulling image "registry/web:2"',
  ],
  [
    'an old pod that does not start',
    { ...rolling, updated: 1 },
    [{ revision: 1, ready: false, state: backOff }],
    'rolling',
    `${waiting} 1 out of 2 new replicas have been updated...`,
  ],
  ['scaled to 0', { replicas: 0 }, [], 'stopped', 'scaled to 0'],
]

t.test('the status and its sentence', async t => {
  for (const [what, facts, pods, status, message] of rows) {
    const app = describeApp({
      deployment: deployment(facts),
      replicaSets: [replicaSet(), replicaSet({ revision: 2 })],
      pods: pods.map(pod),
      services: [],
      record: undefined,
      why: [],
      tabs: null,
    })
    t.same([app.status, app.message], [status, message], what)
  }
})

t.test('pods that the API server refuses are a failure, with its words', async t => {
  const app = describeApp({
    deployment: deployment({ ...rolling, updated: 0 }),
    replicaSets: [replicaSet(), replicaSet({ revision: 2, refusal: 'exceeded quota: pods' })],
    pods: [pod()],
    services: [],
    record: undefined,
    why: [],
    tabs: null,
  })
  t.same([app.status, app.message], ['failing', 'pods are refused: exceeded quota: pods'])
  t.same(app.replicas, { desired: 2, updated: 0, available: 0, old: 1 })
})

t.test('a rollout that is not finished is said to be so, whatever tabs show', async t => {
  const facts = {
    deployment: deployment({ ...rolling, updated: 1 }),
    replicaSets: [replicaSet(), replicaSet({ revision: 2 })],
    pods: [],
    services: [],
    why: [],
  }
  const tabs = sampleTabs('registry/web:2', 'registry/web:1', 0, 10_000)
  const record = recordOf({ revision: 2, phase: 'rolling' })
  t.equal(tabsBehind(describeApp({ ...facts, record, tabs })), 0)
  t.equal(describeApp({ ...facts, record: undefined, tabs }).phase, null)
})

t.test('since when is a question of the status, not of the release state', async t => {
  const long = '2026-10-28T02:00:00Z'
  const soon = '2026-11-28T02:05:00Z'
  const ready = recordOf({ revision: 1, phase: 'ready', since: long })
  const failing = { revision: 1, ready: false, state: backOff }
  const late = { ...rolling, progress: 'ProgressDeadlineExceeded' }
  const table: [DeploymentFacts, PodFacts[], status: string, since: string, record?: ReleaseRecord][] = [
    [{}, [], 'ready', long],
    [{ available: 1 }, [], 'ready', long],
    [
      {},
      [
        { ...failing, name: 'b', readySince: later },
        { ...failing, readySince: soon },
      ],
      'failing',
      soon,
    ],
    [{}, [{ ...failing, status: { conditions: [] } }], 'failing', startedAt],
    [late, [], 'failing', startedAt],
    [{ paused: true, progress: 'DeploymentPaused' }, [], 'paused', startedAt],
    [{ paused: true }, [], 'paused', ''],
    [{ replicas: 0 }, [], 'stopped', ''],
    [{ ...rolling, updated: 1 }, [], 'rolling', startedAt],
    [
      { ...rolling, updated: 1 },
      [],
      'rolling',
      soon,
      recordOf({ revision: 2, phase: 'rolling', since: soon }),
    ],
  ]
  for (const [facts, pods, status, since, record = ready] of table) {
    const app = describeApp({
      deployment: deployment(facts),
      replicaSets: [replicaSet(), replicaSet({ revision: 2 })],
      pods: pods.map(pod),
      services: [],
      record,
      why: [],
      tabs: null,
    })
    t.same([app.status, app.since], [status, since], JSON.stringify(facts))
  }
})

/** Of a release state that says so; of the rest nothing is asked here. */
function recordOf(state: Partial<ReleaseRecord['state']>): ReleaseRecord {
  const target = { id: '2'.repeat(64), hash: 'h2', name: 'registry/web:2' }
  const { revision = 2 } = state
  return { state: { revision, target, previous: null, ...state }, deployment: { revision } } as ReleaseRecord
}

t.test('the phase of a pod', async t => {
  const { phaseOf } = await import('../../console/instance.ts')
  const table: [PodFacts, phase: string, reason: string][] = [
    [{}, 'ready', ''],
    [{ terminating: true }, 'terminating', ''],
    [
      { ready: false, state: { terminated: { exitCode: 3, reason: 'Error' } } },
      'failing',
      'Error: ended with exit code 3',
    ],
    [{ ready: false, state: { terminated: { exitCode: 0, reason: 'Completed' } } }, 'starting', ''],
    [
      { ready: false, state: backOff },
      'failing',
      'ImagePullBackOff: Back-off pulling image "registry/web:2"',
    ],
    [
      { ready: false, state: { waiting: { reason: 'ContainerCreating' } } },
      'starting',
      'ContainerCreating: container web',
    ],
    [{ ready: false }, 'starting', 'its readiness probe has not succeeded yet'],
    [{ ready: false, readySince: later }, 'unready', 'its readiness probe fails'],
    [
      {
        ready: false,
        node: '',
        status: {
          containerStatuses: [],
          conditions: [
            { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/1 nodes' },
          ],
        },
      },
      'pending',
      'Unschedulable: 0/1 nodes',
    ],
    [
      { ready: false, status: { phase: 'Failed', reason: 'Evicted', message: 'low on memory' } },
      'ended',
      'Evicted: low on memory',
    ],
  ]
  for (const [facts, phase, reason] of table) t.same(phaseOf(pod(facts)), { phase, reason }, phase)
})
