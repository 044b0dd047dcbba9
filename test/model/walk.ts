// npm run model -- [--walks N] [--seed S]: random walks through random histories, far longer than those that can be searched through.
// Prints the way to the first failure, and the seed that leads there again.

import { createHistory } from './cluster.ts'
import type { Template } from './cluster.ts'
import { shipped } from './rules.ts'
import { createGame } from './world.ts'
import type { Game, Move, State } from './world.ts'

const flags = new Map<string, string>()
for (let at = 2; at < process.argv.length; at += 2) flags.set(process.argv[at]!, process.argv[at + 1] ?? '')
const walks = Number(flags.get('--walks') ?? 1_000)
const firstSeed = Number(flags.get('--seed') ?? 1)
if (![walks, firstSeed].every(Number.isSafeInteger)) {
  console.error('usage: npm run model -- [--walks N] [--seed S]')
  process.exit(2)
}

let steps = 0
let late = 0
for (let seed = firstSeed; seed < firstSeed + walks; seed++) {
  const trace = walk(seed)
  if (trace) {
    console.log([...trace, `replay: npm run model -- --walks 1 --seed ${seed}`].join('\n'))
    process.exit(1)
  }
}
console.log(`${walks} walks, ${steps} steps: no miss, no false alarm, no loop; ${late} in the window`)

/** Returns the way to a failure in sentences, if there is one. */
function walk(seed: number): string[] | undefined {
  const random = createRandom(seed)
  const game = createGame({ snapshots: randomHistory(random), cdn: random() < 0.5 }, shipped)
  const trace: string[] = []
  let state = game.start
  for (let left = 400; left > 0; left--) {
    const moves = [...game.moves(state)]
    // What the cluster does is one way among many that a tab has: it would take for ever.
    const move = random() < 0.15 ? moves[0] : moves[Math.floor(random() * moves.length)]
    if (!move) break
    state = take(move)
    if (isFailure(move)) return [...trace, move.failure!.says]
  }
  return settle(game)

  function take(move: Move): State {
    steps++
    if (move.failure?.kind === 'late') late++
    trace.push(move.says())
    return move.next
  }

  /** Everything under way comes to its end. */
  function settle(game: Game): string[] | undefined {
    for (let left = 500; left > 0; left--) {
      const key = game.keyOf(state)
      const move = [...game.moves(state)].find(({ isFair, next }) => isFair && game.keyOf(next) !== key)
      if (!move) {
        const failure = game.failureOf(state)
        return failure && [...trace, failure.says]
      }
      state = take(move)
      if (isFailure(move)) return [...trace, move.failure!.says]
    }
    return [...trace, 'it never settles']
  }
}

function isFailure({ failure }: Move): boolean {
  return failure !== undefined && failure.kind !== 'late'
}

function randomHistory(random: () => number) {
  const history = createHistory()
  const templates: Template[] = ['A', 'B', 'C', 'D'].map((bytes, index) => ({
    hash: bytes.toLowerCase().repeat(3),
    image: `web:${index + 1}`,
    bytes,
  }))
  let isHalfway = false
  history.deploy('web', templates[0]!)
  if (random() < 0.2) history.deploy('other', { ...templates[0]!, hash: 'xxx' })
  for (let events = 2 + Math.floor(random() * 4); events > 0; events--) {
    const chance = random()
    const template = templates[Math.floor(random() * templates.length)]!
    if (chance < 0.5) history.rollOut('web', template)
    else if (chance < 0.75) history.rollOut('web', template, { halfway: true })
    else if (chance < 0.85)
      history.rollOut('web', {
        ...template,
        hash: `${template.hash}${events}`,
      })
    else if (isHalfway) history.expire('web')
    else
      history.scale('web', 1 + Math.floor(random() * 3), {
        stuck: random() < 0.5,
      })
    isHalfway = chance >= 0.5 && chance < 0.75
  }
  return history.snapshots
}

/** mulberry32: small, and the same everywhere. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
