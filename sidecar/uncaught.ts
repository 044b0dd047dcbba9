// Errors that nobody caught. Ending the process would cut every connection of the pod for the fault of one, so they are logged and
// lived with; when they come in numbers the process is broken, and the kubelet's fresh one is better.

import { reason } from '../protocol/log.ts'
import type { EventEmitter } from 'node:events'
import type { Log } from '../protocol/log.ts'

const most = 10
const withinMs = 60_000

/** `program` is the process; `end` is called at the tenth uncaught error within a minute. Rejections that nobody handled count too. */
export function surviveErrors(
  program: EventEmitter,
  log: Log,
  end: () => void,
  now = () => performance.now(),
): void {
  const recent: number[] = []
  program.on('uncaughtException', (error: unknown) => {
    log('uncaught error', { code: 'uncaught', reason: reason(error), stack: stackOf(error) })
    recent.push(now())
    if (recent.length < most) return
    if (now() - recent.shift()! < withinMs) end()
  })
}

function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined
}
