// Many watches over few connections: HTTP/2, as client-go asks an API server. Over HTTP/1.1 each watch keeps a TLS connection, which takes
// 150 KiB of this process: a webhook that keeps five for each labelled namespace would need its whole memory for two hundred of them.

import type { IncomingHttpHeaders } from 'node:http'
import { connect as startHttp2 } from 'node:http2'
import type { ClientHttp2Session } from 'node:http2'
import type { RequestOptions } from 'node:https'
import { isIP, isIPv6 } from 'node:net'
import type { Readable } from 'node:stream'
import { connect as startTls } from 'node:tls'
import type { TLSSocket } from 'node:tls'

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  /** As it comes. */
  body: Readable
}

export interface Multiplexer {
  /**
   * Asks as node:https would, with what its options say of TLS, host, path and headers. Returns undefined where the server speaks no HTTP/2.
   * Rejects when no head comes within `timeoutMs`, a refusal's whole answer included, when `signal` is aborted, and when it is closed.
   */
  get(
    options: RequestOptions,
    limits: { timeoutMs: number; signal?: AbortSignal },
  ): Promise<Answer | undefined>
  /** Cuts every connection. */
  close(): void
}

interface Connection {
  session: ClientHttp2Session
  socket: TLSSocket
  /** The client certificate that it was opened with; '' where tokens say who asks. */
  identity: string
  /** Open now, or about to be. */
  streams: number
  /** The server takes no more at once. */
  maxStreams: number
  /** It gets no new stream. */
  isLeaving: boolean
}

const connectMs = 10_000
const keepAliveMs = 30_000 // below the idle timeouts of common load balancers

/** A server that has not answered a ping within `pingMs`, when the next one is due, is left. Default: 15,000, as client-go waits. */
export function createMultiplexer({ pingMs = 15_000 } = {}): Multiplexer {
  const connections = new Set<Connection>()
  let opening: Promise<void> | undefined
  let speaksHttp2 = true
  const closing = new AbortController()
  return { get, close }

  function close(): void {
    closing.abort(new Error('the client is closed'))
    for (const connection of connections) cut(connection)
  }

  async function get(
    options: RequestOptions,
    { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal },
  ): Promise<Answer | undefined> {
    const connection = await reserve(options, signal)
    if (!connection) return undefined
    return new Promise((resolve, reject) => {
      const headers = { ...(options.headers as Record<string, string>), ':path': options.path ?? '/' }
      const stream = connection.session.request(headers, { endStream: true, ...(signal && { signal }) })
      const timer = setTimeout(() => {
        leave(connection) // it may be this server that hangs: the next stream goes to whom the next connection leads
        stream.destroy(new Error(`no answer within ${timeoutMs} ms`))
      }, timeoutMs)
      stream.on('response', ({ ':status': status = 0, ...headers }) => {
        if (status === 200) clearTimeout(timer) // any other is read to its end
        resolve({ status, headers, body: stream })
      })
      stream.on('error', reject)
      stream.on('close', () => {
        clearTimeout(timer)
        if (--connection.streams === 0) leave(connection)
        reject(new Error('the connection was closed'))
      })
    })
  }

  /** A connection with room for one more stream, which is counted. */
  async function reserve(options: RequestOptions, signal?: AbortSignal): Promise<Connection | undefined> {
    while (speaksHttp2) {
      closing.signal.throwIfAborted()
      for (const connection of connections) {
        const { identity, isLeaving, streams, maxStreams } = connection
        if (identity !== identityOf(options) || isLeaving || streams >= maxStreams) continue
        connection.streams++
        return connection
      }
      opening ??= open(options).finally(() => (opening = undefined))
      await unlessAborted(opening, signal)
    }
    return undefined
  }

  async function open(options: RequestOptions): Promise<void> {
    const socket = await dial(options, closing.signal)
    if (closing.signal.aborted) return void socket.destroy() // it ended in between
    if (socket.alpnProtocol !== 'h2') {
      speaksHttp2 = false
      socket.destroy()
      return
    }
    const host = options.hostname ?? ''
    const origin = `https://${isIPv6(host) ? `[${host}]` : host}:${options.port || 443}`
    const session = startHttp2(origin, { createConnection: () => socket })
    const connection: Connection = {
      session,
      socket,
      identity: identityOf(options),
      streams: 0,
      maxStreams: 0,
      isLeaving: false,
    }
    connections.add(connection)
    const pinging = keepPinging(connection)
    const settled = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => session.destroy(new Error(`no settings within ${connectMs} ms`)),
        connectMs,
      )
      session.on('remoteSettings', ({ maxConcurrentStreams = Infinity }) => {
        connection.maxStreams = maxConcurrentStreams
        clearTimeout(timer)
        resolve()
      })
      session.on('error', reject)
      session.on('goaway', () => leave(connection))
      session.on('close', () => {
        clearTimeout(timer)
        clearInterval(pinging)
        connections.delete(connection)
        reject(new Error('the connection was closed'))
      })
    })
    await settled
    if (connection.isLeaving || connection.maxStreams < 1) throw new Error('the server takes no stream')
  }

  /**
   * TCP does not probe a connection on which data of ours is not acknowledged, and sends that again for a quarter of an hour (kubernetes#95981);
   * for a process that hangs its kernel acknowledges. Node closes the session of a server that is to go away (GOAWAY), whose streams may stay for an hour,
   * and sends it no ping: there SETTINGS that set nothing ask as well, since they are acknowledged too (RFC 9113 §6.5.3).
   */
  function keepPinging(connection: Connection): NodeJS.Timeout {
    const { session } = connection
    let isAnswered = true
    return setInterval(() => {
      if (!isAnswered || session.destroyed)
        return cut(connection, new Error(`no answer to a ping within ${pingMs} ms`))
      isAnswered = false
      const answered = (error: Error | null): void => void (isAnswered = error === null)
      if (session.closed) session.settings({}, answered)
      else session.ping(answered)
    }, pingMs)
  }
}

/** It gets no new stream, and ends with the last that it has. */
function leave(connection: Connection): void {
  connection.isLeaving = true
  if (connection.streams === 0) connection.session.close()
}

/** The socket too: a session that was closed would wait for the other side to end it. */
function cut(connection: Connection, error?: Error): void {
  connection.isLeaving = true // until both have closed
  connection.session.destroy(error)
  connection.socket.destroy()
}

function identityOf({ cert }: RequestOptions): string {
  return String(cert ?? '')
}

/** Resolves when the TLS handshake is done. */
function dial(options: RequestOptions, signal: AbortSignal): Promise<TLSSocket> {
  const { port, ca, cert, key, passphrase, rejectUnauthorized } = options
  const host = options.hostname ?? ''
  const servername = options.servername ?? (isIP(host) ? undefined : host)
  return new Promise((resolve, reject) => {
    const socket = startTls({
      host,
      port: Number(port || 443),
      ALPNProtocols: ['h2', 'http/1.1'],
      ...Object.fromEntries(
        Object.entries({ ca, cert, key, passphrase, rejectUnauthorized, servername }).filter(
          ([, value]) => value !== undefined,
        ),
      ),
    })
    const timer = setTimeout(() => socket.destroy(new Error(`no TLS within ${connectMs} ms`)), connectMs)
    const stop = (): void => void socket.destroy(signal.reason as Error)
    signal.addEventListener('abort', stop)
    const settle = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
    }
    socket.once('secureConnect', () => {
      settle()
      socket.setKeepAlive(true, keepAliveMs)
      resolve(socket)
    })
    socket.once('error', reject)
    socket.once('close', () => {
      settle()
      reject(new Error('the connection was closed'))
    })
  })
}

/** Rejects when the signal is aborted before the promise is settled. */
function unlessAborted<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error)
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop)
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
