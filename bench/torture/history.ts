// A random history of one Deployment and of ten tabs that come and go: everything that is left to chance, decided by a seed.
// What is decided here is what is done and in which order; how long each thing takes is the cluster's.

import { engines } from '../../test/browsers/browser.ts'
import type { Engine } from '../../test/browsers/browser.ts'

export const versions = ['one', 'two', 'three', 'four', 'five', 'six'] as const
export type Version = (typeof versions)[number]

export interface History {
  seed: number
  strategy: 'gradual' | 'at-once' | 'recreate'
  replicas: number
  /** What is live at first. */
  version: Version
  steps: Step[]
  visitors: Visitor[]
}

export interface Step {
  change: Change
  /** The webhook's process, which is the controller's too, dies when the change has begun and comes back when it is through. */
  isOutage: boolean
  /** The next step follows after so many milliseconds, whatever has become of this one. Undefined: when all is settled and every tab knows. */
  hurryMs?: number
  whims: Whim[]
}

export type Change =
  | { kind: 'rollout'; version: Version }
  | { kind: 'rollback' }
  | { kind: 're-push'; version: Version }
  | { kind: 'restart' }
  | { kind: 'scale'; replicas: number }
  | { kind: 'kill'; pods: number }

export interface Visitor {
  engine: Engine
  /** Whether its page reloads by itself. */
  isAuto: boolean
  /** It comes with this step (0: before the first), and leaves for good with that one. */
  from: number
  until?: number
}

/** What a visitor does some time after a step has begun. */
export interface Whim {
  visitor: number
  afterMs: number
  /** `accept`: the app's button, `refresh`: the browser's, `away`: to another page, and back when the step is settled or the next begins, `offline` likewise. */
  kind: 'accept' | 'refresh' | 'away' | 'offline'
}

const tabs = 10
const makesRevision = new Set<Change['kind']>(['rollout', 're-push', 'restart'])

/** The same for the same seed, an integer. */
export function historyOf(seed: number): History {
  const chance = chanceOf(seed)
  const strategy = chance.one(['gradual', 'gradual', 'at-once', 'recreate'] as const)
  const replicas = chance.between(2, 3)
  const version = chance.one(versions)
  const visitors = Array.from({ length: tabs }, (_, index): Visitor => {
    const engine = engines[index % engines.length]!
    const isAuto = chance.happens(0.4)
    return { engine, isAuto, from: 0 }
  })
  const count = chance.between(2, 3)
  for (const visitor of visitors) {
    if (chance.happens(0.4)) visitor.from = chance.between(1, count)
    if (chance.happens(0.3) && visitor.from < count) visitor.until = chance.between(visitor.from + 1, count)
  }
  const steps: Step[] = []
  while (steps.length < count) steps.push(stepOf(steps.length + 1))
  return { seed, strategy, replicas, version, steps, visitors }

  function stepOf(number: number): Step {
    const change = changeOf()
    const isOutage = chance.happens(0.12)
    let isHurried = number < count && chance.happens(0.35)
    // A tag that moves while pods of one ReplicaSet are made gives it pods of both: nobody can say which version that is.
    if (change.kind === 're-push') {
      isHurried = false
      delete steps.at(-1)?.hurryMs
    }
    const present = visitors.flatMap(({ from, until = Infinity }, index) =>
      from < number && number < until ? [index] : [],
    )
    const whims = present
      .filter(() => chance.happens(0.25))
      .map((visitor): Whim => {
        const kinds = ['accept', 'refresh', 'away', 'offline'] as const
        const kind = chance.one(kinds)
        const isPossible = kind !== 'offline' || visitors[visitor]!.engine !== 'webkit'
        return { visitor, afterMs: chance.between(0, 4_000), kind: isPossible ? kind : 'away' }
      })
    return { change, isOutage, ...(isHurried && { hurryMs: chance.between(0, 4_000) }), whims }
  }

  function changeOf(): Change {
    const version = chance.one(versions)
    const rollout: Change = { kind: 'rollout', version }
    const isFirst = !steps.some(({ change }) => makesRevision.has(change.kind)) // there is nothing to go back to
    const rollback: Change = isFirst ? rollout : { kind: 'rollback' }
    return chance.one([
      rollout,
      rollout,
      rollout,
      rollback,
      rollback,
      { kind: 're-push', version },
      { kind: 'restart' },
      { kind: 'scale', replicas: chance.between(1, 4) },
      { kind: 'kill', pods: chance.between(1, 2) },
    ])
  }
}

interface Chance {
  happens(probability: number): boolean
  /** Both ends included. */
  between(least: number, most: number): number
  one<T>(choices: readonly T[]): T
}

/** mulberry32: small, and good enough to choose with. https://gist.github.com/tommyettinger/46a874533244883189143505d203312c */
function chanceOf(seed: number): Chance {
  let state = seed | 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const between = (least: number, most: number) => least + Math.floor(next() * (most - least + 1))
  return {
    happens: probability => next() < probability,
    between,
    one: <T>(choices: readonly T[]) => choices[between(0, choices.length - 1)] as T,
  }
}

/** For people: what a failing history was. */
export function describe({ seed, strategy, replicas, version, steps }: History): string {
  const told = steps.map(({ change, isOutage, hurryMs }) => {
    const detail = Object.entries(change).flatMap(([key, value]) => (key === 'kind' ? [] : [value]))
    const outage = isOutage ? ' during an outage' : ''
    return (
      [change.kind, ...detail].join(' ') + outage + (hurryMs === undefined ? '' : `, ${hurryMs} ms later`)
    )
  })
  return `seed ${seed}: ${replicas} replicas, ${strategy}, ${version}; ${told.join('; ')}`
}
