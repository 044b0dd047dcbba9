// The Kubernetes API as plain HTTPS and JSON. Deliberately not our own code nor the client library that ships:
// what the tests say of the cluster must not depend on what they test.

import https from 'node:https'
import type { IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

export interface Answer<T> {
  status: number
  body: T
}

export interface WatchEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED'
  object: KubernetesObject
}

export interface KubernetesObject {
  apiVersion?: string
  kind?: string
  metadata: Record<string, unknown> & {
    name: string
    namespace?: string
    uid: string
    resourceVersion: string
  }
  spec?: Record<string, unknown>
  status?: Record<string, unknown>
  [field: string]: unknown
}

export interface Api {
  /**
   * One request. A body is sent as JSON, a string as it is. The status is the caller's to judge; rejects only when
   * the connection fails. PATCH is a JSON merge patch unless another content type is named.
   */
  request: <T = KubernetesObject>(
    method: string,
    path: string,
    body?: unknown,
    contentType?: string,
  ) => Promise<Answer<T>>
  /**
   * Lists and then watches `path`, starting over when the connection ends, until closed. What a list holds comes as
   * ADDED, also what was known before; what it no longer holds comes as DELETED.
   */
  watch: (path: string, onEvent: (event: WatchEvent) => void) => { close: () => void }
  close: () => void
}

export function openApi(server: string, token: string, ca: string): Api {
  // The API server closes what was idle for 90 s: a request may not meet that.
  const agent = new https.Agent({ keepAlive: true, timeout: 30_000, ca })
  const headers = { authorization: `Bearer ${token}`, accept: 'application/json' }
  return { request, watch, close: () => agent.destroy() }

  async function request<T>(
    method: string,
    path: string,
    body?: unknown,
    contentType?: string,
  ): Promise<Answer<T>> {
    const response = await send(method, path, body, contentType)
    let text = ''
    for await (const chunk of response.setEncoding('utf8')) text += chunk as string
    const isJson = response.headers['content-type']?.startsWith('application/json')
    return { status: response.statusCode ?? 0, body: (isJson ? JSON.parse(text) : text) as T }
  }

  function send(method: string, path: string, body?: unknown, contentType?: string, signal?: AbortSignal) {
    return new Promise<IncomingMessage>((resolve, reject) => {
      const payload = typeof body === 'string' ? body : body === undefined ? '' : JSON.stringify(body)
      const type = contentType ?? (method === 'PATCH' ? 'application/merge-patch+json' : 'application/json')
      const request = https.request(new URL(path, server), {
        method,
        agent,
        // Said by us because Node frames no body of a DELETE: its bytes would be read as the next request.
        headers: {
          ...headers,
          ...(payload && { 'content-type': type, 'content-length': Buffer.byteLength(payload) }),
        },
        ...(signal && { signal }),
      })
      request.once('response', resolve).once('error', reject)
      request.end(payload)
    })
  }

  function watch(path: string, onEvent: (event: WatchEvent) => void) {
    const closing = new AbortController()
    const known = new Map<string, KubernetesObject>() // by uid
    void keepWatching()
    return { close: () => closing.abort() }

    function tell(event: WatchEvent) {
      const { uid } = event.object.metadata
      if (event.type === 'DELETED') known.delete(uid)
      else known.set(uid, event.object)
      try {
        onEvent(event)
      } catch (error) {
        queueMicrotask(() => {
          throw error // the test's own mistake, no reason to watch again
        })
      }
    }

    async function keepWatching() {
      const query = path.includes('?') ? '&' : '?'
      while (!closing.signal.aborted) {
        try {
          const { status, body } = await request<{
            items: KubernetesObject[]
            metadata: KubernetesObject['metadata']
          }>('GET', path)
          if (status === 200 && !closing.signal.aborted) {
            const listed = new Set(body.items.map(({ metadata }) => metadata.uid))
            for (const [uid, object] of known) if (!listed.has(uid)) tell({ type: 'DELETED', object })
            for (const object of body.items) tell({ type: 'ADDED', object })
            const from = `watch=true&resourceVersion=${body.metadata.resourceVersion}`
            const stream = await send('GET', `${path}${query}${from}`, undefined, undefined, closing.signal)
            for await (const line of linesOf(stream)) {
              const event = JSON.parse(line) as WatchEvent | { type: 'ERROR' }
              if (event.type === 'ERROR') break // most often 410: list again
              if (!closing.signal.aborted) tell(event)
            }
          }
        } catch {
          // The API server restarts, or the watch was closed: the loop's condition tells.
        }
        await delay(50)
      }
    }
  }
}

async function* linesOf(stream: IncomingMessage): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of stream.setEncoding('utf8')) {
    const lines = (rest + (chunk as string)).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
}
