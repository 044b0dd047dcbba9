// The standalone mode: one process beside the app, as the original was, that works the release states out by itself and has its own port.
// A bundle of its own (build.js), loaded only where SPA_MODE asks for it.

import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../../protocol/log.ts'
import { lingerSec } from '../../protocol/names.ts'
import { createApi } from '../../release/api.ts'
import { loadKubeConfig } from '../../release/kubeconfig.ts'
import { createAdmin } from '../admin.ts'
import { createAdoption } from '../adoption.ts'
import { createSocketBytes } from '../cgroup.ts'
import { createCurrent } from '../current.ts'
import { capWithin, tabsWithin } from '../front/descriptors.ts'
import { createCollector, createMemory, createUsed, memoryLimit } from '../memory.ts'
import { createMetrics } from '../metrics.ts'
import { isOwnOrigin } from '../server/origin.ts'
import { createVersionServer } from '../server/server.ts'
import { createSeveralStates } from '../states.ts'
import { surviveErrors } from '../uncaught.ts'
import { readStandaloneConfig } from './config.ts'
import { followNamespace } from './follow.ts'

export interface StandaloneOptions {
  environment: NodeJS.ProcessEnv
  /** Of this program. */
  version: string
  log: Log
}

/** Starts everything; returns what ends it. Rejects when a variable is wrong, a port is taken or no cluster is configured. */
export async function startStandalone({
  environment,
  version,
  log,
}: StandaloneOptions): Promise<() => Promise<void>> {
  const config = readStandaloneConfig(environment)
  const { namespace, name, self, origins, listenAddress, drainMs } = config
  const limitBytes = memoryLimit(config.memoryMib)
  const memory = createMemory({
    limitBytes,
    used: createUsed(createSocketBytes(limitBytes)),
    collect: createCollector(),
    onChange() {}, // there is nothing to give up but who is not here yet
    onFull() {},
    log,
  })
  const states = name === '' ? createSeveralStates() : createCurrent(name, log)
  const server = createVersionServer({
    ...config,
    maxTabs: await capWithin(config.maxTabs, tabsWithin, lowered =>
      log('tab cap lowered', { code: 'tabs_lowered', ...lowered }),
    ),
    isShortOfMemory: () => memory.pressure() === 'critical',
    listen: { port: config.port, address: listenAddress },
    current: states,
    standalone: { isAdmitted },
    clientScript: await readFile(new URL('./client.js', import.meta.url), 'utf8'),
    log,
  })
  const api = createApi(loadKubeConfig)
  const followed = followNamespace({
    api,
    namespace,
    relistMs: config.relistMs,
    tell: state => isTold(state.name) && states.offer(state), // the others count as neighbours only
    log,
  })
  const feeds = { errors: (): [string, number][] => [['watch', followed.errors()]] }
  const metrics = createMetrics({ version, states, feeds, tabs: server.tabs, memory })
  const adoption = createAdoption({ states, tabs: server.tabs })
  adoption.open()
  const admin = createAdmin({
    address: listenAddress,
    port: config.adminPort,
    unready: async () => (followed.isSynced() ? undefined : followed.trouble()),
    metrics,
    tabs: adoption.now,
  })
  await Promise.all([server.open(), admin.open()])
  memory.open()
  surviveErrors(process, log, () => process.exit(1))
  log('standalone started', { version, namespace, name, port: config.port })
  return end

  function isTold(deployment: string): boolean {
    return name === '' ? deployment !== self : deployment === name
  }

  function isAdmitted(origin: string, host: string, forwardedHost: string): boolean {
    return !origins || origins.includes(origin) || isOwnOrigin(origin, host, forwardedHost)
  }

  async function end(): Promise<void> {
    if (drainMs > 0)
      await Promise.race([Promise.all([server.drain(), sleep(lingerSec * 1_000)]), sleep(drainMs)])
    await followed.close()
    api.close()
    adoption.close()
    admin.close()
    memory.close()
    server.close()
    log('standalone ended')
    process.exit(0)
  }
}
