// How open tabs moved to a version, as a curve and in words.

import type { ConsoleApp, TabCounts } from '../../../../protocol/console.ts'
import { count, duration, number, percent } from './format.ts'

export interface Curve {
  /** Of an SVG path, in a box of the given size; the line, and the area below it. */
  line: string
  area: string
  /** What the edges stand for: seconds since the version is live. */
  from: number
  to: number
}

type Points = TabCounts['adoption']

/** Undefined with fewer than two points: there is nothing to draw. */
export function curveOf(adoption: Points, width: number, height: number): Curve | undefined {
  const first = adoption[0]
  const to = adoption.at(-1)?.[0] ?? 0
  if (!first || to <= first[0]) return undefined
  const from = first[0]
  const places = adoption.map(([at, current, total]) => {
    const x = ((at - from) / (to - from)) * width
    const y = (1 - share(current, total)) * height
    return `${round(x)} ${round(y)}`
  })
  const line = `M${places.join('L')}`
  return { line, area: `${line}L${width} ${height}L0 ${height}Z`, from, to }
}

/** How it stands, and when half, nine tenths and all of the tabs had moved, as far as somebody was there to see it: the pods of now may be younger. */
export function adoptionInWords(
  { adoption, current, total }: Pick<TabCounts, 'adoption' | 'current' | 'total'>,
  phase: ConsoleApp['phase'] = 'ready',
): string {
  if (total === 0) return 'No tab is open'
  const all = count(total, 'tab')
  if (phase !== 'ready') return `${number(current)} of ${all} ${verbOf(current)} the new version`
  const points = [...adoption, [NaN, current, total] as const] // the last sample can be hours old
  const reached = [0.5, 0.9, 1].flatMap(part => {
    const at = points.findIndex((_, i) =>
      points.slice(i).every(([, current, total]) => share(current, total) >= part),
    )
    const [seconds] = adoption[at] ?? []
    if (seconds === undefined || (at === 0 && !isFromTheStart(seconds))) return []
    return [`${part === 1 ? 'all' : percent(part, 1)} after ${duration(Math.max(1, seconds) * 1_000)}`]
  })
  const now = `${percent(current, total)} of ${all} ${verbOf(total)} the current version`
  return reached.length > 0 ? `${now}: ${reached.join(', ')}` : now
}

/** A sidecar hears of a version within seconds. */
export function isFromTheStart(seconds: number): boolean {
  return seconds <= 10
}

function verbOf(subject: number): string {
  return subject === 1 ? 'shows' : 'show'
}

function share(current: number, total: number): number {
  return total === 0 ? 1 : current / total
}

function round(n: number): number {
  return Math.round(n * 10) / 10
}
