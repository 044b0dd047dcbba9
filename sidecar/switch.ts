// Blue/green: when the Services lead to another Deployment, whoever is connected here would notice only when he connects again: tabs hear
// of the other version then, and a browser's idle connections bring the old pages until then. So both are ended.

import type { States } from './states.ts'

export interface SwitchOptions {
  current: States
  server: {
    /** Closes the tabs that are open now. */
    move(): Promise<void>
  }
  front: {
    /** While on, answers ask their clients to go elsewhere, and idle connections end. */
    sendAway(isOn: boolean): void
  }
  /** After how many milliseconds tabs are sent away, and again those that came back because the network lagged behind. */
  moveAfterMs?: readonly number[]
}

// kube-proxy writes its rules about once a second, and an Ingress controller takes its time to load them.
const lag = [1_000, 5_000, 30_000]

/** Returns what ends it. */
export function followSwitch({ current, server, front, moveAfterMs = lag }: SwitchOptions): () => void {
  let timers: NodeJS.Timeout[] = []
  // A pod that starts as one to which nothing leads is reached by another way, or not at all.
  let wasSwitched: boolean | undefined
  const unsubscribe = current.subscribe(({ switched = false }) => {
    wasSwitched ??= switched
    if (switched === wasSwitched) return
    wasSwitched = switched
    stop()
    front.sendAway(switched)
    if (switched) timers = moveAfterMs.map(ms => setTimeout(() => void server.move(), ms))
  })
  return () => {
    unsubscribe()
    stop()
  }

  function stop(): void {
    for (const timer of timers) clearTimeout(timer)
    timers = []
  }
}
