// Looks at the process's memory, and says when what to do about it changes. Garbage and what was freed are not in use: an idle process
// collects nothing, and the C library keeps what it is given back, so the resident set of one that was full once stays where it was (seen).

import { totalmem } from 'node:os'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Log } from '../protocol/log.ts'
import { excessOf, pressureOf } from './front/pressure.ts'
import type { Pressure } from './front/pressure.ts'

export interface MemoryOptions {
  /** Undefined: unknown, and nothing is ever given up. */
  limitBytes: number | undefined
  used: () => Used
  /** Collects garbage. */
  collect(): void
  onChange(pressure: Pressure): void
  /** So much has to go at once, of what is in the process and in its sockets. Called at each look until it has. */
  onFull(excessBytes: number, socketBytes: number): void
  log: Log
}

export interface Used {
  bytes: number
  /** How many of them the kernel has for the sockets. */
  socketBytes: number
}

export interface Memory {
  open(): void
  close(): void
  pressure(): Pressure
  limitBytes: number | undefined
}

const lookMs = 250 // clients that ask and do not read fill 200 MiB in a second or two (seen)
const collectMs = 10_000 // while under pressure: it stops everything for 10 to 100 ms
const MiB = 1024 * 1024
const spareBytes = 16 * MiB // for what comes next

export function createMemory({
  limitBytes,
  used: usedNow,
  collect,
  onChange,
  onFull,
  log,
}: MemoryOptions): Memory {
  let pressure: Pressure = 'none'
  let timer: NodeJS.Timeout | undefined
  let looks = 0
  return { open, close: () => clearInterval(timer), pressure: () => pressure, limitBytes }

  function open(): void {
    if (limitBytes !== undefined) timer = setInterval(look, lookMs, limitBytes).unref()
  }

  function look(limit: number): void {
    let used = usedNow()
    let next = pressureOf(pressure, used.bytes / limit)
    // Nothing is given up for garbage, and nobody is kept out for it.
    const isDue = next !== pressure || next === 'critical' || --looks <= 0
    if (next !== 'none' && isDue) {
      collect()
      looks = collectMs / lookMs
      used = usedNow()
      next = pressureOf(pressure, used.bytes / limit)
    }
    const excess = excessOf(next, used.bytes, limit)
    if (excess > 0) onFull(excess, used.socketBytes)
    if (next === pressure) return
    pressure = next
    const [usedMib, limitMib] = [Math.round(used.bytes / MiB), Math.round(limit / MiB)]
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

/**
 * Returns what tells how much memory is in use, the process's and its sockets' (`createSocketBytes`); what the program takes by itself is
 * measured now.
 */
export function createUsed(
  socketBytesBeside: (ownBytes: number) => number,
  usage: () => NodeJS.MemoryUsage = process.memoryUsage,
): () => Used {
  const start = usage()
  const program = start.rss - start.heapTotal - start.external
  return () => {
    const { rss, heapTotal, external } = usage()
    const own = Math.min(rss, program + heapTotal + external)
    const socketBytes = socketBytesBeside(own)
    return { bytes: own + socketBytes, socketBytes }
  }
}

/**
 * Returns what collects garbage, and gives back what the heap holds without using it: Node 24's keeps 80 MiB of free pages after 2,000 clients
 * have gone (seen), and an idle process would count as short of memory for ever.
 */
export function createCollector(): () => void {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as (options?: object) => void
  return () => {
    gc()
    const { heapTotal, heapUsed } = process.memoryUsage()
    // https://github.com/v8/v8/blob/main/src/extensions/gc-extension.cc; 35 ms. Node 20 does not know it, and gives back by itself.
    if (heapTotal > 2 * heapUsed + spareBytes) gc({ type: 'major', execution: 'sync', flavor: 'last-resort' })
  }
}
