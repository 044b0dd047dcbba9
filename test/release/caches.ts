// Informer caches that lag behind each other. A real API server cannot be made to deliver its watches in every order, so this is here: the
// objects of a rollout and of its rollback in the order in which Kubernetes' controllers write them, and each way in which copies of
// Deployments, ReplicaSets and Pods can follow, one object behind the other.

import t from 'tap'
import { nextRelease } from '../../release/next.ts'
import type { ReleaseRecord } from '../../release/record.ts'
import { a, b, webA, webB, world } from './cluster.ts'
import type { Facts } from './cluster.ts'

type DeploymentFacts = Pick<Facts, 'revision' | 'generation' | 'observedGeneration' | 'status'>
type Step = [
  at: number,
  deployment?: DeploymentFacts | undefined,
  replicaSets?: Facts['replicaSets'] | undefined,
  pods?: Facts['pods'],
]

const status = (replicas: number, updatedReplicas: number, availableReplicas: number) => ({
  replicas,
  updatedReplicas,
  availableReplicas,
})
const oldA = { hash: 'aaa', digest: a }
const newA = { hash: 'aaa', digest: a, created: 40 }
const podB = { hash: 'bbb', digest: b, created: 20 }
const again = { ...webA, revision: 3, created: 1, history: '1' }
const complete = { 2: 10, 3: 20 }

/** Each time names what changed then. */
const steps: Step[] = [
  [0, { revision: 1, generation: 1, status: status(1, 1, 1) }, [webA], [oldA]],
  [1, { revision: 1, generation: 2, observedGeneration: 1, status: status(1, 1, 1) }], // another image
  [2, undefined, [webA, webB]],
  [3, { revision: 2, generation: 2, observedGeneration: 1, status: status(1, 1, 1) }],
  [
    4,
    { revision: 2, generation: 2, status: status(2, 1, 1) },
    undefined,
    [oldA, { hash: 'bbb', created: 20 }],
  ],
  [5, undefined, undefined, [oldA, { ...podB, ready: false }]],
  [6, undefined, undefined, [oldA, podB]],
  [7, { revision: 2, generation: 2, status: status(2, 1, 2) }],
  [8, undefined, [{ ...webA, replicas: 0 }, webB]],
  [9, undefined, undefined, [{ ...oldA, terminating: true }, podB]],
  [10, { revision: 2, generation: 2, status: status(1, 1, 1) }],
  [11, undefined, undefined, [podB]],
  [12, { revision: 2, generation: 3, observedGeneration: 2, status: status(1, 1, 1) }], // undo
  [13, undefined, [{ ...again, replicas: 0 }, webB]],
  [14, { revision: 3, generation: 3, observedGeneration: 2, status: status(1, 1, 1) }],
  [15, undefined, [again, webB]],
  [
    16,
    { revision: 3, generation: 3, status: status(2, 1, 1) },
    undefined,
    [podB, { hash: 'aaa', created: 40 }],
  ],
  [17, undefined, undefined, [podB, newA]],
  [18, undefined, [again, { ...webB, replicas: 0 }]],
  [19, undefined, undefined, [{ ...podB, terminating: true }, newA]],
  [20, { revision: 3, generation: 3, status: status(1, 1, 1) }],
]
const versionsOf = <Kind>(pick: (step: Step) => Kind | undefined) =>
  steps.flatMap(step => {
    const facts = pick(step)
    return facts ? [{ at: step[0], facts }] : []
  })
const caches = {
  deployments: versionsOf(step => step[1]),
  replicaSets: versionsOf(step => step[2]),
  pods: versionsOf(step => step[3]),
}

const memory = new Map<string, { now: number; copies: ReturnType<typeof world> }>()

t.test('whatever cache lags behind the others, nothing is told early, and the end is the same', async t => {
  const wrong = new Set<string>()
  const seen = new Set<string>()
  const ends = new Set<string>()
  const queue: { at: [number, number, number]; last: ReleaseRecord | undefined }[] = [
    { at: [0, 0, 0], last: undefined },
  ]
  for (let item = queue.pop(); item; item = queue.pop()) {
    const { at, last } = item
    const { now, copies } = copiesAt(...at)
    const next = nextRelease(last, copies, new Date(0))
    const key = JSON.stringify([at, next])
    if (seen.has(key)) continue
    seen.add(key)
    for (const problem of problems(last, next, now)) wrong.add(`${at.join()}: ${problem}`)
    const moves = at
      .map((index, cache) => at.map((other, i) => (i === cache ? index + 1 : other)) as typeof at)
      .filter(([d, r, p]) => caches.deployments[d] && caches.replicaSets[r] && caches.pods[p])
    for (const move of moves) queue.push({ at: move, last: next })
    if (moves.length === 0)
      ends.add(`${next?.state.revision} ${next?.state.phase} ${next?.state.target.id[0]}`)
  }
  t.same([...wrong], [])
  t.same([...ends], ['3 ready a'])
  t.ok(seen.size > 500, `${seen.size} states`)
})

/** What the caches hold, and the least that has happened then. */
function copiesAt(...at: [number, number, number]) {
  const known = memory.get(at.join())
  if (known) return known
  const [deployment, replicaSets, pods] = [
    caches.deployments[at[0]]!,
    caches.replicaSets[at[1]]!,
    caches.pods[at[2]]!,
  ]
  const copies = world({
    ...deployment.facts,
    resourceVersion: String(deployment.at + 1),
    replicaSets: replicaSets.facts,
    pods: pods.facts,
  })
  const now = Math.max(deployment.at, replicaSets.at, pods.at)
  memory.set(at.join(), { now, copies })
  return { now, copies }
}

function problems(last: ReleaseRecord | undefined, next: ReleaseRecord | undefined, now: number): string[] {
  if (!next) return last ? ['it forgets'] : []
  const { serial, revision, phase, target, why, previous } = next.state
  const told = `${revision} ${phase} ${target.id[0]} ${why}`
  const found: string[] = []
  if (phase === 'ready' && revision > 1 && now < complete[revision as 2 | 3]) found.push(`early: ${told}`)
  if (phase === 'ready' && target.id !== (revision === 2 ? b : a)) found.push(`wrong: ${told}`)
  if (why !== (revision === 3 ? 'rollback' : 'rollout')) found.push(`why: ${told}`)
  if (previous?.id === target.id) found.push(`previous: ${told}`)
  if (!last) return found
  const before = last.state
  if (next.state !== before && serial !== before.serial + 1) found.push(`serial: ${told}`)
  if (revision < before.revision) found.push(`revision goes back: ${told}`)
  if (revision === before.revision && before.phase === 'ready' && phase !== 'ready')
    found.push(`back from ready: ${told}`)
  return found
}
