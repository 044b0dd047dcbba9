// Programs that a test starts. They cannot outlive it: the kernel kills them when the test's process dies,
// however it dies (tap ends a test that takes too long with SIGKILL, and no handler of ours would run then).

import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'

export interface Program {
  pid: number
  /** Rejects with the end of the program's log when it ends before `stop`. Race it against what you wait for. */
  failed: Promise<never>
  /** Kills it (SIGKILL by default) and waits for its end. */
  stop: (signal?: NodeJS.Signals) => Promise<void>
}

/** Starts `command`, its output going to the file `log`. */
export function startProgram(
  command: string,
  args: string[],
  { log, env = {} }: { log: string; env?: Record<string, string> },
): Program {
  const output = openSync(log, 'a')
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', command, ...args], {
    stdio: ['ignore', output, output],
    env: { ...process.env, ...env },
  })
  closeSync(output)
  let stopping = false
  const ended = new Promise<void>(resolve => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  const failed = ended.then((): never | Promise<never> => {
    if (stopping) return new Promise<never>(() => {})
    throw new Error(`${command} ended (${child.exitCode ?? child.signalCode}):\n${lastLines(log)}`)
  })
  failed.catch(() => {}) // it is for whoever waits; with nobody waiting it is no unhandled rejection
  return { pid: child.pid ?? 0, failed, stop }

  async function stop(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    stopping = true
    child.kill(signal)
    await ended
  }
}

/** Runs a program to its end and returns what it printed; rejects with what it said on its standard error. */
export function run(
  command: string,
  args: string[],
  { stdin = '', env = {}, cwd }: { stdin?: string; env?: Record<string, string>; cwd?: string } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: { ...process.env, ...env }, ...(cwd && { cwd }) })
    const stdout: Buffer[] = []
    const stderr: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
    child.once('error', reject)
    child.once('close', code => {
      if (code === 0) return resolve(Buffer.concat(stdout).toString())
      const said = Buffer.concat([...stdout, ...stderr])
        .toString()
        .slice(-4_000)
      reject(new Error(`${command} ${args.join(' ')} ended with ${code}:\n${said}`))
    })
    child.stdin.on('error', () => {}) // a program that does not read its input
    child.stdin.end(stdin)
  })
}

/**
 * A port that nobody listens on. Never one of the ephemeral range: while a server restarts there, a client that keeps
 * dialling it on loopback can be given that very port as its own and connect to itself. As long as this process lives nobody else is
 * given it: what is to listen there may take its time.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 16_000 + Math.floor(Math.random() * 13_000) // below NodePorts (30000) and ephemeral ports (32768)
    if ((await isFree(port)) && (await take(port))) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '0.0.0.0', () => server.close(() => resolve(true)))
  })
}

/** A datagram socket of the same number is the lock, for this process and the others. */
function take(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const lock = createSocket('udp4').unref()
    lock.once('error', () => resolve(false))
    lock.bind({ port, address: '127.0.0.1', exclusive: true }, () => resolve(true))
  })
}

function lastLines(file: string): string {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-15).join('\n')
}
