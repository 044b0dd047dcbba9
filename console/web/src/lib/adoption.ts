// How open tabs moved to a version, as a curve and in words.

import type { TabCounts } from '../../../../protocol/console.ts'
import { count, duration, percent } from './format.ts'

export interface Curve {
  /** Of an SVG path, in a box of the given size; the line, and the area below it. */
  line: string
  area: string
  /** What the right edge stands for. */
  seconds: number
}

type Points = TabCounts['adoption']

/** Undefined with fewer than two points: there is nothing to draw. */
export function curveOf(adoption: Points, width: number, height: number): Curve | undefined {
  const first = adoption[0]
  const seconds = adoption.at(-1)?.[0] ?? 0
  if (!first || seconds <= first[0]) return undefined
  const from = first[0]
  const places = adoption.map(([at, current, total]) => {
    const x = ((at - from) / (seconds - from)) * width
    const y = (1 - share(current, total)) * height
    return `${round(x)} ${round(y)}`
  })
  const line = `M${places.join('L')}`
  return { line, area: `${line}L${width} ${height}L0 ${height}Z`, seconds }
}

/** When half, nine tenths and all of the tabs had moved, and how it stands. */
export function adoptionInWords(adoption: Points): string {
  const last = adoption.at(-1)
  if (!last) return 'Not measured yet'
  const [, current, total] = last
  if (total === 0) return 'No tab is open'
  const reached = [0.5, 0.9, 1].flatMap(part => {
    const at = adoption.findIndex((_, i) =>
      adoption.slice(i).every(([, current, total]) => share(current, total) >= part),
    )
    const seconds = adoption[at]?.[0]
    return seconds === undefined
      ? []
      : [`${part === 1 ? 'all' : percent(part, 1)} after ${duration(Math.max(1, seconds) * 1_000)}`]
  })
  const now = `${percent(current, total)} of ${count(total, 'tab')} ${total === 1 ? 'shows' : 'show'} the current version`
  return reached.length > 0 ? `${now}: ${reached.join(', ')}` : now
}

function share(current: number, total: number): number {
  return total === 0 ? 1 : current / total
}

function round(n: number): number {
  return Math.round(n * 10) / 10
}
