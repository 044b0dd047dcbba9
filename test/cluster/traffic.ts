// A constant load of all that an app's clients do: requests on kept and on fresh connections, slow uploads, WebSockets. Nothing is tried twice, so what
// fails is seen. The app is test/cluster/app.

import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'

export interface Losses {
  /** Requests, uploads, and messages on WebSockets that were to be answered. */
  sent: number
  failures: number
  /** How often each happened. */
  reasons: Record<string, number>
}

const requestsPerSecond = 150
const uploads = 10
const chunks = 8
const chunkBytes = 8 * 1024
const webSockets = 10
const sayMs = 250
const timeoutMs = 30_000
/** A busy machine may take so long until kube-proxy leads to the other pods. */
const preStopSec = 8

/**
 * Of the app's container, so that any failure is the sidecar's: the app goes on serving for a while after its pod was told to end, as it should behind a
 * Service. Where the machine is busy no probe takes it away, and it has its share of the CPU: without a request a pod has next to none, and only the
 * injected one would have the sidecar's.
 */
export const lasting = {
  lifecycle: { preStop: { sleep: { seconds: preStopSec } } },
  livenessProbe: null,
  readinessProbe: { httpGet: { path: '/healthz', port: 'http' }, periodSeconds: 1, timeoutSeconds: 5 },
  resources: { requests: { cpu: '10m' } },
}

/** Sends until `during` has ended, and resolves with what was lost. */
export async function underLoad(url: string, during: () => Promise<unknown>): Promise<Losses> {
  const losses: Losses = { sent: 0, failures: 0, reasons: {} }
  const agent = new http.Agent({ keepAlive: true, scheduling: 'fifo', maxSockets: 20 })
  let isOver = false
  const rest = during().finally(() => (isOver = true))
  const clients = [
    requests(),
    ...Array.from({ length: uploads }, upload),
    ...Array.from({ length: webSockets }, talk),
  ]
  await Promise.all([rest, ...clients])
  agent.destroy()
  return losses

  function count(what: string, problem: string | undefined): void {
    losses.sent += 1
    if (problem === undefined) return
    losses.failures += 1
    const key = `${what}: ${problem}`
    losses.reasons[key] = (losses.reasons[key] ?? 0) + 1
  }

  /** Evenly, every second one on a fresh connection. What this process slept through is not made up for: all at once it would be no constant load. */
  async function requests(): Promise<void> {
    const pending = new Set<Promise<void>>()
    let sent = 0
    let due = 0
    for (let at = Date.now(); !isOver;) {
      const now = Date.now()
      due += (Math.min(now - at, 100) / 1_000) * requestsPerSecond
      at = now
      for (; sent < due; sent += 1) {
        const isKept = sent % 2 === 0
        const request = exchange(url, isKept ? agent : undefined).then(problem =>
          count(isKept ? 'kept' : 'fresh', problem),
        )
        pending.add(request)
        void request.finally(() => pending.delete(request))
      }
      await sleep(5)
    }
    await Promise.all(pending)
  }

  async function upload(_: unknown, index: number): Promise<void> {
    while (!isOver) {
      const pauseMs = 100 + index * 20
      count('upload', await exchange(`${url}upload`, undefined, pauseMs))
    }
  }

  /** One connection after the other: an app that ends says so, with 1001. */
  async function talk(): Promise<void> {
    while (!isOver) {
      const problem = await converse()
      if (problem !== undefined) count('WebSocket', problem)
    }
  }

  async function converse(): Promise<string | undefined> {
    const socket = new WebSocket(`${url.replace('http', 'ws')}echo`, { handshakeTimeout: timeoutMs })
    let problem: string | undefined
    const closed = new Promise<number>(resolve => socket.once('close', resolve))
    socket.on('error', error => (problem = error.message))
    const isOpen = await Promise.race([
      new Promise<true>(resolve => socket.once('open', () => resolve(true))),
      closed.then(() => false),
    ])
    if (!isOpen) return problem ?? 'not opened'
    for (let said = 0; !isOver && socket.readyState === WebSocket.OPEN; said += 1) {
      const heard = new Promise<string>(resolve =>
        socket.once('message', data => resolve((data as Buffer).toString())),
      )
      socket.send(String(said))
      const answer = await Promise.race([heard, closed, sleep(timeoutMs, 'no echo', { ref: false })])
      if (typeof answer === 'number') break // what an end overtakes is not answered
      if (answer !== String(said)) problem ??= answer
      if (problem) break
      count('WebSocket', undefined)
      await Promise.race([sleep(sayMs), closed])
    }
    if (isOver || problem) socket.close()
    const code = await Promise.race([closed, sleep(timeoutMs, 'not closed' as const)])
    if (isOver || (problem === undefined && code === 1001)) return undefined
    return problem ?? `closed with ${code}`
  }
}

/** Resolves with what went wrong, or undefined. With `pauseMs` it is an upload, with such a pause after each piece. */
function exchange(url: string, agent: http.Agent | undefined, pauseMs?: number): Promise<string | undefined> {
  return new Promise(resolve => {
    const options = { agent: agent ?? false, timeout: timeoutMs }
    const request = http.request(
      url,
      { ...options, ...(pauseMs && { method: 'POST', headers: { 'Content-Length': chunks * chunkBytes } }) },
      response => {
        let text = ''
        response.setEncoding('utf8').on('data', (part: string) => (text += part))
        response.once('error', error => resolve(error.message))
        response.once('end', () => {
          if (response.statusCode !== 200) return resolve(String(response.statusCode))
          resolve(pauseMs && text !== String(chunks * chunkBytes) ? `${text} bytes arrived` : undefined)
        })
      },
    )
    request.once('timeout', () => request.destroy(new Error('timeout')))
    request.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    if (pauseMs) void send(request, pauseMs)
    else request.end()
  })
}

async function send(request: http.ClientRequest, pauseMs: number): Promise<void> {
  for (let chunk = 0; chunk < chunks && !request.destroyed; chunk += 1) {
    request.write(Buffer.alloc(chunkBytes))
    await sleep(pauseMs)
  }
  request.end()
}
