// A small Kubernetes API server in one process, in memory: just what this project asks of a real one, for the demo and the tests.
// It has no users and no rights, and trusts whoever reaches it: it listens on loopback only.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { reason } from '../../protocol/log.ts'
import type { Log } from '../../protocol/log.ts'
import { createAdmission } from './admission.ts'
import type { AdmissionOptions } from './admission.ts'
import { badRequest, refuse } from './answer.ts'
import type { Answer } from './answer.ts'
import { collectGarbage } from './garbage.ts'
import { createRequests } from './requests.ts'
import { createResources } from './resources.ts'
import { parseSelectors } from './selectors.ts'
import { createStore } from './store.ts'
import { serveWatch } from './watches.ts'

export interface ApiServerOptions {
  log: Log
  /** Default: any that is free. */
  port?: number
  /** Where webhooks are reached that are named by their Service. Default: nowhere. */
  resolveService?: AdmissionOptions['resolveService']
  /** How many changes watches can look back. Default: 5,000. */
  historySize?: number
  /** How often watches get a bookmark. Default: 60,000, as from a real API server. */
  bookmarkMs?: number
}

export interface ApiServer {
  /** http://127.0.0.1:port */
  url: string
  /** Ends the watches and every connection. */
  close(): Promise<void>
}

/** Starts an empty cluster; resolves when it listens. Rejects when the port is taken. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { log, port = 0, resolveService = () => undefined, historySize, bookmarkMs = 60_000 } = options
  const store = createStore(historySize)
  const resources = createResources()
  const admission = createAdmission({
    configurations: () => listOf('/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations'),
    namespace: name => listOf('/api/v1/namespaces').find(({ metadata }) => metadata.name === name),
    resolveService,
    log,
  })
  const requests = createRequests({ store, resources, admission })
  const stopCollecting = collectGarbage(store, resources, requests.remove)
  // With Node's own 5 s a client that was held up sends on a connection that ends just then; a real one keeps them longer too.
  const server = createServer({ keepAliveTimeout: 95_000 }, (req, res) => void handle(req, res))
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close }

  async function close(): Promise<void> {
    stopCollecting()
    admission.close()
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }

  function listOf(path: string) {
    const target = resources.find(path)
    return target ? store.list(target.resource) : []
  }

  async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    try {
      const { pathname, searchParams: query } = new URL(req.url ?? '/', 'http://api')
      if (req.method === 'GET' && query.get('watch')) return watch(pathname, query, res)
      send(res, await answer(req, pathname, query))
    } catch (error) {
      log('request failed', { method: req.method, path: req.url, reason: reason(error) })
      send(res, refuse(500, 'InternalError', reason(error)))
    }
  }

  async function answer(req: IncomingMessage, pathname: string, query: URLSearchParams): Promise<Answer> {
    const target = resources.find(pathname)
    if (!target) return refuse(404, 'NotFound', 'the server could not find the requested resource')
    const contentType = req.headers['content-type']?.split(';')[0] ?? ''
    const body = parseBody(await text(req))
    if ('invalid' in body) return badRequest(body.invalid)
    switch (req.method ?? '') {
      case 'GET':
        return target.name === undefined ? requests.list(target, query) : requests.get(target)
      case 'POST':
        return requests.create(target, query, body.value)
      case 'PUT':
        return requests.update(target, body.value)
      case 'PATCH':
        return requests.patch(target, contentType, body.value)
      case 'DELETE':
        return requests.delete(target, query, body.value)
      default:
        return refuse(405, 'MethodNotAllowed', `${req.method} is not served`)
    }
  }

  function watch(pathname: string, query: URLSearchParams, res: ServerResponse): void {
    const target = resources.find(pathname)
    if (!target) return send(res, refuse(404, 'NotFound', 'the server could not find the requested resource'))
    const selected = parseSelectors(query)
    if (typeof selected === 'string') return send(res, badRequest(selected))
    const { resource, namespace } = target
    serveWatch(res, {
      store,
      resource,
      matches: object =>
        (namespace === undefined || object.metadata.namespace === namespace) && selected(object),
      resourceVersion: query.get('resourceVersion') ?? '',
      allowBookmarks: query.get('allowWatchBookmarks') === 'true',
      timeoutMs: Number(query.get('timeoutSeconds') ?? 1800) * 1000,
      bookmarkMs,
    })
  }
}

function parseBody(body: string): { value: unknown } | { invalid: string } {
  try {
    return { value: body === '' ? undefined : (JSON.parse(body) as unknown) }
  } catch (error) {
    return { invalid: `the body is not JSON: ${reason(error)}` }
  }
}

function send(res: ServerResponse, { code, body }: Answer): void {
  res.writeHead(code, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
}
