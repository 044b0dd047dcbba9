// A pod without a cluster: the sidecar as its image runs it, before the sample app, on loopback. The test is the kubelet that writes the feed.

import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { OutgoingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { file as names, sidecarEnv } from '../../protocol/names.ts'
import { formatReleaseState } from '../../protocol/release.ts'
import type { ReleaseState } from '../../protocol/release.ts'
import { freePort, startProgram } from '../cluster/process.ts'
import { until } from '../cluster/wait.ts'

export interface Version {
  /** What the app shows. */
  name: string
  hash: string
  id: string
}

export interface Pod {
  version: Version
  /** Where its Service would send a request. */
  port: number
  feed(state: ReleaseState): void
  /** As the kubelet ends a pod. Resolves when the sidecar has gone. */
  terminate(): Promise<void>
}

export interface App {
  deployment?: string
  /** Of its documents. */
  headers?: OutgoingHttpHeaders
  /** HTML of its own. */
  head?: string
  env?: Record<string, string>
}

/** Ends with the test. Resolves once it is ready, which it is before it was fed. */
export async function startPod(
  t: Test,
  version: Version,
  { deployment = 'web', headers = {}, head = '', env = {} }: App = {},
): Promise<Pod> {
  // @ts-expect-error: it is the image's own, and plain JavaScript
  const { pageOf } = (await import('../cluster/app/page.js')) as typeof import('../cluster/app/page.js')
  const dir = mkdtempSync(join(tmpdir(), 'spa-pod-'))
  const app = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '/', 'http://app')
    if (request.url?.startsWith('/assets/'))
      return response.setHeader('content-type', 'text/javascript').end()
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', ...headers })
    return response.end(pageOf(version.name, { head, isAuto: searchParams.has('auto') }))
  })
  await new Promise<void>(resolve => app.listen(0, '127.0.0.1', resolve))
  const [port, adminPort] = [await freePort(), await freePort()]
  const sidecar = startProgram(process.execPath, ['dist/sidecar.js'], {
    log: join(dir, 'log'),
    env: {
      [sidecarEnv.mode]: 'sidecar',
      [sidecarEnv.namespace]: 'shop',
      [sidecarEnv.name]: deployment,
      [sidecarEnv.hash]: version.hash,
      [sidecarEnv.podIP]: '127.0.0.1',
      [sidecarEnv.appPort]: String((app.address() as AddressInfo).port),
      [sidecarEnv.frontPort]: String(port),
      [sidecarEnv.adminPort]: String(adminPort),
      [sidecarEnv.listenAddress]: '127.0.0.1',
      [sidecarEnv.podDir]: dir,
      [sidecarEnv.runDir]: dir,
      [sidecarEnv.drainSec]: '3', // the door keeps its connections
      ...env,
    },
  })
  t.teardown(async () => {
    await sidecar.stop()
    app.closeAllConnections()
    app.close()
    rmSync(dir, { recursive: true, force: true })
  })
  const isReady = until('the sidecar', async () => (await fetch(`http://127.0.0.1:${adminPort}/readyz`)).ok)
  await Promise.race([isReady, sidecar.failed])
  return {
    version,
    port,
    feed(state) {
      writeFileSync(join(dir, 'next'), formatReleaseState(state))
      renameSync(join(dir, 'next'), join(dir, names.release))
    },
    terminate: () => sidecar.stop('SIGTERM'),
  }
}
