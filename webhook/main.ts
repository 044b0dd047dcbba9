// The webhook's process: admission, and the controller. Only wires.

import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { leaseName, webhookServiceName } from '../protocol/names.ts'
import { createLog, reason } from '../protocol/log.ts'
import { openConsole } from '../console/console.ts'
import type { Console } from '../console/console.ts'
import { createApi } from '../release/api.ts'
import { loadKubeConfig } from '../release/kubeconfig.ts'
import { createMultiplexer } from '../release/multiplex.ts'
import { createAdmission } from './admission.ts'
import { readConfig } from './config.ts'
import { createGate } from './breaker.ts'
import { contextOf } from './context.ts'
import { createController } from './controller.ts'
import { createEvents } from './events.ts'
import { registerGauges } from './gauges.ts'
import { createInspection } from './inspection.ts'
import { contend, whileHeld } from './lease.ts'
import type { Lease } from './lease.ts'
import { createMetrics } from './metrics.ts'
import { serveMetrics } from './metrics-server.ts'
import { lookAtNodes } from './nodes.ts'
import { createServer } from './server.ts'
import { tellOutcome } from './tell.ts'
import { openTrust } from './trust.ts'

declare const VERSION: string

const log = createLog({ component: 'webhook' })
const contextMs = 1_000 // the API server gives us 3 s
const settleMs = 10_000 // until every node has heard that we are no endpoint any more

main().catch((error: unknown) => {
  log('stopped', { reason: reason(error) })
  process.exit(1)
})

async function main(): Promise<void> {
  const config = readConfig(process.env)
  const api = createApi(loadKubeConfig, createMultiplexer())
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const metrics = createMetrics(registry)
  let lease: Lease | undefined
  let isSynced = false
  let isStopping = false
  let dashboard: Console | undefined
  const isLeading = () => lease?.isHeld() ?? false
  const event = createEvents({ api, log })
  const controller = createController({
    api,
    log,
    writer: { isLeading, api: whileHeld(api, isLeading) },
    image: config.sidecarImage,
    tell: event,
    redirect: config.redirect,
    onMoved: (namespace, deployment) => dashboard?.moved(namespace, deployment),
    onFailed: metrics.reconcileFailed,
  })
  const tell = tellOutcome(controller, event)
  const gate = createGate(config.sidecarImage)
  const nodes = config.sidecarForm === 'auto' ? lookAtNodes({ api, log }) : undefined
  const isNative = nodes ? nodes.areNative : () => config.sidecarForm === 'native'
  await nodes?.looked
  const service = `${webhookServiceName}.${config.systemNamespace}`
  const trust = await openTrust({
    api,
    namespace: config.systemNamespace,
    tlsDir: config.tlsDir,
    dnsNames: [`${service}.svc`, service, webhookServiceName, 'localhost'], // localhost: for a port-forward, and the demo
    isLeading,
    onRenew: leaf => server.renew(leaf),
    log,
  })
  registerGauges(registry, {
    missed: controller.missed,
    untold: controller.untold,
    broken: controller.broken,
    isLeading,
    unready,
    certificates: () => ({ leaf: trust.leaf.cert, authority: trust.ca }),
  })
  const server = createServer({
    port: config.port,
    certificate: trust.leaf,
    admit: createAdmission({
      settings: {
        image: config.sidecarImage,
        drainSec: config.sidecarDrainSec,
        redirectImage: config.redirectImage,
        pullSecrets: config.imagePullSecrets,
        isNative,
      },
      context: (namespace, asked) =>
        contextOf(controller, namespace, { limitMs: contextMs, gate, sizes: config.sidecarSizes, ...asked }),
      contextMs,
      metrics,
      log,
      onOutcome: outcome => void tell(outcome),
    }),
    unready,
    log,
  })
  const port = await server.open()
  const metricsServer = await serveMetrics(registry, config.metricsPort)
  log('webhook listens', { port })
  process.once('SIGTERM', () => void stop(config.drainSec * 1_000))
  process.once('SIGINT', () => void stop(0))
  await controller.synced
  isSynced = true
  if (isStopping) return
  if (config.consolePort !== undefined) dashboard = await mount(config.consolePort)
  lease = contend({
    api,
    namespace: config.systemNamespace,
    name: leaseName,
    identity: `${hostname()}_${randomBytes(4).toString('hex')}`,
    log,
    onHeld: controller.lookAgain,
  })

  function unready(): string | undefined {
    if (!isSynced) return 'not everything is listed yet: "watch ended" in the log says what is refused'
    return trust.isTrusted() ? undefined : 'the caBundle does not have our authority'
  }

  /** Admission goes on without it where its port is taken. */
  function mount(port: number): Promise<Console | undefined> {
    const inspection = createInspection({
      api,
      log,
      controller,
      image: config.sidecarImage,
      onKnown: (namespace, deployment) => dashboard?.moved(namespace, deployment),
    })
    const { namespaces, namespace } = controller
    const source = { namespaces, namespace, ...inspection }
    return openConsole({
      api,
      source,
      port,
      hosts: config.consoleHosts,
      readsOutput: config.consolePodLogs,
      version: VERSION,
      log,
    }).catch((error: unknown) => {
      log('console not served', { port, reason: reason(error) })
      return undefined
    })
  }

  async function stop(drainMs: number): Promise<void> {
    isStopping = true
    log('stopping', { drain_ms: drainMs })
    await lease?.close()
    nodes?.close()
    await dashboard?.close()
    await server.drain(Math.min(settleMs, drainMs), drainMs)
    metricsServer.close()
    metricsServer.closeAllConnections()
    await Promise.all([server.close(), controller.close(), trust.close()])
    api.close()
    process.exit(0)
  }
}
