#!/usr/bin/env node
// `spa-reloader`: only wires. What it finds goes to standard output, what concerns the command itself to standard error.

import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { reason } from '../protocol/log.ts'
import { parseCommand, usage } from './arguments.ts'
import type { AskingCommand, Command } from './arguments.ts'
import { check } from './check/check.ts'
import { openCluster } from './cluster.ts'
import type { Cluster } from './cluster.ts'
import { openConsole } from './console.ts'
import { readFacts } from './explain.ts'
import { explain } from './explanation.ts'
import { injectYaml } from './inject.ts'
import { showStatus } from './status.ts'

declare const VERSION: string

const noAnswer = 2

run(process.argv.slice(2)).then(
  exitCode => (process.exitCode = exitCode),
  (error: unknown) => {
    process.stderr.write(`spa-reloader: ${reason(error)}\n`)
    process.exitCode = noAnswer
  },
)

async function run(args: readonly string[]): Promise<number> {
  const command = parseCommand(args)
  if ('wrong' in command) throw new Error(`${command.wrong}\n\n${usage}`)
  if (command.command === 'help') return print(usage, 0)
  if (command.command === 'version') return print(`${VERSION}\n`, 0)
  if (command.command === 'inject') return injectFiles(command)
  const cluster = openCluster(command)
  try {
    return await ask(cluster, command)
  } finally {
    cluster.close()
  }
}

async function ask(cluster: Cluster, command: AskingCommand): Promise<number> {
  const printLine = (line: string) => print(`${line}\n`, 0)
  if (command.command === 'status') return showStatus(cluster, command, printLine)
  if (command.command === 'check') return check(cluster, command, VERSION, printLine)
  if (command.command === 'console') {
    const ending = new AbortController()
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => ending.abort())
    await openConsole(cluster, command, printLine, ending.signal)
    return 0
  }
  const facts = await readFacts(cluster, command.kind, command.name, command.systemNamespace)
  const { text, exitCode } = explain(facts)
  return print(text, exitCode)
}

async function injectFiles({ files, namespace, image }: Command & { command: 'inject' }): Promise<number> {
  const inputs = files.map(file => (file === '-' ? text(process.stdin) : readFile(file, 'utf8')))
  const settings = {
    image: image ?? `spa-reloader-sidecar:${VERSION}`,
    drainSec: undefined,
    pullSecrets: [],
    isNative: () => false, // a plain container runs on every kubelet
  }
  const injected = injectYaml((await Promise.all(inputs)).join('\n---\n'), namespace, settings)
  for (const remark of injected.remarks) process.stderr.write(`${remark}\n`)
  return print(injected.text, 0)
}

function print(text: string, exitCode: number): number {
  process.stdout.write(text)
  return exitCode
}
