// A rollout under a plain load loses no more requests with the sidecar than without it; without draining it does lose some.

import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { deployWeb, install } from './installation.ts'

const perSecond = 500
const requests = 20_000

// The app goes on serving for a while after its pod was told to end, as it should behind a Service: then any failure is the sidecar's.
const app = { container: { lifecycle: { preStop: { sleep: { seconds: 4 } } } } }

t.test('rollouts under load', async t => {
  const cluster = await install(t)
  await cluster.buildApp('one', 'web:1')
  const plain = await deployWeb(cluster, { namespace: 'plain', labelled: false, ...app })
  const injected = await deployWeb(cluster, { namespace: 'injected', labelled: true, ...app })

  // At the same time, so that whatever slows the machine down slows both.
  const [without, withSidecar] = await Promise.all([
    underLoad(plain, () => restart('plain')),
    underLoad(injected, () => restart('injected')),
  ])
  t.comment(
    `failures of ${requests}: ${without.failures} without the sidecar, ${withSidecar.failures} with it`,
  )
  t.comment(JSON.stringify({ without: without.reasons, with: withSidecar.reasons }))
  t.ok(withSidecar.failures <= without.failures, 'no more failures than without the sidecar')

  const drainOff = 'set env deployment/spa-reloader-webhook SPA_SIDECAR_DRAIN_SEC=0'
  await cluster.inNamespace('spa-reloader', drainOff)
  await cluster.inNamespace('spa-reloader', 'rollout status deployment/spa-reloader-webhook --timeout=120s')
  await restart('injected')
  const undrained = await underLoad(injected, () => restart('injected'))
  t.comment(`failures with draining switched off: ${undrained.failures}`)
  t.ok(undrained.failures > withSidecar.failures, 'the measurement can tell')

  async function restart(namespace: string): Promise<void> {
    await cluster.inNamespace(namespace, 'rollout restart deployment/web')
    await cluster.inNamespace(namespace, 'rollout status deployment/web --timeout=120s')
  }
})

/** Sends the requests evenly, every second one on a fresh connection, while `during` is repeated. */
async function underLoad(url: string, during: () => Promise<void>) {
  const agent = new http.Agent({ keepAlive: true, scheduling: 'fifo', maxSockets: 20 })
  const reasons: Record<string, number> = {}
  let sent = 0
  let failures = 0
  const pending = new Set<Promise<void>>()
  const start = Date.now()
  const rollouts = repeat()
  while (sent < requests) {
    for (const due = Math.min(requests, ((Date.now() - start) / 1_000) * perSecond); sent < due; sent += 1) {
      const request = send(sent % 2 === 0 ? agent : undefined)
      pending.add(request)
      void request.finally(() => pending.delete(request))
    }
    await sleep(5)
  }
  await Promise.all(pending)
  await rollouts
  agent.destroy()
  return { failures, reasons }

  async function repeat(): Promise<void> {
    while (sent < requests) await during()
  }

  async function send(agent: http.Agent | undefined): Promise<void> {
    const problem = await get(url, agent)
    if (problem === undefined) return
    failures += 1
    const key = `${agent ? 'kept' : 'fresh'}: ${problem}`
    reasons[key] = (reasons[key] ?? 0) + 1
  }
}

/** Resolves with what went wrong, or undefined. Nothing is tried twice. */
function get(url: string, agent: http.Agent | undefined): Promise<string | undefined> {
  return new Promise(resolve => {
    const request = http.get(url, { agent: agent ?? false, timeout: 10_000 }, response => {
      response.resume()
      response.once('error', error => resolve(error.message))
      response.once('end', () =>
        resolve(response.statusCode === 200 ? undefined : String(response.statusCode)),
      )
    })
    request.once('timeout', () => request.destroy(new Error('timeout')))
    request.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
  })
}
