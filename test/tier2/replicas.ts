// Several replicas of our webhook on a real control plane, behind what a Service is to the API server: a new connection is led to one of the
// ready ones, an open one stays where it is. That a replica is going is known here a moment later, as on a real node.

import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { startControlPlane } from '../cluster/control-plane.ts'
import type { ControlPlane } from '../cluster/control-plane.ts'
import { startFakeKubelet } from '../cluster/fake-kubelet.ts'
import type { FakeKubelet } from '../cluster/fake-kubelet.ts'
import { freePort, startProgram } from '../cluster/process.ts'
import { until } from '../cluster/wait.ts'
import { applyManifests, isReady } from './installation.ts'
import { openShop } from './shop.ts'
import type { Shop } from './shop.ts'
import { createPod, untilInjected } from '../cluster/trial-pod.ts'

export interface Replica {
  log(): string
  isReady(): Promise<boolean>
  /** The value of a metric without labels. */
  metric(name: string): Promise<number>
  /** Of the certificate that it serves. */
  leaf(): Promise<Leaf>
  /** As the kubelet does at the end of a pod: SIGTERM. Resolves when it has ended. */
  terminate(): Promise<void>
  /** Without warning. */
  kill(): Promise<void>
  /** Stops its process where it is; by then it is no endpoint any more. */
  pause(): void
  resume(): void
}

export interface Leaf {
  /** The authority's name. */
  authority: string
  /** By the clock of today. */
  isValid: boolean
}

export interface Replicas {
  cluster: ControlPlane
  kubelet: FakeKubelet
  /** A labelled namespace of its own, once its pods are injected; it is watched until the test ends. */
  open(t: Test, namespace: string): Promise<Shop>
  /** Starts one more; resolves when it is ready and connections are led to it. */
  start(env?: Record<string, string>): Promise<Replica>
  /** The one that holds the Lease. */
  leader(): Promise<Replica>
  /** Ends the API server's connections: it makes new ones, and looks at certificates again. */
  cut(): void
}

const lagMs = 1_000 // kubelet, EndpointSlice, kube-proxy

/** Starts a control plane with the manifests; no replica yet. It ends with the test. */
export async function installReplicas(t: Test): Promise<Replicas> {
  if (!existsSync('dist/webhook.js')) throw new Error('dist/webhook.js is missing: npm run build')
  const cluster = await startControlPlane()
  t.teardown(cluster.stop)
  const kubelet = await startFakeKubelet(cluster)
  t.teardown(kubelet.close)
  const service = await startService()
  t.teardown(service.close)
  await applyManifests(cluster, service.port)
  const kubeconfig = await cluster.kubeconfigOf('spa-reloader', 'spa-reloader-webhook')
  const running = new Set<Replica>()
  let started = 0
  t.teardown(() => Promise.all([...running].map(replica => replica.kill())))
  return { cluster, kubelet, open, start, leader, cut: service.cut }

  async function open(t: Test, namespace: string): Promise<Shop> {
    const shop = await openShop(cluster, kubelet, namespace)
    t.teardown(shop.close)
    await untilInjected(cluster, namespace)
    return shop
  }

  async function start(env: Record<string, string> = {}): Promise<Replica> {
    const [port, metricsPort] = [await freePort(), await freePort()]
    const log = join(cluster.dir, `webhook-${++started}.log`)
    const program = startProgram(process.execPath, ['dist/webhook.js'], {
      log,
      env: {
        KUBECONFIG: kubeconfig,
        SPA_SIDECAR_IMAGE: 'spa-reloader-sidecar:test',
        SPA_WEBHOOK_PORT: String(port),
        SPA_METRICS_PORT: String(metricsPort),
        ...env,
      },
    })
    const replica: Replica = {
      log: () => readFileSync(log, 'utf8'),
      isReady: () => isReady(port),
      metric: name => metricAt(metricsPort, name),
      leaf: () => leafAt(port),
      async terminate() {
        const ended = program.stop('SIGTERM')
        await delay(lagMs)
        service.endpoints.delete(port)
        await ended
        running.delete(replica)
      },
      async kill() {
        service.endpoints.delete(port)
        running.delete(replica)
        await program.stop()
      },
      pause() {
        service.endpoints.delete(port)
        service.cut()
        process.kill(program.pid, 'SIGSTOP')
      },
      resume() {
        process.kill(program.pid, 'SIGCONT')
        service.endpoints.add(port)
      },
    }
    running.add(replica)
    await Promise.race([until('a replica to be ready', replica.isReady), program.failed])
    service.endpoints.add(port)
    return replica
  }

  function leader(): Promise<Replica> {
    return until('a leader', async () => {
      const { status, body } = await cluster.api(
        'GET',
        '/apis/coordination.k8s.io/v1/namespaces/spa-reloader/leases/spa-reloader-controller',
      )
      const holder = (body.spec as { holderIdentity?: string } | undefined)?.holderIdentity
      if (status !== 200 || !holder) return undefined
      return [...running].find(replica => replica.log().includes(holder))
    })
  }
}

async function metricAt(port: number, name: string): Promise<number> {
  const headers = { connection: 'close' } // a kept one may be closed by the other side just now
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`, { headers })).text()
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1])
}

async function leafAt(port: number): Promise<Leaf> {
  const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { issuer, valid_to: until } = socket.getPeerCertificate()
  socket.destroy()
  return { authority: String(issuer.CN), isValid: Date.parse(until) > Date.now() }
}

/** Leads each new connection to one of the endpoints, in turn. */
async function startService() {
  const endpoints = new Set<number>()
  const open = new Set<{ destroy(): void }>()
  let turn = 0
  const server = createServer(client => {
    const ports = [...endpoints]
    const port = ports[turn++ % ports.length]
    if (port === undefined) {
      client.destroy()
      return
    }
    const upstream = connect(port, '127.0.0.1')
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(from)
      from.pipe(to)
      from.on('error', () => to.destroy())
      from.on('close', () => {
        open.delete(from)
        to.destroy()
      })
    }
  })
  const port = await freePort()
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  return {
    port,
    endpoints,
    cut,
    close() {
      server.close()
      cut()
    },
  }

  function cut(): void {
    for (const socket of open) socket.destroy()
  }
}

/** Asks for pods of the Deployment `web` all the time. */
export function createPods(cluster: ControlPlane, namespace: string) {
  const missed: string[] = []
  let pods = 0
  let isEnding = false
  const done = Promise.all(Array.from({ length: 4 }, run))
  return {
    count: () => pods,
    async end() {
      isEnding = true
      await done
      return { pods, missed }
    },
  }

  async function run(): Promise<void> {
    while (!isEnding) {
      const problem = await createPod(cluster, namespace)
      pods++
      if (problem) missed.push(`${new Date().toISOString()} ${problem}`)
      await delay(20)
    }
  }
}
