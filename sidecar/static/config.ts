// The environment of the static mode.

import { port, staticEnv } from '../../protocol/names.ts'
import { readDrainMs, readListenAddress, readVariables } from '../config.ts'

export interface StaticConfig {
  /** The folder. */
  root: string
  maxBytes: number
  /** The path below which browsers see it, with a slash at both ends. */
  basePath: string
  port: number
  /** Undefined: every address, IPv4 and IPv6. */
  listenAddress: string | undefined
  /** 0: the process ends at SIGTERM. */
  drainMs: number
}

/** Takes the process environment. Throws an error whose message names the first variable that is missing or wrong. */
export function readStaticConfig(environment: NodeJS.ProcessEnv): StaticConfig {
  const { required, optional } = readVariables(environment)
  return Object.freeze({
    root: required(staticEnv.root).asString(),
    maxBytes: optional(staticEnv.rootMib, '64').asNumberBetween(1, 4_096) * 1024 * 1024, // an app has a tenth of it
    basePath: optional(staticEnv.basePath, '/').asBasePath(),
    port: optional(staticEnv.port, `${port.standalone}`).asNumberBetween(1, 65_535),
    listenAddress: readListenAddress(environment),
    drainMs: readDrainMs(environment),
  })
}
