// The console over apps that are made up, and changes of them at an even pace.

import { setTimeout as sleep } from 'node:timers/promises'
import { openConsole } from '../console/console.ts'
import type { Console } from '../console/console.ts'
import type { World } from '../test/console/fixtures/cluster.ts'

/** At a free port of loopback. */
export function openMadeUp({ source }: World): Promise<Console> {
  return openConsole({
    api: { request: nothing, stream: nothing, close: () => {} },
    source,
    port: 0,
    hosts: [],
    version: 'bench',
    log: () => {},
  })
}

const nothing = () => Promise.reject(new Error('there is no API server'))

/** Ten ticks a second, late ones as soon as they can. */
export async function tenTimesASecond(seconds: number, tick: (number: number) => void): Promise<void> {
  const start = performance.now()
  for (let number = 0; number < seconds * 10; number += 1) {
    tick(number)
    await sleep(Math.max(0, start + (number + 1) * 100 - performance.now()))
  }
}
