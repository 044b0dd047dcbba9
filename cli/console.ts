// The way to the console: kubectl forwards a port of this machine to a webhook pod that is ready, and to another one when that is gone.

import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { port as ports } from '../protocol/names.ts'
import { parsePod } from '../release/objects.ts'
import type { Cluster } from './cluster.ts'

export interface ConsoleOptions {
  systemNamespace: string
  context: string | undefined
  /** Of this machine. */
  port: number
}

/** How one forwarding ended: whether it ever worked, and kubectl's last words. */
interface Ending {
  worked: boolean
  words: string
}

const againMs = 1_000
const maxFailures = 5
const selector = 'app.kubernetes.io/name=spa-reloader,app.kubernetes.io/component=webhook'

/** Goes on until the signal. Throws where kubectl is missing, or where it fails again and again. */
export async function openConsole(
  cluster: Pick<Cluster, 'list'>,
  options: ConsoleOptions,
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  let said = ''
  let failures = 0
  while (!signal.aborted) {
    const pod = await readyPod(cluster, options.systemNamespace)
    if (pod) {
      const { worked, words } = await forward(
        pod,
        options,
        () => say(`console at http://127.0.0.1:${options.port}/ (pod ${pod})`),
        signal,
      )
      if (signal.aborted) return
      failures = worked ? 0 : failures + 1
      if (failures === maxFailures) throw new Error(`kubectl port-forward: ${words}`)
      say(`the way to pod ${pod} is gone: ${words}`)
    } else say(`no webhook pod in ${options.systemNamespace} is ready: waiting for one`)
    await sleep(againMs, undefined, { signal }).catch(() => {})
  }

  function say(line: string): void {
    if (line !== said) print(line)
    said = line
  }
}

async function readyPod({ list }: Pick<Cluster, 'list'>, namespace: string): Promise<string | undefined> {
  const pods = await list(`/api/v1/namespaces/${namespace}/pods`, { labelSelector: selector })
  return pods.flatMap(raw => parsePod(raw) ?? []).find(({ ready, terminating }) => ready && !terminating)
    ?.name
}

function forward(
  pod: string,
  { systemNamespace, context, port }: ConsoleOptions,
  onOpen: () => void,
  signal: AbortSignal,
): Promise<Ending> {
  const args = ['-n', systemNamespace, 'port-forward', `pod/${pod}`, `${port}:${ports.console}`]
  const child = spawn('kubectl', context === undefined ? args : ['--context', context, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
  })
  let worked = false
  let words = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (worked || !text.includes('Forwarding from')) return
    worked = true
    onOpen()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = text.trim().split('\n').at(-1) ?? words
    if (/lost connection|error forwarding port/i.test(text)) child.kill() // kubectl may stay, and forward nothing
  })
  return new Promise((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') reject(new Error('kubectl is not in the PATH: it forwards the port'))
      else resolve({ worked, words: words || error.message })
    })
    child.on('close', code => resolve({ worked, words: words || `kubectl ended with ${code}` }))
  })
}
