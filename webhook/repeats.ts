// Writes a finished rollout on each pod once more. The kubelet goes through its pods by what it knew of them when it began: of one that changes
// meanwhile it writes the file as it was before, and looks again only when it syncs the pod for no reason, a minute or more later (of 30 pods of a node that were
// written at once one or two in a hundred, bench/README.md; https://github.com/kubernetes/kubernetes/issues/105204). Another change makes it look again.

import { formatReleaseState } from '../protocol/release.ts'
import type { ReleaseState } from '../protocol/release.ts'
import type { Pod } from '../release/objects.ts'
import type { Pace } from './pace.ts'
import { stamp } from './stamp.ts'

export interface Repeats {
  /** The state of that Deployment has been written on these pods for the first time. */
  wrote(name: string, state: ReleaseState, pods: readonly Pod[]): void
  /** Writes on those whose time has come. Returns after how many milliseconds the next one's has. */
  look(name: string, state: ReleaseState, pods: readonly Pod[]): Promise<number | undefined>
  forget(name: string): void
}

const afterMs = 1_000 // the kubelet's loops take a tenth of it each

interface Open {
  serial: number
  /** By the pods' uids, in milliseconds since 1970. */
  due: Map<string, number>
}

export function createRepeats({ pace, now }: { pace: Pace; now(): Date }): Repeats {
  /** By Deployment. In memory only: a webhook that ends within the second leaves it to the kubelet. */
  const open = new Map<string, Open>()
  return { wrote, look, forget: name => void open.delete(name) }

  function wrote(name: string, { phase, serial }: ReleaseState, pods: readonly Pod[]): void {
    if (open.get(name)?.serial !== serial) open.delete(name)
    if (phase !== 'ready' || pods.length === 0) return
    const due = open.get(name)?.due ?? new Map<string, number>()
    for (const { uid } of pods) due.set(uid, now().getTime() + afterMs)
    open.set(name, { serial, due })
  }

  async function look(name: string, state: ReleaseState, pods: readonly Pod[]): Promise<number | undefined> {
    const { serial, due } = open.get(name) ?? {}
    if (!due || serial !== state.serial) return undefined
    const at = now().getTime()
    const isDue = ({ uid, terminating }: Pod): boolean => !terminating && (due.get(uid) ?? Infinity) <= at
    const again = pods.filter(isDue)
    if (again.length > 0 && pace.isFull()) return afterMs // whoever has not been told at all comes first
    // For the sidecar it is the same text, for the kubelet another one.
    const { error } = await stamp(pace.of(again.length), `${formatReleaseState(state)}\n`, again)
    if (error !== undefined) throw error
    for (const [uid, ms] of due) if (ms <= at) due.delete(uid)
    if (due.size > 0) return Math.min(...due.values()) - at
    open.delete(name)
    return undefined
  }
}
