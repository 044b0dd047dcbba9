// Blue/green: when the Services lead to another Deployment, the tabs that are connected here would hear of it only when they connect
// again. So they are sent to do that.

import type { States } from '../states.ts'
import type { Channel } from './sockets.ts'
import type { Tabs } from './tabs.ts'

export interface SwitchOptions {
  current: States
  /** After how many milliseconds tabs are sent away, and again those that came back because the network lagged behind. */
  moveAfterMs?: readonly number[]
}

// kube-proxy writes its rules about once a second, and an Ingress controller takes its time to load them.
const lag = [1_000, 5_000, 30_000]

export function followSwitch(
  tabs: Pick<Tabs, 'move'>,
  { current, moveAfterMs = lag }: SwitchOptions,
): Channel {
  let timers: NodeJS.Timeout[] = []
  let unsubscribe: (() => void) | undefined
  let wasSwitched = false
  return { open, close }

  function open(): void {
    wasSwitched = current.state()?.switched === true // whoever comes to such a pod comes by another way
    unsubscribe = current.subscribe(({ switched = false }) => {
      if (switched === wasSwitched) return
      wasSwitched = switched
      stop()
      if (switched) timers = moveAfterMs.map(ms => setTimeout(() => void tabs.move(), ms))
    })
  }

  function close(): void {
    unsubscribe?.()
    stop()
  }

  function stop(): void {
    for (const timer of timers) clearTimeout(timer)
    timers = []
  }
}
