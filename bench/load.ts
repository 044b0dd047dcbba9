// Two kinds of load: as much as goes (wrk), and so many requests a second whatever happens (an open loop: a slow answer delays nobody's start,
// so what users would wait for is in the figures).

import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { run } from '../test/cluster/process.ts'

export interface Throughput {
  perSecond: number
  p99Ms: number
}

/** wrk with one thread over kept-alive connections, for `seconds`. Throws when an answer was none. */
export async function asMuchAsGoes(url: string, seconds: number, connections = 32): Promise<Throughput> {
  const text = await run('wrk', [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--timeout',
    '10s',
    '--latency',
    url,
  ])
  if (/Non-2xx|Socket errors/.test(text)) throw new Error(`${url}: ${text}`)
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]),
    p99Ms: milliseconds(/99%\s+([\d.]+)(us|ms|s)/.exec(text)),
  }
}

function milliseconds(match: RegExpExecArray | null): number {
  const scale = { us: 1e-3, ms: 1, s: 1e3 }[match?.[2] ?? ''] ?? NaN
  return Number(match?.[1]) * scale
}

/** Sends `perSecond` requests for `seconds` over at most 64 kept-alive connections; returns each one's milliseconds from when it was due. */
export async function evenly(url: string, perSecond: number, seconds: number): Promise<number[]> {
  const agent = new http.Agent({ keepAlive: true, scheduling: 'lifo', maxSockets: 64 })
  const samples: number[] = []
  const pending: Promise<void>[] = []
  const start = performance.now()
  for (let sent = 0; sent < perSecond * seconds;) {
    for (; sent < ((performance.now() - start) / 1_000) * perSecond; sent += 1) {
      const due = start + (sent / perSecond) * 1_000
      pending.push(get(url, agent).then(() => void samples.push(performance.now() - due)))
    }
    await sleep(1)
  }
  await Promise.all(pending)
  agent.destroy()
  return samples
}

function get(url: string, agent: http.Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    http.get(url, { agent }, response => response.once('end', resolve).resume()).once('error', reject)
  })
}
