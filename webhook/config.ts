// The webhook's configuration, read once from the environment.

import env from 'env-var'
import { maxDrainSec, port, systemNamespace, webhookEnv } from '../protocol/names.ts'
import { redirectSettings } from './capture-redirect.ts'
import type { RedirectSetting } from './capture-redirect.ts'
import { amountsOf, isSane, needs, wishes } from './resources.ts'
import type { Wish, Wishes } from './resources.ts'

export interface Config {
  /** The sidecar's image, as it is written into pods. */
  sidecarImage: string
  /** Overrides how long sidecars drain, in seconds; 0 switches draining off. Undefined: by the pod's own grace period. */
  sidecarDrainSec: number | undefined
  /** What sidecars have whose pods do not say otherwise. */
  sidecarSizes: Wishes
  /** Where capture `redirect` may be used. */
  redirect: RedirectSetting
  /** The image of its init container; there is one unless it is off. */
  redirectImage: string | undefined
  /** A native sidecar (an init container that goes on running) or a plain container. `auto`: native where every kubelet knows it well. */
  sidecarForm: 'auto' | 'native' | 'plain'
  /** Names of Secrets that the pods' namespaces have, for pulling the sidecar's image. */
  imagePullSecrets: string[]
  /** Where we run, and where our Secret is. */
  systemNamespace: string
  /** Where tls.crt, tls.key and ca.crt are mounted. Undefined: our own authority, in its Secret. */
  tlsDir: string | undefined
  /** After SIGTERM it goes on answering for at most so long, in seconds; until then the API server may hold connections to it. */
  drainSec: number
  port: number
  metricsPort: number
  /** Undefined: there is no console. */
  consolePort: number | undefined
  /** Names besides the loopback ones under which browsers may ask for it. */
  consoleHosts: string[]
  /** It shows the last lines of containers that crash: we may read pods/log. */
  consolePodLogs: boolean
}

/** Takes the environment. Throws an error that names the variable when one is missing or wrong. */
export function readConfig(environment: NodeJS.ProcessEnv): Config {
  const variables = env.from(environment)
  const redirect = variables
    .get(webhookEnv.redirect)
    .default('off')
    .asEnum([...redirectSettings])
  const redirectImage = variables
    .get(webhookEnv.redirectImage)
    .required(redirect !== 'off')
    .asString()
  const consolePort = variables.get(webhookEnv.consolePort).default(port.console)
  const isOff = ['off', '0'].includes(consolePort.asString())
  return Object.freeze({
    sidecarImage: variables.get(webhookEnv.sidecarImage).required().asString(),
    sidecarDrainSec: drainSec(variables.get(webhookEnv.sidecarDrainSec).asIntPositive()),
    sidecarSizes: readSizes(environment),
    redirect,
    redirectImage,
    sidecarForm: variables.get(webhookEnv.sidecarForm).default('auto').asEnum(['auto', 'native', 'plain']),
    imagePullSecrets: secretNames(variables.get(webhookEnv.imagePullSecrets).default('').asArray()),
    systemNamespace: variables.get(webhookEnv.systemNamespace).default(systemNamespace).asString(),
    tlsDir: variables.get(webhookEnv.tlsDir).asString(),
    drainSec: variables.get(webhookEnv.drainSec).default(100).asIntPositive(), // the API server closes what was idle for 90 s
    port: variables.get(webhookEnv.port).default(port.webhook).asPortNumber(),
    metricsPort: variables.get(webhookEnv.metricsPort).default(port.webhookMetrics).asPortNumber(),
    consolePort: isOff ? undefined : consolePort.asPortNumber(),
    consoleHosts: variables
      .get(webhookEnv.consoleHosts)
      .default('')
      .asArray()
      .map(name => name.trim())
      .filter(name => name !== ''),
    consolePodLogs: variables.get(webhookEnv.consolePodLogs).default('false').asBoolStrict(),
  })
}

const variableOf: Record<Wish, string> = {
  cpu: webhookEnv.sidecarCpu,
  cpuLimit: webhookEnv.sidecarCpuLimit,
  memory: webhookEnv.sidecarMemory,
  memoryLimit: webhookEnv.sidecarMemoryLimit,
}

/** Throws as {@link readConfig} does. */
export function readSizes(environment: NodeJS.ProcessEnv): Wishes {
  const sizes: Wishes = Object.fromEntries(
    wishes.map(wish => [wish, environment[variableOf[wish]] || undefined]),
  )
  for (const wish of wishes)
    if (sizes[wish] !== undefined && !isSane(wish, sizes[wish]))
      throw new Error(`${variableOf[wish]}: ${sizes[wish]} is no quantity that a sidecar could have`)
  const [low] = amountsOf(sizes, {}, needs({ feed: 'downward' })).raised
  if (low)
    throw new Error(`${variableOf[low]} is below the request, or below the least that a sidecar works with`)
  return sizes
}

/** With more, every new pod would break. */
function drainSec(seconds: number | undefined): number | undefined {
  if (seconds === undefined || seconds <= maxDrainSec) return seconds
  throw new Error(`${webhookEnv.sidecarDrainSec}: a sidecar drains for ${maxDrainSec} seconds at most`)
}

/** DNS-1123 subdomains, as Kubernetes asks of a Secret's name. A wrong one would make the API server refuse every pod. */
function secretNames(items: readonly string[]): string[] {
  const names = items.map(item => item.trim()).filter(name => name !== '')
  const wrong = names.find(
    name =>
      name.length > 253 || !/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name),
  )
  if (wrong !== undefined)
    throw new Error(`${webhookEnv.imagePullSecrets}: ${wrong} cannot be the name of a Secret`)
  return names
}
