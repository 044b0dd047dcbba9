// A sidecar as it runs in a pod: the bundle, a feed folder, and an app to stand before.

import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sidecarEnv, file as names } from '../protocol/names.ts'
import { formatReleaseState } from '../protocol/release.ts'
import type { ReleaseState } from '../protocol/release.ts'
import { freePort } from '../test/cluster/process.ts'
import { startBundle } from './processes.ts'
import type { Running } from './processes.ts'

export interface SidecarInPod extends Running {
  frontPort: number
  versionSocket: string
  /** Where its unix sockets are. */
  runDir: string
  isReady(): Promise<boolean>
  /** Puts a new state where the kubelet would. */
  feed(serial: number): void
}

export interface SidecarOptions {
  /** The app to stand before. Default: one of its own, which answers every request with a small page. */
  appPort?: number
  /** Of the memory cache; 0 for none. */
  cacheMib?: number
}

export async function startSidecar({ appPort, cacheMib }: SidecarOptions = {}): Promise<SidecarInPod> {
  const dir = mkdtempSync(join(tmpdir(), 'spa-bench-'))
  const app = appPort === undefined ? await startSmallApp() : undefined
  const behind = appPort ?? (app!.address() as AddressInfo).port
  const [frontPort, adminPort] = [await freePort(), await freePort()]
  feed(1)
  const env = {
    [sidecarEnv.mode]: 'sidecar',
    [sidecarEnv.namespace]: 'bench',
    [sidecarEnv.name]: 'web',
    [sidecarEnv.hash]: 'aaaa',
    [sidecarEnv.podIP]: '127.0.0.1',
    [sidecarEnv.appPort]: String(behind),
    [sidecarEnv.frontPort]: String(frontPort),
    [sidecarEnv.adminPort]: String(adminPort),
    [sidecarEnv.listenAddress]: '127.0.0.1',
    [sidecarEnv.podDir]: dir,
    [sidecarEnv.runDir]: dir,
    [sidecarEnv.maxTabs]: '100000',
    [sidecarEnv.maxHandshakes]: '100000',
    ...(cacheMib !== undefined && { [sidecarEnv.cacheMib]: String(cacheMib) }),
  }
  const running = startBundle('dist/sidecar.js', env, imageFlags())
  return {
    pid: running.pid,
    frontPort,
    versionSocket: join(dir, names.versionSocket),
    runDir: dir,
    isReady: () => isReady(adminPort),
    feed,
    async stop() {
      await running.stop()
      app?.close()
      rmSync(dir, { recursive: true, force: true })
    },
  }

  function feed(serial: number): void {
    writeFileSync(join(dir, 'next'), formatReleaseState(stateOf(serial)))
    renameSync(join(dir, 'next'), join(dir, names.release))
  }
}

/** Those of the image's entry point. */
function imageFlags(): string[] {
  const [, command = '[]'] = /^ENTRYPOINT (.*)$/m.exec(readFileSync('Dockerfile.sidecar', 'utf8')) ?? []
  return (JSON.parse(command) as string[]).filter(word => word.startsWith('--'))
}

async function startSmallApp(): Promise<Server> {
  const app = createServer((_, response) =>
    response.setHeader('Content-Type', 'text/html').end('<!doctype html>'),
  )
  app.listen(0, '127.0.0.1')
  await once(app, 'listening')
  return app
}

function isReady(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    request({ port, path: '/readyz' }, response => {
      response.resume()
      resolve(response.statusCode === 200)
    })
      .on('error', reject)
      .end()
  })
}

/** As large as after ten rollouts. */
function stateOf(serial: number): ReleaseState {
  return {
    namespace: 'bench',
    name: 'web',
    epoch: 't3k9x1-d3f1c2aa',
    serial,
    revision: 10,
    phase: 'ready',
    since: '2026-11-22T09:00:00.000Z',
    target: { id: id(10), name: 'registry/web:10', hash: 'aaaa' },
    previous: { id: id(9), name: 'registry/web:9' },
    live: [{ id: id(10), pods: 3 }],
    known: Array.from({ length: 10 }, (_, index) => [
      index === 0 ? 'aaaa' : `hash${index}`,
      id(10 - index),
      10 - index,
    ]),
    why: 'rollout',
  }
}

function id(revision: number): string {
  return revision.toString(16).repeat(64).slice(0, 64)
}
