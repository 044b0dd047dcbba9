// The environment of the standalone mode. The original's four variables mean what they did, and an empty one is an unset one, as there.
// One thing differs: a value that is none stops the process at start and is named. The original took 10 s or port 8080 without a word.

import { port, sidecarEnv, standaloneEnv } from '../../protocol/names.ts'
import { readVariables } from '../config.ts'

export interface StandaloneConfig {
  namespace: string
  /** The Deployment; '' for each one in the namespace, but our own. */
  name: string
  /** The Deployment that this process is a pod of, as far as its host's name tells. */
  self: string
  /** How often everything is listed anew; 0: only where a watch cannot go on. */
  relistMs: number
  port: number
  adminPort: number
  /** Undefined: every address. */
  listenAddress: string | undefined
  /** Whose pages may connect, besides those of the host that they ask for; undefined: all. */
  origins: readonly string[] | undefined
  expose: 'image' | 'id'
  drainMs: number
  maxTabs: number
  heartbeatMs: number
  maxAgeMs: number
}

/** Takes the process environment. Throws an error whose message names the first variable that is wrong. */
export function readStandaloneConfig(environment: NodeJS.ProcessEnv): StandaloneConfig {
  const { get, optional } = readVariables(withoutEmpty(environment))
  const name = get(standaloneEnv.name)
  const listenAddress = get(sidecarEnv.listenAddress)
  const origins = optional(standaloneEnv.origins, 'any').asOrigins()
  const config: StandaloneConfig = {
    namespace: optional(standaloneEnv.namespace, 'default').asDnsName(),
    name: environment[standaloneEnv.name] ? name.required().asDnsName() : '',
    self: environment.HOSTNAME?.replace(/(-[^-]+){2}$/, '') ?? '', // a pod is named <Deployment>-<hash>-<suffix>
    relistMs: optional(standaloneEnv.resyncSec, '30').asNumberBetween(0, 86_400) * 1_000,
    port: optional(standaloneEnv.port, `${port.standalone}`).asNumberBetween(1, 65_535),
    adminPort: optional(sidecarEnv.adminPort, `${port.admin}`).asNumberBetween(1, 65_535),
    listenAddress: environment[sidecarEnv.listenAddress] ? listenAddress.required().asAddress() : undefined,
    origins: origins.length > 0 ? origins : undefined,
    expose: optional(sidecarEnv.expose, 'image').asEnum(['image', 'id']),
    drainMs: optional(sidecarEnv.drainSec, '25').asNumberBetween(0, 3_600) * 1_000,
    maxTabs: optional(sidecarEnv.maxTabs, '20000').asNumberBetween(1, 1_000_000), // 1.7 KiB each: see bench/README.md, fanout
    heartbeatMs: optional(sidecarEnv.heartbeatSec, '25').asNumberBetween(1, 300) * 1_000,
    maxAgeMs: optional(sidecarEnv.maxAgeSec, '3600').asNumberBetween(1, 604_800) * 1_000,
  }
  if (config.port === config.adminPort)
    throw new Error(`${sidecarEnv.adminPort} is also ${standaloneEnv.port}`)
  return Object.freeze(config)
}

function withoutEmpty(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
}
