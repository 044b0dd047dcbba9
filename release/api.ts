// A thin client of the Kubernetes API: JSON requests and streams on node:http(s), over one pool of kept connections.
// Of @kubernetes/client-node it takes KubeConfig only (credentials, TLS, token files): the package's own HTTP client makes a
// new TLS connection for each request and does not let us decide when a silent watch is dead. The import goes past the
// package's index, which would bring in a generated class for every API of Kubernetes.

import type { Cluster } from '@kubernetes/client-node/dist/config_types.js'
import type { KubeConfig } from '@kubernetes/client-node/dist/config.js'
import http from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import https from 'node:https'
import type { RequestOptions } from 'node:https'
import { text } from 'node:stream/consumers'
import { urlToHttpOptions } from 'node:url'
import { reason } from '../protocol/log.ts'
import { isObject, isString } from '../protocol/release.ts'
import { loadKubeConfig } from './kubeconfig.ts'

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
  stream(request: ApiRequest): Promise<{ body: IncomingMessage } | { refused: ApiResponse }>
  /** Cuts every connection. Later requests throw. */
  close(): void
}

/** No whole answer came: the network, TLS, credentials that cannot be read, a timeout, an abort, or close(). */
export class ApiUnreachable extends Error {
  override readonly name = 'ApiUnreachable'
}

/** The content types of PATCH (kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-apply). */
export const patchType = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  apply: 'application/apply-patch+yaml', // JSON is YAML
} as const

/**
 * Takes what loads the configuration. It is called at once, so that a process without one stops at start, and again
 * whenever the API server answers 401: a rotated token is then used within the same request.
 */
export function createApi(load: () => KubeConfig = loadKubeConfig): Api {
  const agents = {
    http: new http.Agent({ keepAlive: true }),
    https: new https.Agent({ keepAlive: true }),
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

  async function stream(request: ApiRequest): Promise<{ body: IncomingMessage } | { refused: ApiResponse }> {
    try {
      const body = await authorized(request, 'head')
      return body.statusCode === 200 ? { body } : { refused: await read(body) }
    } catch (error) {
      throw unreachable(request, error)
    }
  }

  function close(): void {
    closed = true
    agents.http.destroy()
    agents.https.destroy()
  }

  async function authorized(request: ApiRequest, timed: 'whole' | 'head'): Promise<IncomingMessage> {
    const response = await send(request, await options(request), timed)
    if (response.statusCode !== 401) return response
    response.resume() // gives the connection back
    config = load()
    return send(request, await options(request), timed)
  }

  async function options({ method = 'GET', path, query = {}, body, contentType, accept }: ApiRequest) {
    const cluster = config.getCurrentCluster()
    if (!cluster) throw new Error('the kubeconfig names no current cluster')
    const credentials: RequestOptions = {}
    await config.applyToHTTPSOptions(credentials)
    const server = new URL(cluster.server)
    return {
      ...credentials,
      ...urlToHttpOptions(server),
      ...(credentials.auth && { auth: credentials.auth }),
      agent: agentOf(cluster, credentials),
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
  function agentOf({ server, proxyUrl }: Cluster, { agent }: RequestOptions): RequestOptions['agent'] {
    if (proxyUrl) return agent
    return server.startsWith('http:') ? agents.http : agents.https
  }

  function send(
    request: ApiRequest,
    options: RequestOptions,
    timed: 'whole' | 'head',
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      if (closed) return reject(new Error('the client is closed'))
      const { timeoutMs = 30_000, body, signal } = request
      const { request: open } = options.protocol === 'http:' ? http : https
      const req = open(signal ? { ...options, signal } : options)
      let response: IncomingMessage | undefined
      const timer = setTimeout(
        () => (response ?? req).destroy(new Error(`no answer within ${timeoutMs} ms`)),
        timeoutMs,
      )
      req.on('response', incoming => {
        response = incoming
        if (timed === 'head' && incoming.statusCode === 200) clearTimeout(timer) // any other is read to its end
        resolve(incoming)
      })
      req.on('error', (error: NodeJS.ErrnoException) => {
        if (response) return
        // The server closed a kept connection while we were writing to it: GET may be repeated (RFC 9110 §9.2.2).
        const wasStale = req.reusedSocket && error.code === 'ECONNRESET' && req.method === 'GET'
        if (wasStale && !closed) resolve(send(request, options, timed))
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

async function read(response: IncomingMessage): Promise<ApiResponse> {
  const body = await text(response)
  const isJson = response.headers['content-type']?.startsWith('application/json')
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body: isJson ? (JSON.parse(body) as unknown) : body,
  }
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
