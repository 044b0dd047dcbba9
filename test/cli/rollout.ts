// How far the telling of a rollout is, as `spa-reloader status` says it.

import t from 'tap'
import { describeRollout, progressOf } from '../../cli/rollout.ts'
import type { Rollout } from '../../cli/rollout.ts'
import { tabLines } from '../../cli/tabs.ts'
import { formatReleaseState } from '../../protocol/release.ts'
import type { ReleaseState } from '../../protocol/release.ts'
import type { PageTabs, PodTabs } from '../../protocol/tabs.ts'
import { parseDeployment, parsePod } from '../../release/objects.ts'
import { releaseState } from '../webhook/goldens.ts'

t.test('it is told when the state is ready and on every injected pod', async t => {
  t.same(progressOf(rollout({})), { end: 'told' })
  t.match(progressOf(rollout({ stamps: [releaseState, { ...releaseState, serial: 30 }] })), {
    waits: 'for 1 of 2 pods to be told',
  })
})

t.test(
  'our revision may be ahead: whether the controller has heard is told by the one that it heard',
  async t => {
    const ahead: ReleaseState = { ...releaseState, revision: 8 } // scaled to 0, pushed again, scaled up
    t.same(progressOf(rollout({ state: ahead })), { end: 'told' })
    t.match(progressOf(rollout({ state: ahead, revision: 8 })), {
      waits: "for the controller to hear of the Deployment's revision 8",
    })
    t.match(progressOf(rollout({ revision: 1 })), { waits: 'revision 1' }, 'its ReplicaSets were deleted')
  },
)

t.test('the Release of a Deployment that was deleted tells nothing of one made again', async t => {
  t.match(progressOf(rollout({ createdAt: '2025-10-03T15:06:00Z' })), { waits: 'revision 7' })
})

t.test('where nothing is or can be injected it has failed at once', async t => {
  const bare = { end: 'failed', why: 'none of its pods' }
  t.match(progressOf({ ...rollout({ replicas: 0, stamps: [] }), record: undefined }), {
    end: 'failed',
    why: 'it has no pods',
  })
  t.match(progressOf(rollout({ revision: 8, stamps: [] })), bare, 'the controller has left the namespace')
  t.match(
    progressOf({ ...rollout({ available: 0, deadline: true, stamps: [] }), record: undefined }),
    { end: 'failed', why: 'the progress deadline' },
    'pods that are not injected, and do not start',
  )
  t.same(progressOf(rollout({ replicas: 0, stamps: [] })), { end: 'told' }, 'scaled to 0 once it was told')
})

t.test('one that was applied a moment ago is waited for, step by step', async t => {
  const young = { generation: 1, revision: 0, stamps: [] }
  const step = (wishes: Wishes) => progressOf({ ...rollout({ ...young, ...wishes }), record: undefined })
  t.match(step({ observed: 0, updated: 0, available: 0 }), { waits: 'for the Deployment controller' })
  const hears = { waits: "for the controller to hear of the Deployment's revision 1" }
  const seen = { observed: 1, revision: 1 }
  t.match(step({ ...seen, updated: 0, available: 0 }), hears, 'its ReplicaSet has no pods yet')
  t.match(step({ ...seen, available: 0 }), hears, 'its pods are counted before they are seen')
  t.match(step({ ...seen, available: 0, stamps: [undefined, undefined] }), hears)
  t.match(step({ ...seen, stamps: [undefined, undefined] }), hears, 'before there is a Release')
  t.same(progressOf(rollout({ generation: 1, observed: 1 })), { end: 'told' })
})

t.test('what it waits for is named', async t => {
  t.match(progressOf(rollout({ generation: 4 })), { waits: 'for the Deployment controller' })
  t.match(progressOf(rollout({ revision: 8 })), {
    waits: "for the controller to hear of the Deployment's revision 8",
  })
  const rolling: ReleaseState = { ...releaseState, phase: 'rolling' }
  t.match(progressOf(rollout({ state: rolling })), {
    waits: 'for revision 7: 2 of 2 pods are updated, 2 available',
  })
})

t.test(
  'it has failed when Kubernetes says so, when nothing is injected, and when there is nothing',
  async t => {
    const rolling: ReleaseState = { ...releaseState, phase: 'rolling' }
    t.match(progressOf(rollout({ state: rolling, deadline: true })), {
      end: 'failed',
      why: 'the progress deadline',
    })
    t.match(progressOf({ ...rollout({ stamps: [] }), record: undefined }), {
      end: 'failed',
      why: 'none of its pods',
    })
    t.match(
      progressOf(rollout({ stamps: [] })),
      { end: 'failed', why: 'none of its pods' },
      'its former ones were injected',
    )
    t.match(progressOf({ ...rollout({}), deployment: undefined }), {
      end: 'failed',
      why: 'no such Deployment',
    })
    t.same(progressOf(rollout({ deadline: true })), { end: 'told' }, 'past its deadline, but told')
  },
)

t.test('the release is described', async t => {
  t.same(describeRollout(rollout({})), [
    'phase      ready since 2026-11-22T09:00:00Z',
    'revision   7 (rollout)',
    'target     registry.example/shop:1.15.0 aaaaaaaaaaaa',
    'live       aaaaaaaaaaaa on 2 pods',
    'told       2 of 2 injected pods',
  ])
  t.match(describeRollout({ ...rollout({}), record: undefined }), ['no Release'])
})

t.test('tabs are summed over the pods by what they show', async t => {
  const pod = (unnamed: number, ...pages: PageTabs[]): PodTabs => ({
    total: 0,
    unnamed,
    pages,
    history: null,
  })
  const state: ReleaseState = { ...releaseState, known: [...releaseState.known, ['h1', 'f'.repeat(64), 6]] }
  const target = `${state.name}-${state.target.hash}`
  t.same(
    tabLines(
      [pod(0, [target, 3], ['web-h1', 1], ['other-h1', 1]), pod(1, [target, 2]), pod(1), undefined],
      state,
    ),
    [
      `tabs       5 show the target (${target})`,
      'tabs       1 show revision 6 (web-h1)',
      'tabs       1 show other-h1, not known',
      'tabs       2 show a version that they do not tell',
      'tabs       unknown on 1 pods: they could not be asked (it takes the right to get pods/proxy)',
    ],
  )
  t.same(tabLines([pod(0)], state), ['tabs       none'])
})

interface Wishes {
  createdAt?: string
  generation?: number
  observed?: number
  /** The controller has heard of 7. */
  revision?: number
  replicas?: number
  updated?: number
  available?: number
  deadline?: boolean
  state?: ReleaseState
  /** Of each injected pod; undefined: it was never told anything. */
  stamps?: (ReleaseState | undefined)[]
}

function rollout({ generation = 3, revision = 7, deadline, state = releaseState, ...more }: Wishes): Rollout {
  const { createdAt = '2025-10-03T15:05:25Z', stamps = [state, state] } = more // as the state's epoch says
  const { observed = 3, replicas = 2, updated = replicas, available = updated } = more
  const deployment = parseDeployment({
    metadata: {
      name: 'web',
      uid: 'd3f1c2aa-0000-4000-8000-000000000000',
      creationTimestamp: createdAt,
      generation,
      annotations: { 'deployment.kubernetes.io/revision': String(revision) },
    },
    spec: { replicas },
    status: {
      observedGeneration: observed,
      replicas: updated,
      updatedReplicas: updated,
      availableReplicas: available,
      conditions: deadline ? [{ type: 'Progressing', reason: 'ProgressDeadlineExceeded' }] : [],
    },
  })
  const pods = stamps.map((stamp, index) =>
    parsePod({
      metadata: {
        name: `web-${index}`,
        labels: { 'spa-reloader.io/injected': 'true' },
        annotations: stamp && { 'spa-reloader.io/release': formatReleaseState(stamp) },
      },
    })!,
  )
  const record = {
    state,
    replicaSets: [],
    settled: null,
    before: null,
    targetUid: '',
    deployment: { revision: 7, resourceVersion: '' },
    services: [],
    others: [],
  }
  return { deployment, record, pods }
}
