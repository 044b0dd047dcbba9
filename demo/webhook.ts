// The real webhook, as a process of this machine.

import { writeFileSync } from 'node:fs'
import https from 'node:https'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { webhookConfigurationName, webhookEnv } from '../protocol/names.ts'
import type { Api } from '../release/api.ts'
import { list, object } from '../release/raw.ts'
import { kubeConfig } from './kube-config.ts'
import type { Ports } from './ports.ts'
import { startProgram } from './programs.ts'
import type { LogLine, Process } from './programs.ts'

export const sidecarImage = 'spa-reloader-sidecar:demo'

export interface WebhookOptions {
  /** The bundle. */
  file: string
  /** A folder for its kubeconfig. */
  dir: string
  /** Where it listens. */
  port: number
  /** Where its console listens. Default: it has none. */
  consolePort?: number
  ports: Ports
  /** Of the API server. */
  url: string
  api: Api
  onLine?: (line: LogLine) => void
}

export interface Webhook extends Process {
  /** Its certificate authority, as the API server knows it: PEM. It vouches for `localhost`. */
  ca: string
}

const limitMs = 60_000 // it takes two; a machine may have much else to do
const askMs = 30

/** Resolves when it is ready. Rejects when it ends before that, or takes longer than that. */
export async function startWebhook(options: WebhookOptions): Promise<Webhook> {
  const { file, dir, port, consolePort, ports, url, api, onLine } = options
  const kubeConfigFile = join(dir, 'kubeconfig')
  writeFileSync(kubeConfigFile, kubeConfig(url).exportConfig())
  const program = startProgram({
    file,
    env: {
      KUBECONFIG: kubeConfigFile,
      [webhookEnv.sidecarImage]: sidecarImage,
      [webhookEnv.port]: String(port),
      [webhookEnv.metricsPort]: String(await ports.next()),
      [webhookEnv.consolePort]: String(consolePort ?? 'off'),
    },
    ...(onLine && { onLine }),
  })
  const failed = program.ended.then((how): never => {
    throw new Error(`the webhook ${how}`)
  })
  failed.catch(() => {}) // later ends are its owner's business
  try {
    return { ...program, ca: await Promise.race([readiness(api, port), failed]) }
  } catch (error) {
    program.kill()
    throw error
  }
}

async function readiness(api: Api, port: number): Promise<string> {
  for (const end = Date.now() + limitMs; Date.now() < end; await sleep(askMs)) {
    const ca = await readCa(api)
    if (ca && (await isReady(port, ca))) return ca
  }
  throw new Error(`the webhook was not ready within ${limitMs / 1000} s`)
}

async function readCa(api: Api): Promise<string | undefined> {
  const path = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${webhookConfigurationName}`
  const { body } = await api.request({ path })
  const { caBundle } = object(list(object(body).webhooks)[0]?.clientConfig)
  return typeof caBundle === 'string' ? Buffer.from(caBundle, 'base64').toString() : undefined
}

function isReady(port: number, ca: string): Promise<boolean> {
  return new Promise(resolve => {
    https
      .get(
        { host: '127.0.0.1', servername: 'localhost', port, path: '/readyz', ca, agent: false },
        response => {
          response.resume()
          resolve(response.statusCode === 200)
        },
      )
      .on('error', () => resolve(false))
  })
}
