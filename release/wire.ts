// What the API server sends when it is asked for a list or a watch: JSON lists, one event per line, Status objects.

import { isObject, isString } from '../protocol/release.ts'
import type { ApiResponse } from './api.ts'
import { object } from './raw.ts'

/** Cuts a stream of text at its newlines; keeps what comes after the last one for the next chunk. */
export function createLineSplitter(): (chunk: string) => string[] {
  let rest = ''
  return chunk => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    return lines.filter(line => line !== '')
  }
}

const longestMs = 600_000 // a timer cannot hold more than 24 days, and nobody means more than minutes

/** What the server asks us to wait: the header (RFC 9110 §10.2.3; the API server sends seconds, no dates) or its like in the Status. */
export function retryAfterMs({ headers, body }: ApiResponse): number {
  const seconds = Number(headers['retry-after'] ?? object(object(body).details).retryAfterSeconds)
  return seconds > 0 ? Math.min(seconds * 1000, longestMs) : 0
}

/** An ERROR event carries the Status object that would have been the answer's body. */
export function responseOf(status: unknown): ApiResponse {
  return { status: Number(object(status).code), headers: {}, body: status }
}

export function parseEvent(line: string): { type: string; object: unknown } {
  const event: unknown = JSON.parse(line)
  if (!isObject(event) || !isString(event.type)) throw new Error('not a watch event')
  return { type: event.type, object: event.object }
}

export function parseList(body: unknown): { items: unknown[]; version: string } | undefined {
  const { items, metadata } = object(body)
  const { resourceVersion } = object(metadata)
  if (!Array.isArray(items) || !isString(resourceVersion)) return undefined
  return { items, version: resourceVersion }
}

/** Where the next page of a list or a table begins; '' behind the last one. */
export function nextOf(body: unknown): string {
  const { continue: next } = object(object(body).metadata)
  return isString(next) ? next : ''
}

export function versionOf(raw: unknown): string | undefined {
  const { resourceVersion } = object(object(raw).metadata)
  return isString(resourceVersion) ? resourceVersion : undefined
}

export function keyOf(raw: unknown): string {
  const { namespace, name } = object(object(raw).metadata)
  return isString(namespace) && namespace !== '' ? `${namespace}/${String(name)}` : String(name)
}
