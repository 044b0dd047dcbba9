// A thin client of the Kubernetes API: JSON requests and streams on node:http(s), over one pool of kept connections.
// Of @kubernetes/client-node it takes KubeConfig only (credentials, TLS, token files): the package's own HTTP client makes a
// new TLS connection for each request and does not let us decide when a silent watch is dead. The import goes past the
// package's index, which would bring in a generated class for every API of Kubernetes.

import type { Cluster } from '@kubernetes/client-node/dist/config_types.js'
import type { KubeConfig } from '@kubernetes/client-node/dist/config.js'
import http from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import https from 'node:https'
import type { RequestOptions } from 'node:https'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { urlToHttpOptions } from 'node:url'
import { reason } from '../protocol/log.ts'
import { isObject, isString } from '../protocol/release.ts'
import type { Answer, Multiplexer } from './multiplex.ts'

export interface ApiRequest {
  /** Default: GET. */
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Absolute and encoded, without the query: `/api/v1/namespaces/shop/pods`. */
  path: string
  /** Undefined values are left out. */
  query?: Record<string, string | number | boolean | undefined>
  /** Sent as JSON. */
  body?: unknown
  /** Of the body. Default: application/json. */
  contentType?: string
  /** Of the answer. Default: application/json. */
  accept?: string
  /** For the whole answer of `request`, for the head of the answer of `stream`. Default: 30,000. */
  timeoutMs?: number
  signal?: AbortSignal
}

export interface ApiResponse {
  status: number
  headers: IncomingHttpHeaders
  /** Parsed when it is JSON, else the text. */
  body: unknown
}

export interface Api {
  /** Any status is a value. Throws {@link ApiUnreachable} when there was no whole answer. */
  request(request: ApiRequest): Promise<ApiResponse>
  /** A body that is read as it comes. The caller destroys it. A status other than 200 is `refused`, already read. */
  stream(request: ApiRequest): Promise<{ body: Readable } | { refused: ApiResponse }>
  /** Cuts every connection. Later requests throw. */
  close(): void
}

/** No whole answer came: the network, TLS, credentials that cannot be read, a timeout, an abort, or close(). */
export class ApiUnreachable extends Error {
  override readonly name = 'ApiUnreachable'
}

/** What must come in time: the whole answer, or its head. */
type Timed = 'whole' | 'head'

/** The content types of PATCH (kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-apply). */
export const patchType = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  apply: 'application/apply-patch+yaml', // JSON is YAML
} as const

const maxRequests = 32 // at once, where streams have connections of their own
const keepAliveMs = 30_000 // below the idle timeouts of common load balancers

/**
 * Takes what loads the configuration. It is called at once, so that a process without one stops at start, and again
 * whenever the API server answers 401: a rotated token is then used within the same request. With a multiplexer streams go over it, where the API server
 * is asked directly and speaks HTTP/2, and the number of other connections is limited.
 */
export function createApi(load: () => KubeConfig, multiplexer?: Multiplexer): Api {
  const agents = {
    http: new http.Agent({ keepAlive: true }),
    https: new https.Agent({ keepAlive: true }),
    limited: new https.Agent({ keepAlive: true, maxSockets: maxRequests }),
  }
  let config = load()
  let closed = false
  return { request, stream, close }

  async function request(request: ApiRequest): Promise<ApiResponse> {
    try {
      return await read(await authorized(request, 'whole'))
    } catch (error) {
      throw unreachable(request, error)
    }
  }

  async function stream(request: ApiRequest): Promise<{ body: Readable } | { refused: ApiResponse }> {
    try {
      const answer = await authorized(request, 'head')
      return answer.status === 200 ? { body: answer.body } : { refused: await read(answer) }
    } catch (error) {
      throw unreachable(request, error)
    }
  }

  function close(): void {
    closed = true
    agents.http.destroy()
    agents.https.destroy()
    agents.limited.destroy()
    multiplexer?.close()
  }

  async function authorized(request: ApiRequest, timed: Timed): Promise<Answer> {
    const answer = await send(request, timed)
    if (answer.status !== 401) return answer
    answer.body.resume() // gives the connection back
    config = load()
    return send(request, timed)
  }

  async function send(request: ApiRequest, timed: Timed): Promise<Answer> {
    const target = await options(request, timed)
    if (multiplexer && timed === 'head' && target.agent === agents.https && !target.auth) {
      const { timeoutMs = 30_000, signal } = request
      const answer = await multiplexer.get(target, { timeoutMs, ...(signal && { signal }) })
      if (answer) return answer
    }
    return sendAlone(request, target, timed)
  }

  async function options(request: ApiRequest, timed: Timed): Promise<RequestOptions> {
    const { method = 'GET', path, query = {}, body, contentType, accept } = request
    const cluster = config.getCurrentCluster()
    if (!cluster) throw new Error('the kubeconfig names no current cluster')
    const credentials: RequestOptions = {}
    await config.applyToHTTPSOptions(credentials)
    const server = new URL(cluster.server)
    return {
      ...credentials,
      ...urlToHttpOptions(server),
      ...(credentials.auth && { auth: credentials.auth }),
      agent: agentOf(cluster, credentials, timed),
      method,
      path: server.pathname.replace(/\/$/, '') + path + search(query),
      headers: {
        ...trimmed(credentials.headers as Record<string, string> | undefined),
        Accept: accept ?? 'application/json',
        'User-Agent': 'spa-reloader',
        ...(body !== undefined && { 'Content-Type': contentType ?? 'application/json' }),
      },
    }
  }

  /** The configuration's own goes through its `proxy-url`, with a connection for each request. */
  function agentOf({ server, proxyUrl }: Cluster, { agent }: RequestOptions, timed: Timed) {
    if (proxyUrl) return agent
    if (server.startsWith('http:')) return agents.http
    return multiplexer && timed === 'whole' ? agents.limited : agents.https
  }

  function sendAlone(request: ApiRequest, options: RequestOptions, timed: Timed): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (closed) return reject(new Error('the client is closed'))
      const { timeoutMs = 30_000, body, signal } = request
      const { request: open } = options.protocol === 'http:' ? http : https
      const req = open(signal ? { ...options, signal } : options)
      let response: http.IncomingMessage | undefined
      const timer = setTimeout(
        () => (response ?? req).destroy(new Error(`no answer within ${timeoutMs} ms`)),
        timeoutMs,
      )
      req.on('response', incoming => {
        response = incoming
        const { statusCode: status = 0, headers } = incoming
        if (timed === 'head' && status === 200) {
          clearTimeout(timer) // any other is read to its end
          incoming.socket.setKeepAlive(true, keepAliveMs)
        }
        resolve({ status, headers, body: incoming })
      })
      req.on('error', (error: NodeJS.ErrnoException) => {
        if (response) return
        // The server closed a kept connection while we were writing to it: GET may be repeated (RFC 9110 §9.2.2).
        const wasStale = req.reusedSocket && error.code === 'ECONNRESET' && req.method === 'GET'
        if (wasStale && !closed) resolve(sendAlone(request, options, timed))
        else reject(error)
      })
      req.on('close', () => clearTimeout(timer))
      req.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }
}

/** What went wrong, for a log line: the status and, where the API server sent a Status object, its message. */
export function refusal({ status, body }: Pick<ApiResponse, 'status' | 'body'>): string {
  return isObject(body) && isString(body.message) ? `${status}: ${body.message}` : String(status)
}

async function read({ status, headers, body }: Answer): Promise<ApiResponse> {
  const whole = await text(body)
  const isJson = headers['content-type']?.startsWith('application/json')
  return { status, headers, body: isJson ? (JSON.parse(whole) as unknown) : whole }
}

function search(query: NonNullable<ApiRequest['query']>): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined)
  return given.length === 0
    ? ''
    : `?${new URLSearchParams(given.map(([key, value]) => [key, String(value)]))}`
}

/** A token file that was written by hand ends with a newline, which node:http refuses in a header. */
function trimmed(headers: Record<string, string> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.trim()]))
}

function unreachable({ method = 'GET', path }: ApiRequest, cause: unknown): ApiUnreachable {
  return new ApiUnreachable(`${method} ${path}: ${reason(cause)}`, { cause })
}
