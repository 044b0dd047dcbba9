// Codings that the app leaves out, made off the hot path: one at a time, on the thread pool, and only of what was asked for again.

import { compress, hasPaid, isCompressible, pays } from '../../../static/compress.ts'
import type { Made } from '../../../static/compress.ts'
import { field, hasToken } from '../head.ts'
import type { Head } from '../head.ts'

/** Whether compressing pays, and is allowed (RFC 9110 §7.7). */
export function isEncodable(head: Head, length: number): boolean {
  return (
    pays(length) &&
    isCompressible(field(head, 'content-type') ?? '') &&
    !hasToken(head, 'cache-control', 'no-transform')
  )
}

export interface Encoding {
  body: Buffer
  /** Asked before each coding: what is no longer wanted is not made. */
  isWanted(): boolean
  /** Called with each coding that turns out smaller. */
  found(coding: Made, body: Buffer): void
}

/** Returns what takes bodies to encode, and encodes them one after the other. */
export function createEncoder(): (encoding: Encoding) => void {
  const waiting: Encoding[] = []
  let isBusy = false
  return encoding => {
    waiting.push(encoding)
    if (!isBusy) void work()
  }

  async function work(): Promise<void> {
    isBusy = true
    for (let next = waiting.shift(); next; next = waiting.shift()) await encode(next)
    isBusy = false
  }
}

async function encode({ body, isWanted, found }: Encoding): Promise<void> {
  for (const coding of ['br', 'gzip'] as const) {
    if (!isWanted()) return
    const smaller = await compress(coding, body).catch(() => body)
    if (isWanted() && hasPaid(smaller, body)) found(coding, smaller)
  }
}
