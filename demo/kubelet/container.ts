// One container: started, probed for readiness, started again when it ends by itself, and ended in the kubelet's order:
// preStop, SIGTERM, and SIGKILL when the grace period is over.

import { get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Image } from '../images.ts'
import type { LogLine, Process } from '../programs.ts'
import type { Container, Probe } from './objects.ts'
import type { Sandbox } from './sandbox.ts'

export interface ContainerOptions {
  spec: Container
  image: Image
  sandbox: Sandbox
  /** The pod's name. */
  pod: string
  /** Its status is another. */
  onChange(): void
  onStart(): void
  onLine(line: LogLine): void
  /** It ended by itself; `how` says how, in words. */
  onEnd(how: string, ends: number): void
}

export interface RunningContainer {
  status(): Record<string, unknown>
  isReady(): boolean
  /** Resolves when it has ended, after its preStop hook, within the grace period. */
  stop(graceMs: number): Promise<void>
  /** Resolves when nothing of it runs any more. */
  kill(): Promise<void>
}

/** One whose image cannot be pulled: it never starts. */
export function awaitImage({ name, image }: Container): RunningContainer {
  const waiting = { reason: 'ImagePullBackOff', message: `Back-off pulling image "${image}": not found` }
  const status = {
    name,
    image,
    imageID: '',
    ready: false,
    started: false,
    restartCount: 0,
    state: { waiting },
  }
  return { status: () => status, isReady: () => false, stop: nothing, kill: nothing }
}

async function nothing(): Promise<void> {}

const askMs = 50 // while it is not ready: the kubelet asks more seldom, but nobody wants to wait here
const restartMs = 500

export function runContainer(options: ContainerOptions): RunningContainer {
  const { spec, image, sandbox, pod, onChange, onStart, onLine, onEnd } = options
  const env = sandbox.environment(spec)
  const stopping = new AbortController()
  const { signal } = stopping
  const pause = (ms: number) => sleep(ms, undefined, { signal }).catch(() => {})
  let running: Process | undefined
  let hook: Promise<unknown> | undefined
  let startedAt = ''
  let ready = false
  let ends = 0
  void run()
  void probe()
  return { status, isReady: () => ready, stop, kill }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      running = image.start({ env, pod, onLine })
      startedAt = timestamp()
      onStart()
      onChange()
      const how = await running.ended
      running = undefined
      if (signal.aborted) return
      become(false)
      onEnd(how, ++ends)
      await pause(restartMs)
    }
  }

  async function probe(): Promise<void> {
    const { readinessProbe } = spec
    while (!signal.aborted) {
      become(running !== undefined && (!readinessProbe || (await passes(readinessProbe))))
      await pause(ready ? (readinessProbe?.periodSeconds ?? 10) * 1000 : askMs)
    }
  }

  function passes({ httpGet: { path, port: wanted } }: Probe): Promise<boolean> {
    const port = sandbox.port(wanted, spec)
    if (port === undefined) return Promise.resolve(false)
    return new Promise(resolve => {
      const request = get({ host: sandbox.podIP, port, path, agent: false, timeout: 1000 }, response => {
        response.resume()
        const { statusCode = 0 } = response
        resolve(statusCode >= 200 && statusCode < 400)
      })
      request.on('timeout', () => request.destroy())
      request.on('error', () => resolve(false))
    })
  }

  function become(next: boolean): void {
    if (ready === next || signal.aborted) return
    ready = next
    onChange()
  }

  async function stop(graceMs: number): Promise<void> {
    stopping.abort()
    const ending = running
    if (!ending) return
    const timer = setTimeout(() => ending.kill(), graceMs)
    const { preStop } = spec.lifecycle ?? {}
    if (preStop) await Promise.race([(hook = image.exec(preStop.exec.command, env)), ending.ended])
    ending.terminate()
    await Promise.all([ending.ended, hook])
    clearTimeout(timer)
  }

  async function kill(): Promise<void> {
    stopping.abort()
    running?.kill()
    await running?.ended
    await hook
  }

  function status(): Record<string, unknown> {
    const state = running ? { running: { startedAt } } : { waiting: { reason: 'CrashLoopBackOff' } }
    const { name, image: written } = spec
    return {
      name,
      image: written,
      imageID: image.id,
      ready,
      started: running !== undefined,
      restartCount: ends,
      state,
    }
  }
}

/** Kubernetes' times are whole seconds. */
export function timestamp(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, 'Z')
}
