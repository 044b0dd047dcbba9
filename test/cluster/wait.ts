// Waiting for a cluster to come round.

import { setTimeout as delay } from 'node:timers/promises'

/**
 * Asks until there is an answer: anything but false, undefined or a rejection. Rejects after `seconds`, naming `what` was
 * waited for, with the rejection that the last attempt ended in, if it did. The limit is generous because machines differ; it is no assertion on speed.
 * It holds for an attempt that gets no answer at all, too. Between two attempts a tenth of the time waited so far goes by, 50 ms at least and
 * `mostMs` at most: what is asked often takes the processor from what is waited for.
 */
export async function until<T>(
  what: string | (() => string),
  ask: () => T | Promise<T>,
  seconds = 120,
  mostMs = 250,
): Promise<Exclude<T, false | undefined>> {
  const start = Date.now()
  const end = start + seconds * 1_000
  let last: unknown
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<undefined>(resolve => {
    timer = setTimeout(() => resolve(undefined), seconds * 1_000)
  })
  try {
    while (Date.now() < end) {
      try {
        const answer = await Promise.race([ask(), over])
        if (answer !== false && answer !== undefined) return answer as Exclude<T, false | undefined>
        last = undefined
      } catch (error) {
        last = error
      }
      await delay(Math.min(Math.max((Date.now() - start) / 10, 50), mostMs))
    }
  } finally {
    clearTimeout(timer)
  }
  throw new Error(`waited ${seconds} s in vain for ${typeof what === 'string' ? what : what()}`, {
    cause: last,
  })
}
