// Looks at the process's memory once a second, and says when what to do about it changes.

import { totalmem } from 'node:os'
import type { Log } from '../protocol/log.ts'
import { pressureOf } from './front/pressure.ts'
import type { Pressure } from './front/pressure.ts'

export interface MemoryOptions {
  /** Undefined: unknown, and nothing is ever given up. */
  limitBytes: number | undefined
  usedBytes: () => number
  onChange(pressure: Pressure): void
  log: Log
}

export interface Memory {
  open(): void
  close(): void
  pressure(): Pressure
  limitBytes: number | undefined
}

const lookMs = 1_000
const MiB = 1024 * 1024

export function createMemory({ limitBytes, usedBytes, onChange, log }: MemoryOptions): Memory {
  let pressure: Pressure = 'none'
  let timer: NodeJS.Timeout | undefined
  return { open, close: () => clearInterval(timer), pressure: () => pressure, limitBytes }

  function open(): void {
    if (limitBytes !== undefined) timer = setInterval(look, lookMs, limitBytes).unref()
  }

  function look(limit: number): void {
    const used = usedBytes()
    const next = pressureOf(pressure, used / limit)
    if (next === pressure) return
    pressure = next
    const [usedMib, limitMib] = [Math.round(used / MiB), Math.round(limit / MiB)]
    log('memory pressure', { code: 'memory_pressure', pressure, usedMib, limitMib })
    onChange(pressure)
  }
}

/**
 * What is configured, in MiB (0: none), or else the limit of the container's cgroup, v1 or v2, as libuv reads it; undefined where there is none.
 */
export function memoryLimit(
  configuredMib: number | undefined,
  ofContainer: number = process.constrainedMemory(),
): number | undefined {
  if (configuredMib !== undefined) return configuredMib * MiB || undefined
  // Without a limit libuv tells 0, or a number beyond all memory there is.
  return ofContainer > 0 && ofContainer <= totalmem() ? ofContainer : undefined
}
