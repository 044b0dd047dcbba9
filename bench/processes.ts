// Our programs as processes of their own, as they run in a pod, and what they cost.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Running {
  pid: number
  stop(): Promise<void>
}

/** Starts one of our bundles. Its log is shown when it ends by itself. */
export function startBundle(file: string, env: Record<string, string>, flags: string[] = []): Running {
  const child: ChildProcess = spawn(process.execPath, [...flags, file], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let log = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-4000)))
  let stopping = false
  child.once('exit', code => {
    if (!stopping) throw new Error(`${file} ended with ${code}:\n${log}`)
  })
  return {
    pid: child.pid ?? 0,
    async stop() {
      stopping = true
      if (child.exitCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

/** Asks every 5 ms until it is so. Throws after 30 s. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 30_000; Date.now() < end; await sleep(5))
    if (await isSo().catch(() => false)) return
  throw new Error('waited 30 s in vain')
}

const msPerTick = 10 // USER_HZ is 100 wherever Linux runs (time(7))

/** The CPU time that the process has taken, in milliseconds: its own and the kernel's for it (proc_pid_stat(5)). */
export function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) * msPerTick
}

/** Proportional set size in bytes: what the process alone costs, shared pages divided among their users. */
export function proportionalBytes(pid: number): number {
  return kilobytes(`/proc/${pid}/smaps_rollup`, 'Pss') * 1024
}

/** What the process alone has written to, in bytes: its code, and what else comes from files, is shared within a container. */
export function anonymousBytes(pid: number): number {
  return kilobytes(`/proc/${pid}/smaps_rollup`, 'Anonymous') * 1024
}

/** Resident set size in bytes. */
export function residentBytes(pid: number): number {
  return kilobytes(`/proc/${pid}/status`, 'VmRSS') * 1024
}

function kilobytes(file: string, field: string): number {
  const line = readFileSync(file, 'utf8')
    .split('\n')
    .find(line => line.startsWith(`${field}:`))
  return Number(line?.match(/\d+/)?.[0] ?? NaN)
}
