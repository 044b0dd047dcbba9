// What the tests of the contract have in common: requests, objects to send, and waiting.

import { setTimeout as sleep } from 'node:timers/promises'
import { patchType } from '../../../release/api.ts'
import type { Api, ApiRequest } from '../../../release/api.ts'
import { createLineSplitter } from '../../../release/wire.ts'

/** Any object, list or Status. The tests look at what they expect; what is not there is undefined. */
export interface Json {
  metadata: {
    name: string
    namespace: string
    uid: string
    resourceVersion: string
    generation?: number
    creationTimestamp: string
    deletionTimestamp?: string
    labels?: Record<string, string>
    annotations?: Record<string, string>
    ownerReferences?: Record<string, unknown>[]
  }
  spec: Record<string, unknown>
  status?: Record<string, unknown>
  data?: Record<string, string>
  reason?: string
  message?: string
  items: Json[]
}

/** Requests to a cluster, and namespaces of their own for the tests to make them in. */
export function connect(api: Api) {
  return { send, namespace, createPod, watch }

  async function send(
    method: NonNullable<ApiRequest['method']>,
    path: string,
    body?: unknown,
    query: ApiRequest['query'] = {},
    contentType = method === 'PATCH' ? patchType.merge : 'application/json',
  ): Promise<{ status: number; body: Json }> {
    const { status, body: answer } = await api.request({
      method,
      path,
      query,
      contentType,
      ...(body !== undefined && { body }),
    })
    return { status, body: answer as Json }
  }

  async function namespace(labels: Record<string, string> = {}) {
    const metadata = { generateName: 'contract-', labels }
    const { body } = await send('POST', '/api/v1/namespaces', {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata,
    })
    const { name } = body.metadata
    return {
      name,
      path: (apiVersion = 'v1') =>
        `${apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`}/namespaces/${name}`,
    }
  }

  /** A new namespace of a real cluster admits pods only when its ServiceAccount is there. */
  function createPod(path: string, body: unknown) {
    return until(async () => {
      const response = await send('POST', path, body)
      const isEarly = response.status === 403 && response.body.message?.includes('serviceaccount')
      return isEarly ? undefined : response
    })
  }

  /** The events of a raw watch, one after the other. */
  function watch(path: string, query: NonNullable<ApiRequest['query']>) {
    const closing = new AbortController()
    const events = eventsOf()
    return {
      close: () => closing.abort(),
      async next() {
        const { value, done } = await events.next()
        if (done) throw new Error('the watch has ended')
        return value
      },
    }

    async function* eventsOf(): AsyncGenerator<{ type: string; object: Json }, undefined> {
      const opened = await api.stream({ path, query: { ...query, watch: true }, signal: closing.signal })
      if ('refused' in opened) throw new Error(`refused with ${opened.refused.status}`)
      const split = createLineSplitter()
      for await (const chunk of opened.body.setEncoding('utf8') as AsyncIterable<string>)
        for (const line of split(chunk)) yield JSON.parse(line) as { type: string; object: Json }
    }
  }
}

export type Send = ReturnType<typeof connect>['send']

/** Asks again and again, until there is an answer. The test's own time limit ends it. */
export async function until<T>(ask: () => Promise<T | undefined | false>): Promise<T> {
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    await sleep(20)
  }
}

export function markReady(send: Send, path: string) {
  const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }
  return send('PATCH', `${path}/status`, { status })
}

export function secret(name: string, labels?: Record<string, string>) {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name, ...(labels && { labels }) } }
}

export function pod(name: string) {
  const containers = [{ name: 'web', image: 'web:1' }]
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec: { containers } }
}

export function deployment(name: string, replicas: number) {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      template: { metadata: { labels: { app: name } }, ...image('web:1').spec.template },
    },
  }
}

export function image(image: string) {
  return { spec: { template: { spec: { containers: [{ name: 'web', image }] } } } }
}
