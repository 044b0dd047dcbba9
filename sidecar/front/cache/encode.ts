// Codings that the app leaves out, made off the hot path: one at a time, on the thread pool, and only of what was asked for again.

import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { field, hasToken } from '../head.ts'
import type { Head } from '../head.ts'

const leastBytes = 1_024 // below that a packet is a packet
const leastGain = 0.9
const compressible =
  /^(?:text\/|application\/(?:javascript|json|manifest\+json|xml|wasm|vnd\.ms-fontobject)|image\/(?:svg\+xml|bmp|x-icon|vnd\.microsoft\.icon)|font\/(?:ttf|otf|sfnt))|\+(?:json|xml)\b/i

const brotli = promisify(brotliCompress)
const deflate = promisify(gzip)

/** Whether compressing pays, and is allowed (RFC 9110 §7.7). */
export function isEncodable(head: Head, length: number): boolean {
  return (
    length >= leastBytes &&
    compressible.test(field(head, 'content-type') ?? '') &&
    !hasToken(head, 'cache-control', 'no-transform')
  )
}

export interface Encoding {
  body: Buffer
  /** Asked before each coding: what is no longer wanted is not made. */
  isWanted(): boolean
  /** Called with each coding that turns out smaller. */
  found(coding: 'br' | 'gzip', body: Buffer): void
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
  for (const [coding, compress] of ways) {
    if (!isWanted()) return
    const smaller = await compress(body).catch(() => body)
    if (isWanted() && smaller.length < body.length * leastGain) found(coding, smaller)
  }
}

// The 5th of 11 is as fast as gzip, and smaller.
const ways = [
  ['br', (body: Buffer) => brotli(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } })],
  ['gzip', (body: Buffer) => deflate(body)],
] as const
