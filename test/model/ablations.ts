// Each rule of docs/model.md switched off: by a stand-in that lies to the shipped function, or does without it.
// Beside it stands what must go wrong then, and in which scenario.

import { digest } from './cluster.ts'
import type { PodFacts } from './cluster.ts'
import type { Kind } from './promises.ts'
import { shipped } from './rules.ts'
import type { Rules } from './rules.ts'
import type { scenarios } from './scenarios.ts'
import type { HeardState } from '../../protocol/message.ts'
import type { ReleaseState } from '../../protocol/release.ts'
import type { ReleaseRecord } from '../../release/record.ts'

export interface Ablation {
  without: string
  rules: Partial<Rules>
  scenario: keyof typeof scenarios
  cdn?: boolean
  leadsTo: Exclude<Kind, 'late'>
}

export const ablations: Ablation[] = [
  {
    without: 'the order of states: a page believes what it hears last',
    rules: {
      hear: (offer, message, isPresent) => shipped.hear({ ...offer, known: null }, message, isPresent),
    },
    scenario: 'a rollout',
    leadsTo: 'miss',
  },
  {
    without: 'the order of states: a sidecar keeps what it is brought last',
    rules: { createCurrent: keepTheLast },
    scenario: 'a rollout',
    leadsTo: 'miss',
  },
  {
    without: 'the order of epochs: a state of a Deployment that was made again has no later one',
    rules: {
      nextRelease: (last, world, now) => inOneEpoch(shipped.nextRelease(last, world, now)),
    },
    scenario: 'a Deployment that is deleted and made again, and then a rollout',
    leadsTo: 'miss',
  },
  {
    without: 'a page that knows itself: it takes itself for what it hears first',
    rules: { createOffer: () => shipped.createOffer(null), hear: takeTheFirst },
    scenario: 'a rollout',
    leadsTo: 'miss',
  },
  {
    without: 'a page that knows itself: it takes itself for what it hears first, and reloads',
    rules: { createOffer: () => shipped.createOffer(null), hear: takeTheFirst },
    scenario: 'a rollout and a rollback',
    leadsTo: 'false alarm',
  },
  {
    without: 'the state of the Deployment: each pod announces its own build',
    rules: { tell: announceOwnBuild },
    scenario: 'a rollout',
    leadsTo: 'false alarm',
  },
  {
    without: 'the state of the Deployment: each pod announces its own build, and the token is gone',
    rules: { tell: announceOwnBuild, spend: () => true },
    scenario: 'a rollout',
    leadsTo: 'loop',
  },
  {
    without: 'bytes and name that belong together: a page may be confirmed by another version (304)',
    rules: {
      editRequest: () => undefined,
      editAnswer: (answer, edits) => shipped.editAnswer({ ...answer, status: 200 }, edits),
    },
    scenario: 'a rollout',
    leadsTo: 'miss',
  },
  {
    without: 'whole pages: a confirmed one keeps its name, and is never replaced',
    rules: { editRequest: () => undefined },
    scenario: 'a rollout',
    leadsTo: 'miss',
  },
  {
    without: 'ready: a target is announced when its first pod is',
    rules: {
      nextRelease: (last, world, now) =>
        shipped.nextRelease(
          last,
          {
            ...world,
            deployment: {
              ...world.deployment,
              observedGeneration: world.deployment.generation,
              status: {
                replicas: 0,
                updatedReplicas: world.deployment.replicas,
                availableReplicas: 99,
              },
            },
            pods: onlyTheTargets(world),
          },
          now,
        ),
    },
    scenario: 'a rollout',
    leadsTo: 'false alarm',
  },
  {
    without: 'the last old pod: it may be ready still when the target is announced',
    rules: {
      nextRelease: (last, world, now) =>
        shipped.nextRelease(last, { ...world, pods: onlyTheTargets(world) }, now),
    },
    scenario: 'a rollout whose deadline passes halfway',
    leadsTo: 'false alarm',
  },
  {
    without: 'phases: a page takes what is being rolled out for all that is live',
    rules: {
      hear: (offer, message, isPresent) =>
        shipped.hear(offer, { ...message, phase: 'ready', live: [] }, isPresent),
    },
    scenario: 'a rollout',
    leadsTo: 'false alarm',
  },
  {
    without: 'the latch: `ready` is taken back when pods are added',
    rules: {
      nextRelease: (last, world, now) => {
        const next = shipped.nextRelease(last && rolling(last), world, now)
        return next && last && next.state.phase === last.state.phase ? last : next
      },
    },
    scenario: 'a rollout, and then more pods, which never start',
    leadsTo: 'miss',
  },
  {
    without: 'versions by bytes: each template is a version of its own',
    rules: {
      nextRelease: (last, world, now) =>
        shipped.nextRelease(
          last,
          {
            ...world,
            pods: reporting(world, hash => digest(hash.slice(-2))),
          },
          now,
        ),
    },
    scenario: 'a restart',
    leadsTo: 'false alarm',
  },
  {
    without: 'versions by bytes: each image name is one version',
    rules: {
      nextRelease: (last, world, now) =>
        shipped.nextRelease(last, { ...world, pods: reporting(world, () => digest('a')) }, now),
    },
    scenario: 'a tag that was pushed again, and a restart',
    leadsTo: 'miss',
  },
  {
    without: 'versions by bytes: a container that starts again is taken to run what it ran',
    rules: {
      nextRelease: (last, world, now) =>
        shipped.nextRelease(last, { ...world, pods: world.pods.map(neverRestarted) }, now),
    },
    scenario: 'a tag that was pushed again, a container that starts again, and a restart',
    leadsTo: 'miss',
  },
  {
    without: 'verifying: a page offers what is announced, without having been served it',
    rules: {
      serve: offer => (offer.candidate === '' ? offer : { ...offer, isOffered: true }),
    },
    scenario: 'a rollout and a rollback',
    leadsTo: 'false alarm',
  },
  {
    without: 'withdrawing: an offer stands, whatever is heard',
    rules: {
      hear(offer, message, isPresent) {
        const next = shipped.hear(offer, message, isPresent)
        return offer.isOffered ? { ...next, candidate: offer.candidate, isOffered: true } : next
      },
    },
    scenario: 'a rollout and a rollback',
    leadsTo: 'false alarm',
  },
  {
    without: 'the token: a page reloads as often as it has an offer',
    rules: { spend: () => true },
    scenario: 'a rollout',
    cdn: true,
    leadsTo: 'loop',
  },
  {
    without: 'the snapshot: a page that connects is told changes only',
    rules: { greet: () => undefined },
    scenario: 'a rollout',
    leadsTo: 'miss',
  },
  {
    without: 'holding: a page that a state does not know takes itself for an old one',
    rules: {
      hear: (offer, message, isPresent) => shipped.hear(offer, knowing(offer.page, message), isPresent),
    },
    scenario: 'two rollouts',
    leadsTo: 'false alarm',
  },
  {
    without:
      'holding: a page goes by the id that it carries, though a state that knows its hash does not know that id',
    rules: {
      hear: (offer, message, isPresent) => shipped.hear(offer, believing(offer.page, message), isPresent),
    },
    scenario: 'a tag that was pushed again, and all pods scaled away and back',
    cdn: true,
    leadsTo: 'false alarm',
  },
  {
    without: 'former ids: a version is forgotten when its ReplicaSet comes to run other bytes',
    rules: {
      hear: (offer, message, isPresent) => shipped.hear(offer, withoutFormer(message), isPresent),
    },
    scenario: 'a rollout, and a rollback to a tag that was pushed again',
    cdn: true,
    leadsTo: 'miss',
  },
  {
    without: 'placing: a page that does not know its id goes by what its ReplicaSet runs now',
    rules: { createOffer: page => shipped.createOffer(page && { name: page.name, hash: page.hash }) },
    scenario: 'a rollout, and a rollback to a tag that was pushed again',
    leadsTo: 'miss',
  },
  {
    without: 'placing by a later state: any that knows the hash will do',
    rules: {
      createOffer: page =>
        shipped.createOffer(page?.state ? { ...page, state: { ...page.state, serial: 0 } } : page),
    },
    scenario: 'a rollout, and a rollback to a tag that was pushed again',
    leadsTo: 'false alarm',
  },
  {
    without: 'waiting: a ReplicaSet that is used again is taken to run what it ran',
    rules: {
      hear: (offer, message, isPresent) => shipped.hear(offer, taking(message), isPresent),
    },
    scenario: 'a rollout, and a rollback to a tag that was pushed again',
    leadsTo: 'false alarm',
  },
  {
    without: 'what is live: only the target counts as current',
    rules: {
      hear: (offer, message, isPresent) => shipped.hear(offer, { ...message, live: [] }, isPresent),
    },
    scenario: 'a rollout beside another Deployment that stays',
    leadsTo: 'false alarm',
  },
]

type World = Parameters<Rules['nextRelease']>[1]
type Page = Parameters<Rules['createOffer']>[0]

function keepTheLast(): ReturnType<Rules['createCurrent']> {
  let last: ReleaseState | undefined
  return {
    state: () => last,
    all: () => (last ? [last] : []),
    deploymentOf: () => undefined,
    offer: state => void (last = state),
    subscribe: () => () => {},
  }
}

function inOneEpoch(record: ReleaseRecord | undefined): ReleaseRecord | undefined {
  return record && { ...record, state: { ...record.state, epoch: '0' } }
}

function takeTheFirst(...[offer, message, isPresent]: Parameters<Rules['hear']>): ReturnType<Rules['hear']> {
  const row = message.known.find(([, id]) => id === message.sha256)
  const page = offer.page ?? (row ? { name: message.name, hash: row[0], id: row[1] } : null)
  return shipped.hear({ ...offer, page }, message, isPresent)
}

function announceOwnBuild(state: ReleaseState, pod: PodFacts): HeardState {
  const id = digest(pod.bytes.toLowerCase())
  const rows = new Map(state.known.map(row => [row[0], row]))
  const own: ReleaseState = {
    ...state,
    phase: 'ready',
    target: { ...state.target, id, hash: pod.hash },
    live: [{ id, pods: 1 }],
    known: [...rows.set(pod.hash, [pod.hash, id, state.revision]).values()],
  }
  return shipped.tell(own, pod)
}

/** The pods of the newest ReplicaSet, as if the others were on their way out. */
function onlyTheTargets({ deployment, replicaSets, pods }: World): World['pods'] {
  const target = replicaSets.find(({ revision }) => revision === deployment.revision)
  return pods.map(pod => (pod.hash === target?.hash ? pod : { ...pod, terminating: true }))
}

function reporting({ pods }: World, digestOf: (hash: string) => string): World['pods'] {
  return pods.map(pod => ({
    ...pod,
    containerStatuses: pod.containerStatuses.map(status => ({
      ...status,
      imageID: digestOf(pod.hash),
    })),
  }))
}

function neverRestarted(pod: World['pods'][number]): World['pods'][number] {
  return {
    ...pod,
    containerStatuses: pod.containerStatuses.map(status => ({ ...status, restarts: 0 })),
  }
}

function rolling(record: ReleaseRecord): ReleaseRecord {
  return { ...record, state: { ...record.state, phase: 'rolling' } }
}

function knowing(page: Page, message: HeardState): HeardState {
  if (!page || message.known.some(([hash]) => hash === page.hash)) return message
  return {
    ...message,
    known: [...message.known, [page.hash, page.id ?? digest('0'), 0]],
  }
}

function believing(page: Page, message: HeardState): HeardState {
  const { id, hash } = page ?? {}
  if (!id || !message.known.some(([key]) => key === hash) || message.known.some(row => row.includes(id)))
    return message
  return { ...message, known: [...message.known, [id, id, 0]] }
}

function withoutFormer(message: HeardState): HeardState {
  return { ...message, known: message.known.filter(([key, id]) => key !== id) }
}

/** In the place of a row that waits for a report, what its ReplicaSet ran before. */
function taking(message: HeardState): HeardState {
  return { ...message, known: message.known.map(([key, id, revision]) => [key, id || digest('a'), revision]) }
}
