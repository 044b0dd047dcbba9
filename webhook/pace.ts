// How fast pods are told: so many requests at a time for all Deployments together, those of small Deployments first, because they are told soonest and hold
// up nobody. An API server that says 429 is left alone for as long as it asks.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Api, ApiRequest, ApiResponse } from '../release/api.ts'
import { retryAfterMs } from '../release/wire.ts'

export interface Pace {
  /** The same API; its requests wait for their turn. The fewer there are (`size`), the sooner it comes. */
  of(size: number): Pick<Api, 'request'>
  /** Whether requests wait for their turn. */
  isFull(): boolean
}

const maxParallel = 16 // the API server's share for all service accounts is some 245 seats (k8s.io/docs/concepts/cluster-administration/flow-control)
const maxRefusals = 5
const leastPauseMs = 1_000

export function createPace(api: Pick<Api, 'request'>, parallel = maxParallel): Pace {
  const waiting: { size: number; start: () => void }[] = []
  let running = 0
  let pause: Promise<void> | undefined
  return {
    of: size => ({ request: request => paced(size, request) }),
    isFull: () => waiting.length > 0,
  }

  async function paced(size: number, request: ApiRequest): Promise<ApiResponse> {
    await turn(size)
    try {
      return await patiently(request)
    } finally {
      running--
      next()
    }
  }

  async function patiently(request: ApiRequest): Promise<ApiResponse> {
    for (let refusals = 0; ; refusals++) {
      await pause
      const response = await api.request(request)
      if (response.status !== 429 || refusals === maxRefusals) return response
      pause ??= sleep(Math.max(leastPauseMs, retryAfterMs(response))).then(() => (pause = undefined))
    }
  }

  function turn(size: number): Promise<void> {
    return new Promise(start => {
      // Behind those of the same size: nobody waits for ever because of an equal.
      const place = waiting.findIndex(other => other.size > size)
      waiting.splice(place === -1 ? waiting.length : place, 0, { size, start })
      next()
    })
  }

  function next(): void {
    if (running >= parallel) return
    const first = waiting.shift()
    if (!first) return
    running++
    first.start()
  }
}
