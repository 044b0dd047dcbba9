// The HTTPS door: POST /mutate, and health. The API server keeps idle connections for up to 90 s and does not repeat a request
// that meets a closing one, so ours stay open for longer than that (Node's default is 5 s).

import { createServer as createHttpsServer } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { reason } from '../protocol/log.ts'
import type { Log } from '../protocol/log.ts'
import { parseReview } from './admission.ts'
import type { Review, ReviewAnswer } from './admission.ts'
import type { KeyPair } from './authority.ts'

const askMs = 100
export const maxBytes = 8 * 1024 * 1024 // etcd takes 1.5 MiB, and a review holds its object once, at an update twice

export interface ServerOptions {
  /** Undefined: every address. */
  address?: string
  /** 0: any free one. */
  port: number
  certificate: KeyPair
  admit: (review: Review) => Promise<ReviewAnswer>
  /** Undefined when ready, else the reason why not, in one line. */
  unready: () => string | undefined
  log: Log
}

export interface Server {
  /** Resolves with the port. Rejects when it cannot be listened on. */
  open(): Promise<number>
  /** New connections get this certificate; open ones go on. */
  renew(certificate: KeyPair): void
  /**
   * Goes on answering, but is not ready, and asks each client to come back on another connection. Resolves once nobody has been connected
   * for a moment, not before `settleMs` (until then new connections may still be led here) and at the latest after `limitMs`.
   */
  drain(settleMs: number, limitMs: number): Promise<void>
  /** Answers what has come, for at most `graceMs`, and takes no new connections. */
  close(graceMs?: number): Promise<void>
}

export function createServer({ address, port, certificate, admit, unready, log }: ServerOptions): Server {
  const server = createHttpsServer(
    {
      cert: certificate.cert,
      key: certificate.key,
      minVersion: 'TLSv1.2',
      keepAliveTimeout: 95_000,
      headersTimeout: 32_000,
      requestTimeout: 40_000,
    },
    (request, response) => {
      answer(request, response).catch((error: unknown) => {
        log('admission request failed', { code: 'request_failed', reason: reason(error) })
        if (!response.headersSent) send(response, 500, 'internal error\n')
      })
    },
  )
  // The API server does not trust us (yet): the caBundle in the configuration is not ours. Other handshakes that fail are scans.
  server.on('tlsClientError', error => {
    if (/alert (bad certificate|unknown ca|certificate)/i.test(error.message))
      log('certificate refused', { code: 'certificate_refused', reason: error.message })
  })
  let isDraining = false
  return { open, renew, drain, close }

  function open(): Promise<number> {
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen({ port, host: address }, () => {
        server.off('error', reject)
        resolve((server.address() as AddressInfo).port)
      })
    })
  }

  function renew({ cert, key }: KeyPair): void {
    server.setSecureContext({ cert, key, minVersion: 'TLSv1.2' })
  }

  async function drain(settleMs: number, limitMs: number): Promise<void> {
    isDraining = true
    const start = performance.now()
    await sleep(settleMs)
    while (performance.now() - start < limitMs && (await connections()) > 0) await sleep(askMs)
  }

  function connections(): Promise<number> {
    return new Promise((resolve, reject) =>
      server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    )
  }

  async function close(graceMs = 5_000): Promise<void> {
    const timer = setTimeout(() => server.closeAllConnections(), graceMs)
    await new Promise<void>(resolve => server.close(() => resolve())) // closes idle connections too
    clearTimeout(timer)
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path] = (request.url ?? '').split('?')
    if (path === '/mutate') {
      if (request.method === 'POST') return mutate(request, response)
      return refuse(request, response.setHeader('Allow', 'POST'), 405, 'POST only')
    }
    if (path !== '/livez' && path !== '/healthz' && path !== '/readyz')
      return refuse(request, response, 404, 'no such path')
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return refuse(request, response.setHeader('Allow', 'GET, HEAD'), 405, 'GET and HEAD only')
    const problem = path === '/readyz' ? (isDraining ? 'it is about to end' : unready()) : undefined
    return problem ? send(response, 503, `${problem}\n`) : send(response, 200, 'ok\n')
  }

  async function mutate(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const type = request.headers['content-type'] ?? ''
    if (!/^application\/json\s*(;|$)/i.test(type))
      return refuse(request, response, 415, 'the Content-Type must be application/json')
    const body = await readBody(request)
    if (!body) {
      log('admission request refused', { code: 'body_too_large', maxBytes })
      return refuse(request, response, 413, `a review has at most ${maxBytes} bytes`)
    }
    const data = parseJson(body)
    const parsed = data === undefined ? { error: 'the body is not JSON' } : parseReview(data)
    if ('error' in parsed) {
      log('admission request refused', { code: 'malformed_review', reason: parsed.error })
      return refuse(request, response, 400, parsed.error)
    }
    send(response, 200, JSON.stringify(await admit(parsed.review)), 'application/json')
  }

  /** What is left of the body is read and dropped: closing on a client that still writes would take the answer from it. */
  function refuse(request: IncomingMessage, response: ServerResponse, status: number, text: string): void {
    request.resume()
    send(response, status, `${text}\n`)
  }

  function send(response: ServerResponse, status: number, body: string, type = 'text/plain'): void {
    response.shouldKeepAlive &&= server.listening && !isDraining
    response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) }).end(body)
  }
}

/** Undefined when it is larger than {@link maxBytes}. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return undefined
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > maxBytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString())
  } catch {
    return undefined
  }
}
