// The sidecar: wires the front before the app, the version server behind it, the feed and the admin port, and ends them in order.
// Whatever is wrong at start ends the process with one line; what is wrong later does not (uncaught.ts).

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createLog, reason } from '../protocol/log.ts'
import { file } from '../protocol/names.ts'
import { createAdmin } from './admin.ts'
import { createAdoption } from './adoption.ts'
import { createBatch } from './batch.ts'
import { createSocketBytes } from './cgroup.ts'
import { readConfig, readMode } from './config.ts'
import { createCurrent } from './current.ts'
import { createDrain } from './drain/drain.ts'
import { createDrainSocket } from './drain/socket.ts'
import { createFeeds } from './feed/feeds.ts'
import { capWithin, connectionsWithin } from './front/descriptors.ts'
import { createFront } from './front/front.ts'
import { pageIdentity, pageMeta, pageTag } from './identity.ts'
import { createCollector, createMemory, createUsed, memoryLimit } from './memory.ts'
import { createMetrics } from './metrics.ts'
import { keepRedirect } from './redirect.ts'
import type { Redirect } from './redirect.ts'
import { createVersionServer } from './server/server.ts'
import { startStatic } from './static/static.ts'
import { followSwitch } from './switch.ts'
import { surviveErrors } from './uncaught.ts'
import type { Config } from './config.ts'

/** Of the package; written in by the bundler. */
declare const VERSION: string

const maxCached = 2_000 // a page has tens of assets

const log = createLog()

/** Until the start has finished there is nothing to drain. */
let end = async (): Promise<void> => process.exit(0)
// First of all: a process with id 1, as in a container, loses the signals that it has no handler for.
process.once('SIGTERM', () => void end())
process.once('SIGINT', () => void end())

const start = {
  sidecar: () => run(readConfig(process.env)),
  standalone,
  static: () => startStatic({ environment: process.env, version: VERSION, log }),
}

try {
  end = await start[readMode(process.env)]()
} catch (error) {
  log('sidecar cannot start', { code: 'start_failed', reason: reason(error) })
  process.exit(1)
}

/** Loaded only here: it brings the client of the API server along. */
async function standalone(): Promise<() => Promise<void>> {
  const { startStandalone } = await import('./standalone/standalone.ts')
  return startStandalone({ environment: process.env, version: VERSION, log })
}

/** Starts everything; returns what ends it. */
async function run(config: Config): Promise<() => Promise<void>> {
  const { name, hash, listenAddress, podIPs, appPort, runDir, drainMs } = config
  const versionSocket = join(runDir, file.versionSocket)
  const current = createCurrent(name, log)
  const feeds = createFeeds({ ...config, offer: current.offer, log })
  const clientScript = await readFile(new URL('./client.js', import.meta.url), 'utf8')
  const limitBytes = memoryLimit(config.memoryMib)
  const memory = createMemory({
    limitBytes,
    used: createUsed(createSocketBytes(limitBytes)),
    collect: createCollector(),
    onChange: pressure => front.press(pressure),
    onFull: (excessBytes, socketBytes) => front.shed(excessBytes, socketBytes),
    log,
  })
  const isShortOfMemory = (): boolean => memory.pressure() === 'critical'
  const server = createVersionServer({
    ...config,
    isShortOfMemory,
    listen: versionSocket,
    current,
    clientScript,
    log,
  })
  const accessLines = createBatch(lines => process.stdout.write(`${lines}\n`))
  const front = createFront({
    listen: { port: config.frontPort, ...(listenAddress && { address: listenAddress }) },
    app: { hosts: podIPs, port: appPort },
    mayStay: config.capture === 'env',
    versionSocket,
    serverTiming: () => pageIdentity(name, hash, current.state()),
    stamp: () => pageMeta(name, hash, current.state()),
    tag: () => pageTag(name, hash, current.state()),
    edits: config,
    limits: config,
    maxConnections: await capWithin(
      config.maxConnections,
      openFiles => connectionsWithin(openFiles, config.maxTabs),
      lowered => log('connection cap lowered', { code: 'connections_lowered', ...lowered }),
    ),
    cache: { maxBytes: config.cacheBytes, maxEntries: maxCached },
    log,
    ...(config.accessLog === 'json' && { accessLog: createLog({}, accessLines.add) }),
  })
  let redirect: Redirect | undefined
  const metrics = createMetrics({
    version: VERSION,
    states: current,
    feeds,
    tabs: server.tabs,
    memory,
    front: { ...front, isPassive: () => front.isPassive() || redirect?.isMissing() === true },
  })
  const adoption = createAdoption({ states: current, tabs: server.tabs })
  const admin = createAdmin({
    address: listenAddress,
    port: config.adminPort,
    unready,
    metrics,
    tabs: adoption.now,
  })
  const drain = createDrain({ front, server, drainMs, log })
  const drainSocket = createDrainSocket(join(runDir, file.drainSocket), drain.begin)

  const unfollow = followSwitch({ current, server, front })

  adoption.open()
  feeds.open()
  await Promise.all([server.open(), drainSocket.open(), admin.open()])
  await front.open()
  if (config.capture === 'redirect')
    redirect = keepRedirect({ port: appPort, isListening: front.isListening, log })
  memory.open()
  surviveErrors(process, log, () => process.exit(1))
  log('sidecar started', { version: VERSION, ms: Math.round(performance.now()) })
  return endInOrder

  async function unready(): Promise<string | undefined> {
    if (!server.isOpen()) return 'the version server does not listen'
    if (!(await front.look())) return 'the app listens and the front does not'
    await redirect?.renew() // no traffic before it is in force
    return undefined
  }

  async function endInOrder(): Promise<void> {
    await drain.end()
    redirect?.close()
    drainSocket.close()
    unfollow()
    feeds.close()
    adoption.close()
    admin.close()
    memory.close()
    server.close()
    await front.close()
    accessLines.flush()
    log('sidecar ended')
    process.exit(0)
  }
}
