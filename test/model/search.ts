// Searches through all states of a world, breadth first, so that the first failure it meets is among the shortest.

import type { Failure, Kind } from './promises.ts'
import type { Game, State } from './world.ts'

export interface Result {
  states: number
  /** How many of them are settled with a tab whose version is live, and how many with one that has an offer. */
  settled: { current: number; offered: number }
  /** What went wrong first, and the way there in sentences. */
  failure: (Failure & { trace: string[] }) | undefined
  /** The window that is left was met so often. */
  late: number
}

interface Node {
  state: State
  from: Node | undefined
  says: () => string
}

/** `only`: kinds of failure that count. The search ends at the first one, or throws at the limit of states. */
export function search(game: Game, only: readonly Kind[], limit: number): Result {
  const seen = new Set([game.keyOf(game.start)])
  let queue: Node[] = [{ state: game.start, from: undefined, says: () => '' }]
  const result: Result = {
    states: 0,
    settled: { current: 0, offered: 0 },
    failure: undefined,
    late: 0,
  }
  while (queue.length > 0) {
    const found: Node[] = []
    for (const node of queue) {
      result.states++
      if (game.isSettled(node.state))
        result.settled[node.state.tab?.offer.isOffered ? 'offered' : 'current']++
      const failure = game.failureOf(node.state)
      if (failure && only.includes(failure.kind)) return { ...result, failure: traced(failure, node) }
      for (const { next, says, failure } of game.moves(node.state)) {
        const reached = { state: next, from: node, says }
        if (failure?.kind === 'late') result.late++
        if (failure && only.includes(failure.kind)) return { ...result, failure: traced(failure, reached) }
        const key = game.keyOf(next)
        if (seen.has(key)) continue
        if (seen.size >= limit) throw new Error(`more than ${limit} states`)
        seen.add(key)
        found.push(reached)
      }
    }
    queue = found
  }
  return result
}

function traced(failure: Failure, node: Node) {
  const trace: string[] = []
  for (let at: Node | undefined = node; at?.from; at = at.from) trace.unshift(at.says())
  return { ...failure, trace: [...trace, failure.says] }
}
