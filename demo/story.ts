// What happens, link by link, for people: made of the programs' own logs, of which it tells what matters to a rollout.

import type { Log } from '../protocol/log.ts'
import type { LogLine } from './programs.ts'

export type Link = 'deployment' | 'webhook' | 'kubelet' | 'release' | 'annotation' | 'sidecar' | 'problem'

export interface Story {
  tell(link: Link, text: string): void
  /** A line of the webhook's log. */
  webhook(line: LogLine): void
  /** A line of a sidecar's log; `adminPort` is where it says how many tabs it has. */
  sidecar(pod: string, adminPort: number | undefined, line: LogLine): void
  /** For what runs in this process: only what goes wrong there is told. */
  log: Log
}

/** Hands each line to `print`. */
export function createStory(print: (line: string) => void): Story {
  return { tell, webhook, sidecar, log }

  function tell(link: Link, text: string): void {
    print(`${link.padEnd(11)} ${text}`)
  }

  function webhook(line: LogLine): void {
    switch (line.message) {
      case 'pod injected':
        return tell(
          'webhook',
          `a pod of ${show(line.deployment)} gets its sidecar: port name leads to ${show(line.front)}, the app stays on ${show(line.port)}`,
        )
      case 'release state':
        return tell('release', describe(line))
      case 'pods told':
        return tell('annotation', `serial ${show(line.serial)} written on ${plural(line.pods, 'pod')}`)
      case 'reconcile failed':
      case 'pod failed':
      case 'pod not told':
      case 'pod skipped':
        return tell('problem', `webhook: ${line.message}: ${show(line.reason)}`)
    }
  }

  function sidecar(pod: string, adminPort: number | undefined, line: LogLine): void {
    switch (line.message) {
      case 'release state':
        countTabs(adminPort).then(
          tabs => tabs > 0 && tell('sidecar', `${pod} tells ${plural(tabs, 'tab')}: ${describe(line)}`),
          () => {}, // it ends
        )
        return
      case 'draining tabs':
        return tell(
          'sidecar',
          `${pod} sends ${plural(line.tabs, 'tab')} to the other pods, which tell them on arrival`,
        )
      case 'release file malformed':
      case 'sidecar cannot start':
      case 'uncaught error':
        return tell('problem', `${pod}: ${line.message}: ${show(line.reason)}`)
    }
  }

  function log(message: string, fields: Parameters<Log>[1] = {}): void {
    if (message.endsWith(' failed')) tell('problem', `${message}: ${show(fields.reason)}`)
  }
}

function describe({ serial, revision, phase, image, id, why }: LogLine): string {
  const version = [image, id && `sha256:${show(id).slice(0, 8)}…`].filter(Boolean).join(' ')
  return `revision ${show(revision)} ${show(phase)}${why ? ` (${show(why)})` : ''}, ${version || 'no digest yet'}, serial ${show(serial)}`
}

/** Of the sidecar's metrics, the open tabs of all versions. */
async function countTabs(port: number | undefined): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`)
  const counts = (await response.text()).matchAll(/^spa_reloader_tabs\{.*\} (\d+)$/gm)
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0)
}

function plural(count: unknown, noun: string): string {
  return count === 1 ? `1 ${noun}` : `${show(count)} ${noun}s`
}

function show(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}
