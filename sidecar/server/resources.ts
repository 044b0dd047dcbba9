// The plain answers under /__spa/: the state as JSON and the client's script.
// HEAD gets its Content-Length as a plain header: endWithoutBody(length) leaves the answer pending in the Node 20 binary, which then
// cuts the connection at its next request, or ends the whole process (both seen).
// Bodies are handed over as bytes: the Node 24 binary sends a string whose characters fit one byte as Latin-1 (seen).

import { createHash } from 'node:crypto'
import { path } from '../../protocol/names.ts'
import type { HttpRequest, HttpResponse, TemplatedApp } from 'uWebSockets.js'

type Headers = Record<string, string>

/**
 * The name of the client's script is fixed, so it is asked for anew with each page. But a page does not wait for that where the browser has had it within
 * 30 days (RFC 5861 §3): the request may fall into the moment at which a pod goes, just after a rollout, and a page without its client hears nothing until
 * it is loaded again. After an update the next page but one has the new one. Browsers that do not know the directive ask first.
 */
const clientCaching = 'max-age=0, stale-while-revalidate=2592000'

/**
 * Registers every path, by its last directory; WebSockets go elsewhere. `version` takes what the query says of the page, `<Deployment>-<hash>`,
 * and returns the JSON text of the state, or undefined while none is known. `events` answers with the event stream.
 */
export function serveResources(
  app: TemplatedApp,
  clientScript: string,
  version: (page: string | undefined) => string | undefined,
  events: (res: HttpResponse, req: HttpRequest) => void,
  isStandalone: boolean,
): void {
  const etag = `"${createHash('sha256').update(clientScript).digest('base64url').slice(0, 22)}"`

  app.any('/*', (res, req) => {
    switch (resource(req.getUrl())) {
      case `${path.prefix}${path.version}`:
        return isRead(req) ? sendVersion(res, req) : refuseMethod(res)
      case `${path.prefix}${path.client}`:
        return isRead(req) ? sendClient(res, req) : refuseMethod(res)
      case `${path.prefix}${path.events}`:
        return events(res, req)
      case `${path.prefix}${path.ws}`:
        return refuse(res, '426 Upgrade Required', 'a WebSocket handshake is needed', {
          Upgrade: 'websocket',
        })
      default:
        // The original's own answer: load balancers may have been told to take it for health.
        if (isStandalone) return refuse(res, '400 Bad Request', 'a WebSocket handshake is needed')
        return refuse(res, '404 Not Found', 'no such resource')
    }
  })

  function sendVersion(res: HttpResponse, req: HttpRequest): void {
    const body = version(req.getQuery('v'))
    if (body === undefined) {
      return refuse(res, '503 Service Unavailable', 'no release state is known yet', { 'Retry-After': '1' })
    }
    send(res, req, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' }, body)
  }

  function sendClient(res: HttpResponse, req: HttpRequest): void {
    const caching = { 'Cache-Control': clientCaching, ETag: etag }
    if (!names(req.getHeader('if-none-match'), etag)) {
      return send(res, req, { 'Content-Type': 'text/javascript; charset=utf-8', ...caching }, clientScript)
    }
    write(res.writeStatus('304 Not Modified'), caching).endWithoutBody()
  }
}

/** From the last `/__spa/` on: an Ingress need not have cut off what stands before it. */
function resource(url: string): string {
  return url.slice(Math.max(0, url.lastIndexOf(path.prefix)))
}

/** Answers with an error as JSON. */
export function refuse(res: HttpResponse, status: string, error: string, headers: Headers = {}): void {
  const all = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', ...headers }
  write(res.writeStatus(status), all).end(JSON.stringify({ error }))
}

/** Too many come at once. What browsers do with it differs, but each comes back later. */
export function refuseRate(res: HttpResponse): void {
  refuse(res, '503 Service Unavailable', 'too many handshakes at once', { 'Retry-After': '1' })
}

export function refuseMethod(res: HttpResponse): void {
  refuse(res, '405 Method Not Allowed', 'GET and HEAD only', { Allow: 'GET, HEAD' })
}

function send(res: HttpResponse, req: HttpRequest, headers: Headers, body: string): void {
  const bytes = Buffer.from(body)
  write(res.writeStatus('200 OK'), headers)
  if (req.getMethod() === 'head') res.writeHeader('Content-Length', `${bytes.length}`).endWithoutBody()
  else res.end(bytes)
}

function write(res: HttpResponse, headers: Headers): HttpResponse {
  for (const [name, value] of Object.entries(headers)) res.writeHeader(name, value)
  return res
}

export function isRead(req: HttpRequest): boolean {
  return req.getMethod() === 'get' || req.getMethod() === 'head'
}

/** If-None-Match compares weakly (RFC 9110 §13.1.2). */
function names(ifNoneMatch: string, etag: string): boolean {
  return ifNoneMatch.split(',').some(each => each.trim().replace(/^W\//, '') === etag || each.trim() === '*')
}
