// Which lines of a log are shown, and how they are written down.

import type { DeployLogLine } from '../../../../protocol/console.ts'
import { plain } from './ansi.ts'
import type { Row } from './log-ring.ts'

export type Level = DeployLogLine['level']
export const levels: readonly Level[] = ['info', 'warning', 'error']

export interface LogFilter {
  text: string
  /** And what is worse. */
  level: Level
}

export interface Block {
  id: number
  rows: Row[]
}

const rowsOfBlock = 50

export function isLineShown(line: DeployLogLine, { text, level }: LogFilter): boolean {
  if (levels.indexOf(line.level) < levels.indexOf(level)) return false
  return text === '' || `${line.about} ${plain(line.text)}`.toLowerCase().includes(text.toLowerCase())
}

/** Rows that come and go together in the document. A row stays in its block whatever comes or is dropped. */
export function blocksOf(rows: readonly Row[]): Block[] {
  const blocks: Block[] = []
  for (const row of rows) {
    const id = Math.floor(row.number / rowsOfBlock)
    const last = blocks.at(-1)
    if (last?.id === id) last.rows.push(row)
    else blocks.push({ id, rows: [row] })
  }
  return blocks
}

/** One line of a file, in UTC, as it came but for colours. */
export function written({ at, level, about, text, count }: DeployLogLine): string {
  return `${at} ${level.padEnd(7)} ${about}: ${plain(text)}${count > 1 ? ` (${count} times)` : ''}`
}

/** The parts of a text, in turn outside and inside of what is looked for. */
export function marked(text: string, wanted: string): string[] {
  if (wanted === '') return [text]
  const parts: string[] = []
  const lower = text.toLowerCase()
  const needle = wanted.toLowerCase()
  let at = 0
  for (let found = lower.indexOf(needle); found >= 0; found = lower.indexOf(needle, at)) {
    parts.push(text.slice(at, found), text.slice(found, found + needle.length))
    at = found + needle.length
  }
  parts.push(text.slice(at))
  return parts
}
