// The static mode: our image as the app itself, for a single-page app that has no server of its own. It serves the files of a folder and nothing else;
// what a browser asks below /__spa/ is the business of the front before it, as before any other app.

import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { reason } from '../../protocol/log.ts'
import type { Log } from '../../protocol/log.ts'
import { lingerSec, staticEnv } from '../../protocol/names.ts'
import { createFiles } from '../../static/files.ts'
import { readFolder } from '../../static/folder.ts'
import { serve } from '../../static/serve.ts'
import { idleMs } from '../front/limits.ts'
import { surviveErrors } from '../uncaught.ts'
import { readStaticConfig } from './config.ts'
import type { StaticConfig } from './config.ts'

export interface StaticOptions {
  environment: NodeJS.ProcessEnv
  /** Of this program. */
  version: string
  log: Log
}

const maxFiles = 20_000

const timeouts = {
  headersTimeout: 15_000,
  requestTimeout: 30_000,
  keepAliveTimeout: idleMs,
}
const stalledMs = 120_000

/** Starts everything; returns what ends it. Rejects when a variable is wrong, the files are not what they should be, or the port is taken. */
export async function startStatic({
  environment,
  version,
  log,
}: StaticOptions): Promise<() => Promise<void>> {
  const config = readStaticConfig(environment)
  const { port, listenAddress, basePath, drainMs } = config
  const contents = read(config)
  const files = createFiles(contents, { prefix: basePath })
  let isEnding = false
  const server = createServer(timeouts, (request, response) => {
    if (isEnding) response.shouldKeepAlive = false
    serve(files, request, response)
  })
  server.timeout = stalledMs
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen({ port, host: listenAddress }, resolve)
  })
  surviveErrors(process, log, () => process.exit(1))
  const bytes = [...contents.values()].reduce((sum, { length }) => sum + length, 0)
  log('static started', { version, port, files: contents.size, bytes, ms: Math.round(performance.now()) })
  return end

  async function end(): Promise<void> {
    isEnding = true
    if (drainMs > 0) await Promise.race([drained(), sleep(drainMs)])
    log('static ended')
    process.exit(0)
  }

  /** Nobody comes any more, and everybody has what he asked for. */
  async function drained(): Promise<void> {
    await sleep(lingerSec * 1_000)
    await new Promise(resolve => {
      server.close(resolve)
      server.closeIdleConnections()
    })
  }
}

/** An empty folder would be a site without a page: its init container has copied from somewhere else. */
function read({ root, maxBytes }: StaticConfig): Map<string, Buffer> {
  try {
    const contents = readFolder(root, { maxBytes, maxFiles })
    if (contents.has('index.html')) return contents
    throw new Error(`${root} has no index.html, among ${contents.size} files`)
  } catch (error) {
    throw new Error(`${staticEnv.root}: ${reason(error)}`, { cause: error })
  }
}
