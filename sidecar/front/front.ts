// The front stands before the app: it accepts the clients' connections, and only while the app would accept them itself.
// So whoever probes or dials it learns the app's truth, and not that a sidecar is there.

import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import type { Log } from '../../protocol/log.ts'
import { createCache } from './cache/cache.ts'
import { createConnection } from './connection.ts'
import type { Connection } from './connection.ts'
import { createCounters } from './counters.ts'
import type { Counters } from './counters.ts'
import { readToTheEnd } from './deaf.ts'
import type { EditOptions } from './edits.ts'
import { connectLending } from './lent.ts'
import type { Limits } from './limits.ts'
import { accepts, isListening as appListens, isTaken } from './listening.ts'
import type { Pressure } from './pressure.ts'
import { createTunnels } from './tunnel.ts'
import { turnAway } from './turn-away.ts'

export interface FrontOptions {
  /** Without an address: all of them, IPv4 and IPv6, or IPv4 alone where IPv6 is off. */
  listen: { address?: string; port: number }
  /** Where the app is reached: the pod's IPs, never a loopback address, which apps trust. Of two the one is taken at which the app listens. */
  app: { hosts: readonly [string, ...string[]]; port: number }
  /** The app was told to leave the port that the front is to listen on, and perhaps it does not: then the front never listens. */
  mayStay?: boolean
  /** The unix socket of the version server. */
  versionSocket: string
  /** The value of the Server-Timing line that pages get. */
  serverTiming: () => string
  /** The <meta> that a stamped page gets. */
  stamp: () => string
  /** Names the version in the ETags of its pages. */
  tag: () => string
  edits: EditOptions
  cache: { maxBytes: number; maxEntries: number }
  limits: Limits
  /** Client connections at a time; one more is answered with 503. */
  maxConnections: number
  log: Log
  /** Gets one line for each answer. */
  accessLog?: Log
}

export interface Front {
  /** Starts to look for the app, and resolves after the first look. */
  open(): Promise<void>
  isListening(): boolean
  /** The app has stayed where the front was to listen. */
  isPassive(): boolean
  /** The address it listens on; undefined while it does not. */
  address(): { address: string; port: number } | undefined
  /** Looks at once whether the app listens, and does the same. Returns whether the two agree. */
  look(): Promise<boolean>
  /** From now on answers end their connections, and idle connections end after a grace. New ones are served as before. */
  drain(): void
  /** While on, connections are treated as when draining. Tunnels stay. */
  sendAway(isOn: boolean): void
  /** Resolves when draining has begun and no connection is open any more. */
  idle(): Promise<void>
  /** Ends everything now. */
  close(): Promise<void>
  /** Gives up what that asks for, or takes it up again. Answers that are running go on. */
  press(pressure: Pressure): void
  /**
   * Cuts connections on which that many bytes wait, those with the most first. `socketBytes`: so many wait in the kernel, which does not tell where; they
   * are taken for theirs in proportion.
   */
  shed(bytes: number, socketBytes?: number): void
  counters: Readonly<Counters>
  /** What is in memory of the app's assets. */
  cached(): { entries: number; bytes: number }
}

const lookMs = 50 // while waiting for the app only
const keepAliveMs = 60_000 // the kernel's probes find peers that have gone without a word; an app's own probes end at us
const maxProbes = 8
const backlog = 4096 // tabs come back all at once; the kernel takes the smaller of this and somaxconn

export function createFront({
  listen,
  app,
  mayStay = false,
  log,
  cache: caps,
  maxConnections,
  ...options
}: FrontOptions): Front {
  const socketOptions = {
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: keepAliveMs,
    highWaterMark: options.limits.maxBufferBytes,
  } as const
  const counters = createCounters()
  const cache = caps.maxBytes > 0 ? createCache({ ...caps, counters }) : undefined
  const connections = new Set<Connection>()
  const tunnels = createTunnels(onClosed)
  const turnedAway = new Set<Socket>()
  const waiting: (() => void)[] = []
  /** At which the app was seen listening last. */
  let [host] = app.hosts
  let server: Server | undefined
  let looking: Promise<boolean> | undefined
  let timer: NodeJS.Timeout | undefined
  /** A dial was refused although the tables show a listener: the next look dials too. */
  let isDoubtful = false
  /** Let in although there was no room. */
  let probes = 0
  let isDraining = false
  let isSentAway = false
  let isShortOfMemory = false
  let isOpen = false
  let isPassive = false
  let lastListenError = ''

  const around = {
    accessLog: undefined,
    ...options,
    dial,
    stamping: { isOff: false },
    cache,
    tunnels,
    isDraining: () => isDraining || isSentAway,
    counters,
    log,
    forget: (connection: Connection) => void connections.delete(connection),
    onClosed,
  }

  const cached = (): { entries: number; bytes: number } => cache?.size() ?? { entries: 0, bytes: 0 }
  return {
    open,
    isListening,
    isPassive: () => isPassive,
    address,
    look,
    drain,
    sendAway,
    idle,
    close,
    press,
    shed,
    counters,
    cached,
  }

  async function open(): Promise<void> {
    isOpen = true
    await look()
  }

  function isListening(): boolean {
    return server?.listening === true
  }

  function address(): { address: string; port: number } | undefined {
    const bound = server?.address()
    return bound && typeof bound === 'object' ? bound : undefined
  }

  function look(): Promise<boolean> {
    looking ??= lookNow().finally(() => (looking = undefined))
    return looking
  }

  async function lookNow(): Promise<boolean> {
    clearTimeout(timer)
    if (mayStay && !isListening() && (await isTaken(host, listen.port))) stayPassive()
    if (isPassive) return true
    const isUp = await find()
    if (!isOpen) return false
    if (isUp) {
      isDoubtful = false
      await startListening()
    } else {
      stopListening()
    }
    if (isOpen && !isListening() && !isPassive) timer = setTimeout(() => void look(), lookMs)
    return isPassive || isListening() === isUp
  }

  /** Returns whether the app listens, and remembers where. A listener for IPv6 alone looks like one for both: only dialling tells. */
  async function find(): Promise<boolean> {
    for (const each of new Set([host, ...app.hosts])) {
      if (!(await appListens(each, app.port)) || (isDoubtful && !(await accepts(each, app.port)))) continue
      host = each
      return true
    }
    return false
  }

  /** For good: what it does at the beginning it does to the end, and whoever comes to that port finds the app itself. */
  function stayPassive(): void {
    if (!isPassive)
      log('the app does not heed PORT: nothing passes the sidecar', { code: 'app_stayed', port: listen.port })
    isPassive = true
  }

  async function startListening(): Promise<void> {
    if (isListening()) return
    const starting = createServer(socketOptions, accept)
    const error = await new Promise<NodeJS.ErrnoException | undefined>(resolve => {
      starting.once('error', resolve)
      starting.listen({ port: listen.port, ...(listen.address && { host: listen.address }), backlog }, () =>
        resolve(undefined),
      )
    })
    if (error) {
      if (mayStay && error.code === 'EADDRINUSE') return stayPassive()
      const code = error.code ?? error.message
      if (code !== lastListenError)
        log('front cannot listen', { code: 'listen_failed', why: code, port: listen.port })
      lastListenError = code
      return
    }
    lastListenError = ''
    // Out of file descriptors, say: those that are open go on.
    starting.on('error', ({ code }: NodeJS.ErrnoException) =>
      log('accept failed', { code: 'accept_failed', why: code }),
    )
    if (!isOpen) return void starting.close()
    server = starting
    log('front listens', { code: 'front_listens', port: address()?.port })
  }

  function stopListening(): void {
    if (!server) return
    server.close()
    server = undefined
    cache?.clear()
    log('front stopped listening', { code: 'app_gone' })
  }

  function accept(client: Socket): void {
    counters.connections++
    if (isShortOfMemory || counters.open >= maxConnections) {
      if (isShortOfMemory) counters.turnedAwayMemory++
      else counters.turnedAway++
      return turnAway(client, { open: turnedAway, takeBack })
    }
    letIn(client)
  }

  function letIn(client: Socket): void {
    counters.open++
    connections.add(createConnection(client, around))
  }

  /** Whoever says that he is a probe is believed, so there is only so much room for them. */
  function takeBack(client: Socket, first: Buffer): boolean {
    if (probes >= maxProbes || !isOpen) return false
    probes++
    client.once('close', () => probes--)
    letIn(client)
    client.unshift(first)
    return true
  }

  function onClosed(client: Socket): void {
    counters.open--
    counters.bytesIn += client.bytesRead
    counters.bytesOut += client.bytesWritten
    settle()
  }

  function dial(): Socket {
    // No local address is set: the kernel takes the pod's own, so the app sees the pod and not loopback.
    const socket = readToTheEnd(connectLending({ host, port: app.port, ...socketOptions }))
    socket.once('error', onRefused)
    socket.once('connect', () => socket.off('error', onRefused))
    return socket
  }

  function onRefused({ code }: NodeJS.ErrnoException): void {
    counters.refusedDials++
    log('app refused a connection', { code: 'app_refused', why: code })
    if (code !== 'ECONNREFUSED' && code !== 'EHOSTUNREACH') return
    isDoubtful = true
    cache?.clear()
    // A look that is under way may have been too early.
    if (isOpen) void Promise.resolve(looking).then(look)
  }

  function press(pressure: Pressure): void {
    isShortOfMemory = pressure === 'critical'
    cache?.allow(pressure === 'none')
  }

  function shed(bytes: number, socketBytes = 0): void {
    const all = [...Array.from(connections, connection => connection.waiting()), ...tunnels.waiting()]
    const total = all.reduce((sum, each) => sum + each.bytes, 0)
    let left = (bytes * total) / (total + socketBytes)
    let cut = 0
    for (const each of all.filter(({ bytes }) => bytes > 0).toSorted((a, b) => b.bytes - a.bytes)) {
      if (left <= 0) break
      left -= each.bytes
      each.cut()
      cut++
    }
    counters.shed += cut
    if (cut > 0) log('connections shed', { code: 'connections_shed', connections: cut })
  }

  function drain(): void {
    if (isDraining) return
    isDraining = true
    for (const connection of connections) connection.drain()
    settle()
  }

  function sendAway(isOn: boolean): void {
    isSentAway = isOn
    if (isOn) for (const connection of connections) connection.drain()
  }

  function idle(): Promise<void> {
    return new Promise(resolve => {
      waiting.push(resolve)
      settle()
    })
  }

  function settle(): void {
    if (!isDraining || counters.open > 0) return
    for (const resolve of waiting.splice(0)) resolve()
  }

  async function close(): Promise<void> {
    isOpen = false
    isDraining = true
    clearTimeout(timer)
    await looking
    const closing = server
    const closed = closing && new Promise<void>(resolve => closing.close(() => resolve()))
    server = undefined
    for (const connection of connections) connection.close()
    tunnels.close()
    for (const client of turnedAway) client.destroy()
    await closed
    await idle()
  }
}
