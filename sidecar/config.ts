// The sidecar's environment, read once at start. A wrong variable is an error that names it; nothing is guessed.
// Most of it is set by injection (webhook/), so the defaults here are what a pod gets that says nothing.

import env from 'env-var'
import { isIP } from 'node:net'
import { file, maxDrainSec, port, sidecarEnv, staticEnv } from '../protocol/names.ts'
import { tabsCap } from '../protocol/tabs.ts'
import { defaultLimits } from './front/limits.ts'
import type { Limits } from './front/limits.ts'

export interface Config extends Limits, Serving {
  namespace: string
  /** The Deployment. */
  name: string
  /** `pod-template-hash` of the ReplicaSet that this pod belongs to. */
  hash: string
  /** Two in a dual-stack pod. */
  podIPs: readonly [string, ...string[]]
  appPort: number
  frontPort: number
  capture: 'name' | 'env' | 'redirect'
  podDir: string
  runDir: string
  feed: 'downward' | 'watch'
  forwarded: 'add' | 'off'
  revalidate: 'add' | 'off'
  missing: 'refuse' | 'off'
  page: 'plain' | 'etag' | 'stamp'
  accessLog: 'off' | 'json'
  /** 0: no asset is kept in memory. */
  cacheBytes: number
  maxConnections: number
}

/** What the sidecar and the standalone process have in common. */
export interface Serving {
  adminPort: number
  /** Undefined: every address, IPv4 and IPv6. */
  listenAddress: string | undefined
  expose: 'image' | 'id'
  /** 0: no draining, the process ends at SIGTERM. */
  drainMs: number
  maxTabs: number
  /** A second. */
  maxHandshakes: number
  /** Undefined: the container's limit. 0: none. */
  memoryMib: number | undefined
  heartbeatMs: number
  maxAgeMs: number
}

/**
 * Takes the process environment; returns the configuration, frozen.
 * Throws an error whose message names the first variable that is missing or wrong.
 */
export function readConfig(environment: NodeJS.ProcessEnv): Config {
  const { required, optional } = readVariables(environment)
  const serving = readServing(environment, '6000') // what fits into the container's memory limit
  const forAllTabs = Math.min(Math.max(serving.maxTabs, 6_000) + 4_000, 1_000_000) // tabs, and requests beside them
  const config: Config = {
    namespace: required(sidecarEnv.namespace).asDnsName(),
    name: required(sidecarEnv.name).asDnsName(),
    hash: required(sidecarEnv.hash).asDnsName(),
    podIPs: required(sidecarEnv.podIP).asAddresses(),
    appPort: required(sidecarEnv.appPort).asNumberBetween(1, 65_535),
    frontPort: optional(sidecarEnv.frontPort, `${port.front}`).asNumberBetween(1, 65_535),
    capture: optional(sidecarEnv.capture, 'name').asEnum(['name', 'env', 'redirect']),
    ...serving,
    podDir: optional(sidecarEnv.podDir, file.podDir).asString(),
    runDir: readRunDir(environment),
    feed: optional(sidecarEnv.feed, 'downward').asEnum(['downward', 'watch']),
    forwarded: optional(sidecarEnv.forwarded, 'add').asEnum(['add', 'off']),
    revalidate: optional(sidecarEnv.revalidate, 'add').asEnum(['add', 'off']),
    missing: optional(sidecarEnv.missing, 'refuse').asEnum(['refuse', 'off']),
    page: optional(sidecarEnv.page, 'plain').asEnum(['plain', 'etag', 'stamp']),
    accessLog: optional(sidecarEnv.accessLog, 'off').asEnum(['off', 'json']),
    ...readLimits(environment),
    maxConnections: optional(sidecarEnv.maxConnections, `${forAllTabs}`).asNumberBetween(1, 1_000_000),
    cacheBytes: optional(sidecarEnv.cacheMib, '16').asNumberBetween(0, 4_096) * 1024 * 1024, // what tabs leave of the memory limit
  }
  refuseSharedPorts(config)
  return Object.freeze(config)
}

/** Takes the environment and the default of `SPA_MAX_TABS`. */
export function readServing(environment: NodeJS.ProcessEnv, maxTabs: string): Serving {
  const { get, optional } = readVariables(environment)
  return {
    adminPort: optional(sidecarEnv.adminPort, `${port.admin}`).asNumberBetween(1, 65_535),
    listenAddress: readListenAddress(environment),
    expose: optional(sidecarEnv.expose, 'image').asEnum(['image', 'id']),
    drainMs: readDrainMs(environment),
    maxTabs: optional(sidecarEnv.maxTabs, maxTabs).asNumberBetween(tabsCap.min, tabsCap.max),
    maxHandshakes: optional(sidecarEnv.maxHandshakes, '2000').asNumberBetween(1, 1_000_000), // what pods that end send here: server/pace.ts
    memoryMib: environment[sidecarEnv.memoryMib]
      ? get(sidecarEnv.memoryMib).asNumberBetween(0, 1_000_000)
      : undefined,
    heartbeatMs: optional(sidecarEnv.heartbeatSec, '25').asNumberBetween(1, 300) * 1_000, // load balancers cut after 60 s of silence
    maxAgeMs: optional(sidecarEnv.maxAgeSec, '3600').asNumberBetween(1, 604_800) * 1_000, // so that tabs spread over new pods
  }
}

export function readListenAddress(environment: NodeJS.ProcessEnv): string | undefined {
  if (!environment[sidecarEnv.listenAddress]) return undefined
  return readVariables(environment).get(sidecarEnv.listenAddress).asAddress()
}

/** In milliseconds. */
export function readDrainMs(environment: NodeJS.ProcessEnv): number {
  const seconds = readVariables(environment).optional(sidecarEnv.drainSec, '25') // inside the kubelet's 30 s before SIGKILL
  return seconds.asNumberBetween(0, maxDrainSec) * 1_000
}

function readLimits(environment: NodeJS.ProcessEnv): Limits {
  const { optional } = readVariables(environment)
  const { maxHeadBytes, maxHeadLines, headMs, maxBufferBytes, maxAwaited } = defaultLimits
  return {
    maxHeadBytes: optional(sidecarEnv.maxHeadKib, `${maxHeadBytes / 1024}`).asNumberBetween(1, 1_024) * 1024,
    maxHeadLines: optional(sidecarEnv.maxHeadLines, `${maxHeadLines}`).asNumberBetween(10, 10_000), // a browser sends twenty
    headMs: optional(sidecarEnv.headSec, `${headMs / 1_000}`).asNumberBetween(1, 300) * 1_000,
    maxBufferBytes:
      optional(sidecarEnv.bufferKib, `${maxBufferBytes / 1024}`).asNumberBetween(4, 16_384) * 1024,
    maxAwaited: optional(sidecarEnv.maxPipelined, `${maxAwaited}`).asNumberBetween(1, 10_000),
  }
}

/** Injection sets `sidecar`; a Deployment that somebody wrote by hand, as for the original, says nothing, or has files to serve. */
export function readMode(environment: NodeJS.ProcessEnv): Mode {
  const hasFiles = Boolean(environment[staticEnv.root])
  const mode = environment[sidecarEnv.mode] || (hasFiles ? 'static' : 'standalone')
  const read = env
    .from({ [sidecarEnv.mode]: mode })
    .get(sidecarEnv.mode)
    .required()
    .asEnum(modes)
  if (hasFiles && read !== 'static')
    throw new Error(`${staticEnv.root} is not for ${sidecarEnv.mode} ${read}`)
  return read
}

type Mode = (typeof modes)[number]
const modes = ['sidecar', 'standalone', 'static'] as const

/** Readers of single variables; each throws an error that names its variable. */
export function readVariables(environment: NodeJS.ProcessEnv) {
  const { get } = env.from(withoutServiceLinks(environment), accessors)
  return {
    get,
    required: (name: string) => get(name).required(),
    optional: (name: string, otherwise: string) => get(name).default(otherwise),
  }
}

/** Where the sidecar keeps its unix sockets: all that the preStop program has to know. */
export function readRunDir(environment: NodeJS.ProcessEnv): string {
  return env.from(environment).get(sidecarEnv.runDir).default(file.runDir).asString()
}

/**
 * Kubernetes tells each container of the Services beside it: one that is named `spa` comes as SPA_PORT=tcp://10.96.0.1:80
 * (kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables).
 */
function withoutServiceLinks(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const link = /^(tcp|udp|sctp):\/\//
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => !link.test(value ?? '')))
}

const accessors = {
  asNumberBetween(value: string, min: number, max: number): number {
    const number = /^\d{1,9}$/.test(value) ? Number(value) : NaN
    if (number >= min && number <= max) return number
    throw new Error(`should be a whole number from ${min} to ${max}`)
  },
  asAddress(value: string): string {
    if (isIP(value)) return value
    throw new Error('should be an IP address')
  },
  asAddresses(value: string): [string, ...string[]] {
    const addresses = value.split(',') as [string, ...string[]]
    if (addresses.every(address => isIP(address))) return addresses
    throw new Error('should be an IP address, or several separated by commas')
  },
  /** It goes into a quoted string of a header, so nothing else may pass. */
  asDnsName(value: string): string {
    if (/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(value)) return value
    throw new Error('should be a name as Kubernetes allows it')
  },
  asBasePath(value: string): string {
    if (/^\/(?:[\w.~-]+\/)*$/.test(value) && !/\/\./.test(value)) return value
    throw new Error('should be a path with a slash at both ends, like /shop/')
  },
  /** `any`, which is none in particular, or a list. */
  asOrigins(value: string): string[] {
    const origins = value === 'any' ? [] : value.split(',').map(origin => origin.trim())
    if (origins.every(origin => URL.canParse(origin) && new URL(origin).origin === origin)) return origins
    throw new Error('should be any, or origins like https://shop.example separated by commas')
  },
}

function refuseSharedPorts({ appPort, frontPort, adminPort }: Config): void {
  // Before the app's own port, the front would find itself and dial itself.
  if (frontPort === appPort) throw new Error(`${sidecarEnv.frontPort} is also ${sidecarEnv.appPort}`)
  if (adminPort === appPort) throw new Error(`${sidecarEnv.adminPort} is also ${sidecarEnv.appPort}`)
  if (adminPort === frontPort) throw new Error(`${sidecarEnv.adminPort} is also ${sidecarEnv.frontPort}`)
}
