// One timer, of which what was armed last is all there is.

import type { Env } from './env.ts'

export interface Timer {
  arm(ms: number, run: () => void): void
  stop(): void
}

export function createTimer(env: Env): Timer {
  let timer: unknown
  return {
    arm(ms, run) {
      env.clearTimeout(timer)
      timer = env.setTimeout(run, ms)
    },
    stop: () => env.clearTimeout(timer),
  }
}
