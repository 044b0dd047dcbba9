// The log of a deployment from objects as a cluster has them (Kubernetes 1.34, shortened).

import t from 'tap'
import { changesOf } from '../../../console/deploy/changes.ts'
import { describeDeploys, findDeploy } from '../../../console/deploy/deploys.ts'
import type { Present } from '../../../console/deploy/deploys.ts'
import { parseKubeEvent, parsePodFacts, parseRollout, parseSet } from '../../../console/deploy/facts.ts'
import type { AppFacts } from '../../../console/deploy/facts.ts'
import { deployLog } from '../../../console/deploy/log.ts'
import { parseDeployId } from '../../../console/deploy/logs.ts'

const at = (second: number) =>
  new Date(Date.UTC(2026, 10, 28, 2, 0, second)).toISOString().replace('.000', '')
const owner = (kind: string, name: string) => [{ kind, name, uid: `${name}-uid`, controller: true }]

function rollout({ revision = 2, reason = 'NewReplicaSetAvailable', end = 20 } = {}) {
  return parseRollout({
    metadata: {
      name: 'web',
      namespace: 'shop',
      uid: 'web-uid',
      generation: 1,
      annotations: { 'deployment.kubernetes.io/revision': String(revision) },
      managedFields: [
        { manager: 'helm', time: at(0), fieldsV1: { 'f:spec': { 'f:template': {} } } },
        { manager: 'kubectl-set', time: at(10), fieldsV1: { 'f:spec': { 'f:template': { 'f:spec': {} } } } },
        { manager: 'kubectl-scale', time: at(11), fieldsV1: { 'f:spec': { 'f:replicas': {} } } },
        {
          manager: 'kube-controller-manager',
          time: at(12),
          subresource: 'status',
          fieldsV1: { 'f:spec': { 'f:template': {} } },
        },
      ],
    },
    spec: {
      replicas: 2,
      selector: {
        matchLabels: { app: 'web' },
        matchExpressions: [{ key: 'tier', operator: 'In', values: ['a', 'b'] }],
      },
      template: {},
    },
    status: {
      observedGeneration: 1,
      replicas: 2,
      updatedReplicas: 2,
      availableReplicas: 2,
      conditions: [
        {
          type: 'Progressing',
          status: reason === 'ProgressDeadlineExceeded' ? 'False' : 'True',
          reason,
          lastUpdateTime: at(end),
        },
      ],
    },
  })!
}

function set(revision: number, second: number, image: string, history = '') {
  return parseSet({
    metadata: {
      name: `web-h${second}`,
      namespace: 'shop',
      uid: `web-h${second}-uid`,
      creationTimestamp: at(second),
      labels: { 'pod-template-hash': `h${second}` },
      annotations: {
        'deployment.kubernetes.io/revision': String(revision),
        ...(history && { 'deployment.kubernetes.io/revision-history': history }),
      },
      ownerReferences: owner('Deployment', 'web'),
    },
    spec: { template: { spec: { containers: [{ name: 'web', image }] } } },
  })!
}

function pod(name: string, set: string, status: Record<string, unknown>) {
  return parsePodFacts({
    metadata: {
      name,
      namespace: 'shop',
      uid: name,
      creationTimestamp: at(10),
      labels: { 'pod-template-hash': set.slice(4) },
      ownerReferences: owner('ReplicaSet', set),
    },
    spec: { nodeName: 'node-1', containers: [{ name: 'web', image: 'web:2' }] },
    status,
  })!
}

function event(
  kind: string,
  name: string,
  uid: string,
  reason: string,
  message: string,
  second: number,
  more = {},
) {
  return parseKubeEvent({
    metadata: { name: `${name}.${second}`, namespace: 'shop', uid: `${reason}-${name}-${second}` },
    involvedObject: { kind, name, uid },
    type: 'Normal',
    reason,
    message,
    firstTimestamp: at(second),
    lastTimestamp: at(second),
    count: 1,
    ...more,
  })!
}

const good = (second: number) => ({
  conditions: [
    { type: 'PodScheduled', status: 'True', lastTransitionTime: at(10) },
    { type: 'Ready', status: 'True', lastTransitionTime: at(second) },
  ],
  containerStatuses: [
    { name: 'web', image: 'web:2', imageID: '', restartCount: 0, state: { running: { startedAt: at(12) } } },
  ],
})

const complete: AppFacts = {
  rollout: rollout(),
  sets: [set(1, 0, 'web:1'), set(2, 10, 'web:2')],
  pods: [pod('web-h10-a', 'web-h10', good(14)), pod('web-h10-b', 'web-h10', good(18))],
  events: [
    event(
      'Deployment',
      'web',
      'web-uid',
      'ScalingReplicaSet',
      'Scaled up replica set web-h10 from 0 to 1',
      10,
    ),
    event('Pod', 'web-h10-a', 'web-h10-a', 'Scheduled', 'Successfully assigned shop/web-h10-a to node-1', 10),
    event('Pod', 'web-h10-a', 'web-h10-a', 'Started', 'Started container web', 12, {
      involvedObject: { kind: 'Pod', name: 'web-h10-a', uid: 'web-h10-a', fieldPath: 'spec.containers{web}' },
    }),
    event('Pod', 'web-h10-b', 'web-h10-b', 'Unhealthy', 'Readiness probe failed', 15, {
      type: 'Warning',
      count: 3,
    }),
    event('Pod', 'web-h10-b', 'web-h10-b', 'Unhealthy', 'of another day', 50),
    event('Pod', 'webshop-h1-a', 'other', 'Killing', 'of another app', 12),
  ],
}
const present: Present = { app: { status: 'ready' }, record: undefined }
const rest = { record: undefined, output: new Map<string, string[]>() }

function logOf(facts: AppFacts, revision: number, known = present, output = rest.output) {
  const found = findDeploy(facts, revision, known)
  return found
    ? deployLog({ ...facts, ...rest, ...found, output }).map(
        ({ at, about, text }) => `${at.slice(17, 19)} ${about}: ${text}`,
      )
    : []
}

t.test('a rollout that succeeds', async t => {
  t.same(logOf(complete, 2), [
    '10 Deployment web: revision 2 begins, written by kubectl-set',
    '10 Deployment web: image of web: web:1 → web:2',
    '10 Pod web-h10-a: scheduled on node-1',
    '10 Pod web-h10-b: scheduled on node-1',
    '10 Deployment web: Scaled up replica set web-h10 from 0 to 1',
    '12 Pod web-h10-a: container web started',
    '12 Pod web-h10-b: container web started',
    '14 Pod web-h10-a: ready',
    '14 Deployment web: Waiting for deployment "web" rollout to finish: 1 of 2 updated replicas are available...',
    '15 Pod web-h10-b: Readiness probe failed',
    '18 Pod web-h10-b: ready',
    '20 Deployment web: deployment "web" successfully rolled out',
  ])
})

t.test('the same facts have the same ids when the Events are gone, and in any order', async t => {
  const ids = (facts: AppFacts) =>
    deployLog({ ...facts, ...rest, ...findDeploy(facts, 2, present)! }).map(({ id }) => id)
  const bare = ids({ ...complete, events: [] })
  const whole = ids(complete)
  t.same(
    bare.filter(id => !whole.includes(id)),
    [],
  )
  const turned = {
    ...complete,
    pods: complete.pods.toReversed(),
    events: complete.events.toReversed(),
    sets: complete.sets.toReversed(),
  }
  t.same(ids(turned), whole)
})

t.test('the one before is over, and says since when', async t => {
  t.same(logOf(complete, 1), [
    '00 Deployment web: revision 1 begins, written by helm',
    '00 Deployment web: image of web: web:1',
    '10 Deployment web: Scaled up replica set web-h10 from 0 to 1',
    '10 Deployment web: another revision begins: this one is over',
  ])
  t.equal(findDeploy(complete, 1, present)?.deploy.status, 'superseded')
  t.equal(findDeploy(complete, 7, present), undefined)
})

t.test('a rollout that fails says why, with the last lines where they may be read', async t => {
  const crashed = {
    conditions: [{ type: 'PodScheduled', status: 'True', lastTransitionTime: at(10) }],
    containerStatuses: [
      {
        name: 'web',
        restartCount: 2,
        state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 20s' } },
        lastState: { terminated: { exitCode: 1, reason: 'Error', finishedAt: at(16) } },
      },
    ],
  }
  const unpulled = {
    conditions: [{ type: 'PodScheduled', status: 'True', lastTransitionTime: at(11) }],
    containerStatuses: [
      {
        name: 'web',
        restartCount: 0,
        state: { waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image' } },
      },
    ],
  }
  const facts = {
    ...complete,
    rollout: rollout({ reason: 'ProgressDeadlineExceeded', end: 30 }),
    pods: [pod('web-h10-a', 'web-h10', crashed), pod('web-h10-b', 'web-h10', unpulled)],
    events: [],
  }
  const failing: Present = { app: { status: 'failing' }, record: undefined }
  t.equal(findDeploy(facts, 2, failing)?.deploy.status, 'failing')
  t.same(logOf(facts, 2, failing, new Map([['web-h10-a/web/2', ['no such file: index.html']]])).slice(2), [
    '10 Pod web-h10-a: scheduled on node-1',
    '11 Pod web-h10-b: scheduled on node-1',
    '11 Pod web-h10-b: container web waits: ImagePullBackOff: Back-off pulling image',
    '16 Pod web-h10-a: container web ended with 1 (Error), restarted 2 times',
    '16 Pod web-h10-a: no such file: index.html',
    '30 Deployment web: deployment "web" exceeded its progress deadline',
  ])
})

t.test('a rollback is the old ReplicaSet under a new revision', async t => {
  const facts = {
    ...complete,
    rollout: rollout({ revision: 3 }),
    sets: [set(3, 0, 'web:1', '1'), set(2, 5, 'web:2')],
    pods: [],
    events: [],
  }
  const [deploy] = describeDeploys(facts, present)
  t.match(deploy, {
    id: 'shop/web@3',
    by: 'kubectl-set',
    startedAt: at(10),
    changes: ['rolled back to revision 1', 'image of web: web:2 → web:1'],
    finishedAt: at(20),
    status: 'complete',
  })
  t.match(findDeploy(facts, 1, present)?.deploy, { id: 'shop/web@1', status: 'superseded', startedAt: at(0) })
})

t.test('what changed, in words, and no value of the environment', async t => {
  const template = (container: object, metadata = {}, spec = {}) => ({
    metadata,
    spec: { containers: [{ name: 'web', image: 'web:1', ...container }], ...spec },
  })
  const table: [before: object, after: object, changes: string[]][] = [
    [template({}), template({}), []],
    [
      template({
        env: [
          { name: 'A', value: '1' },
          { name: 'B', value: 'secret' },
        ],
      }),
      template({ env: [{ name: 'B', value: 'other' }, { name: 'C' }] }),
      ['env of web: A removed, B changed, C added'],
    ],
    [template({}), template({ args: ['-v'] }), ['args of web changed']],
    [template({ resources: { limits: { cpu: '1' } } }), template({}), ['resources of web changed']],
    [template({}), template({ readinessProbe: {} }), ['readinessProbe of web changed']],
    [
      template({}),
      template({}, { annotations: { 'kubectl.kubernetes.io/restartedAt': 'x' } }),
      ['restarted'],
    ],
    [
      template({}, { labels: { 'pod-template-hash': 'a' } }),
      template({}, { labels: { 'pod-template-hash': 'b', tier: 'x' } }),
      ['label tier changed'],
    ],
    [template({}), template({}, {}, { nodeSelector: { a: 'b' } }), ['nodeSelector changed']],
    [
      template({}),
      { spec: { containers: [{ name: 'api', image: 'api:1' }] } },
      ['container api added: api:1', 'container web removed'],
    ],
  ]
  for (const [before, after, changes] of table)
    t.same(changesOf(before as never, after as never), changes, changes.join())
})

t.test('an id names a namespace, an app and a revision', async t => {
  t.same(parseDeployId('shop/web@12'), { namespace: 'shop', name: 'web', revision: 12 })
  for (const wrong of ['web@1', 'shop/web', 'shop/web@', 'shop/web@x', 'a/b/c@1', 'shop/web@1@2', ''])
    t.equal(parseDeployId(wrong), undefined, wrong)
})

t.test('a selector is asked for as the API has it', async t => {
  t.equal(rollout().selector, 'app=web,tier in (a,b)')
})
