// What admission must know of a namespace, from the controller's copies. A namespace that was labelled a moment ago is waited for:
// its first pods often come right behind the label.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Controller } from './controller.ts'
import type { Gate } from './breaker.ts'
import type { Context } from './decide.ts'
import type { Wishes } from './resources.ts'

const askMs = 20

export interface Asked {
  limitMs: number
  gate: Gate
  /** What the installation wants sidecars to have. */
  sizes: Wishes
  isDryRun: boolean
  /** One of ours, see trial.ts: it is injected in any case. */
  isTrial: boolean
}

/** Rejects when the namespace is not known, or not listed, within `limitMs`. */
export async function contextOf(
  controller: Controller,
  namespace: string,
  { limitMs, gate, sizes, isDryRun, isTrial }: Asked,
): Promise<Context> {
  const end = Date.now() + limitMs
  let watched = controller.namespace(namespace)
  while (!watched) {
    if (Date.now() > end) throw new Error(`the namespace ${namespace} is not watched`)
    await sleep(askMs)
    watched = controller.namespace(namespace)
  }
  await Promise.all([watched.synced, controller.synced])
  const { services, state, breaker } = watched
  return {
    ...controller.around(namespace),
    services: services(),
    release: state,
    sizes,
    breaker(name) {
      const found = breaker(name)
      return !isTrial && gate(`${namespace}/${name}`, found, isDryRun) ? found : undefined
    },
  }
}
