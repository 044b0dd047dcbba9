// Our programs as child processes, each the bundle that the image runs. They cannot outlive this process, however it ends:
// each holds one end of a channel to it and exits when the other end is gone (no handler of ours runs after SIGKILL).

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { isObject, isString } from '../protocol/release.ts'

export interface LogLine {
  message: string
  [field: string]: unknown
}

export interface Process {
  /** Resolves with how it ended, in words. */
  ended: Promise<string>
  /** Asks it to end, as SIGTERM does. */
  terminate(): void
  kill(): void
}

export interface ProgramOptions {
  /** The bundle. */
  file: string
  /** All of its environment: nothing is inherited. */
  env: Record<string, string>
  onLine?: (line: LogLine) => void
}

const withUs = `data:text/javascript,process.once('disconnect',()=>process.exit(1));process.channel.unref()`
const keptLines = 6

export function startProgram({ file, env, onLine }: ProgramOptions): Process {
  const child = spawn(process.execPath, ['--import', withUs, file], {
    env,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const last: string[] = []
  if (child.stdout) createInterface(child.stdout).on('line', hear)
  if (child.stderr) createInterface(child.stderr).on('line', hear)
  const ended = new Promise<string>(resolve => {
    child.once('error', error => resolve(error.message))
    child.once('close', (code, signal) => resolve([`ended with ${code ?? signal}`, ...last].join('\n  ')))
  })
  return { ended, terminate: () => child.kill('SIGTERM'), kill: () => child.kill('SIGKILL') }

  function hear(line: string): void {
    if (last.push(line) > keptLines) last.shift()
    const parsed = parseLine(line)
    if (parsed) onLine?.(parsed)
  }
}

function parseLine(line: string): LogLine | undefined {
  try {
    const data: unknown = JSON.parse(line)
    return isObject(data) && isString(data.message) ? (data as LogLine) : undefined
  } catch {
    return undefined // not of our log: a stack trace
  }
}
