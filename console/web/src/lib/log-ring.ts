// The last lines of a log, each with the number it came as. A line that is told again takes the place of the one with its id.

import type { DeployLogLine } from '../../../../protocol/console.ts'

export interface Row {
  /** From 0, in the order in which they came. */
  number: number
  line: DeployLogLine
}

export interface LogRing {
  add(lines: DeployLogLine[]): void
  /** A new array after each change. */
  rows(): readonly Row[]
  /** How many came before the first that is still there. */
  skipped(): number
  has(id: string): boolean
}

export function createLogRing(most = 5_000): LogRing {
  let rows: Row[] = []
  let next = 0
  const numbers = new Map<string, number>()

  return {
    rows: () => rows,
    skipped: () => next - rows.length,
    has: id => numbers.has(id),
    add(lines) {
      const all = [...rows]
      const first = next - rows.length
      for (const line of lines) {
        const number = numbers.get(line.id) ?? next++
        numbers.set(line.id, number)
        all[number - first] = { number, line }
      }
      for (const { line } of all.splice(0, Math.max(0, all.length - most))) numbers.delete(line.id)
      rows = all
    },
  }
}
