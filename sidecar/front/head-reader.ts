// Collects the bytes of a head until its empty line. A head that comes in one chunk, as nearly all do, is not copied.
// What has come is never lost: when it turns out not to be HTTP, `held` gives every byte back.

import { maxHeadBytes } from './head.ts'

export type HeadFault = 'bare-lf' | 'long-line' | 'too-large'

export interface WholeHead {
  bytes: Buffer
  /** Where in the chunk the head ended. */
  end: number
  /** Whether the bytes are a part of the chunk; otherwise they were collected over several. */
  isInChunk: boolean
}

export interface HeadReader {
  /** Takes the chunk from that offset. On 'more' and on a fault the rest of the chunk is held. */
  read(chunk: Buffer, from: number): WholeHead | 'more' | HeadFault
  /** The bytes of the head that has begun and has not ended. */
  held(): Buffer
  /** Whether more has come than the empty lines that may stand before a head. */
  hasBegun(): boolean
}

const CR = 13
const LF = 10
const empty = Buffer.alloc(0)
const blankLine = Buffer.from('\r\n\r\n')

export function createHeadReader(maxBytes: number = maxHeadBytes): HeadReader {
  let store = empty
  let length = 0

  return { read, held, hasBegun: () => skipEmptyLines(held(), 0) < length }

  function read(chunk: Buffer, from: number): WholeHead | 'more' | HeadFault {
    if (length === 0) {
      const end = endOfHead(chunk, from, from)
      if (end !== -1 && end - from <= maxBytes) {
        return {
          bytes: from === 0 && end === chunk.length ? chunk : chunk.subarray(from, end),
          end,
          isInChunk: true,
        }
      }
    }
    const before = length
    append(chunk, from)
    const collected = held()
    const end = endOfHead(collected, 0, Math.max(0, before - 3))
    if (end === -1 || end > maxBytes) return faultOf(collected, before, maxBytes) ?? 'more'
    store = empty
    length = 0
    return {
      bytes: collected.subarray(0, end),
      end: chunk.length - (collected.length - end),
      isInChunk: false,
    }
  }

  function held(): Buffer {
    return store.subarray(0, length)
  }

  /** Grows by doubling, so that a head sent byte by byte costs no more than its size. */
  function append(chunk: Buffer, from: number): void {
    const needed = length + chunk.length - from
    if (needed > store.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, store.length * 2, 512))
      store.copy(grown, 0, 0, length)
      store = grown
    }
    chunk.copy(store, length, from)
    length = needed
  }
}

/** Where the head that starts at `start` ends, or -1. Empty lines before it belong to it (RFC 9112 §2.2). */
function endOfHead(bytes: Buffer, start: number, searchFrom: number): number {
  const end = bytes.indexOf(blankLine, Math.max(skipEmptyLines(bytes, start), searchFrom))
  return end === -1 ? -1 : end + 4
}

/** The offset behind the empty lines that some clients send before a request line (RFC 9112 §2.2). */
export function skipEmptyLines(bytes: Buffer, from: number): number {
  let at = from
  while (bytes[at] === CR && bytes[at + 1] === LF) at += 2
  return at
}

/** Tells early what can no longer become a head: its empty line might never come. */
function faultOf(bytes: Buffer, from: number, maxBytes: number): HeadFault | undefined {
  for (let at = bytes.indexOf(LF, from); at !== -1; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at - 1] !== CR) return 'bare-lf'
  }
  if (bytes.length <= maxBytes) return undefined
  const start = skipEmptyLines(bytes, 0)
  const lineEnd = bytes.indexOf(LF, start)
  return lineEnd === -1 || lineEnd > maxBytes ? 'long-line' : 'too-large'
}
