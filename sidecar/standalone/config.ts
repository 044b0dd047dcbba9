// The environment of the standalone mode. The original's four variables mean what they did, and an empty one is an unset one, as there.
// One thing differs: a value that is none stops the process at start and is named. The original took 10 s or port 8080 without a word.

import { port, sidecarEnv, standaloneEnv } from '../../protocol/names.ts'
import { readServing, readVariables } from '../config.ts'
import type { Serving } from '../config.ts'

export interface StandaloneConfig extends Serving {
  namespace: string
  /** The Deployment; '' for each one in the namespace, but our own. */
  name: string
  /** The Deployment that this process is a pod of, as far as its host's name tells. */
  self: string
  /** How often everything is listed anew; 0: only where a watch cannot go on. */
  relistMs: number
  port: number
  /** Whose pages may connect, besides those of the host that they ask for; undefined: all. */
  origins: readonly string[] | undefined
}

/** Takes the process environment. Throws an error whose message names the first variable that is wrong. */
export function readStandaloneConfig(environment: NodeJS.ProcessEnv): StandaloneConfig {
  const given = withoutEmpty(environment)
  const { get, optional } = readVariables(given)
  const name = get(standaloneEnv.name)
  const origins = optional(standaloneEnv.origins, 'any').asOrigins()
  const config: StandaloneConfig = {
    namespace: optional(standaloneEnv.namespace, 'default').asDnsName(),
    name: environment[standaloneEnv.name] ? name.required().asDnsName() : '',
    self: environment.HOSTNAME?.replace(/(-[^-]+){2}$/, '') ?? '', // a pod is named <Deployment>-<hash>-<suffix>
    relistMs: optional(standaloneEnv.resyncSec, '30').asNumberBetween(0, 86_400) * 1_000,
    port: optional(standaloneEnv.port, `${port.standalone}`).asNumberBetween(1, 65_535),
    origins: origins.length > 0 ? origins : undefined,
    ...readServing(given, '20000'), // 1.4 KiB a tab: see bench/README.md, tabs
  }
  if (config.port === config.adminPort)
    throw new Error(`${sidecarEnv.adminPort} is also ${standaloneEnv.port}`)
  return Object.freeze(config)
}

function withoutEmpty(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
}
