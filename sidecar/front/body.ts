// Finds the end of a body without changing a byte of it (RFC 9112 §6, §7). Strict: what is not chunked framing to the letter is
// broken, because two readers that disagree on where a message ends are how requests are smuggled.

import { isTextByte, isTokenByte } from './head.ts'

export interface Body {
  /** Takes the chunk from that offset; returns the offset up to which its bytes belong to the body. */
  read(chunk: Buffer, from: number): number
  isDone: boolean
  fault: BodyFault | undefined
}

export type BodyFault = 'chunked' | 'chunk-line' | 'trailer'

/** Takes the framing: a length in bytes, or chunked. */
export function createBody(framing: number | 'chunked'): Body {
  return framing === 'chunked' ? createChunked() : createSized(framing)
}

/** Digits only: no sign, no list, no space, and exact as a number. */
export function parseLength(value: string): number | undefined {
  if (!/^\d{1,16}$/.test(value)) return undefined
  const length = Number(value)
  return Number.isSafeInteger(length) ? length : undefined
}

function createSized(length: number): Body {
  let left = length
  const body: Body = { read, isDone: length === 0, fault: undefined }
  return body

  function read(chunk: Buffer, from: number): number {
    const taken = Math.min(left, chunk.length - from)
    left -= taken
    body.isDone = left === 0
    return from + taken
  }
}

const CR = 13
const LF = 10
const COLON = 58
const SEMICOLON = 59
const EQUALS = 61
const QUOTE = 34
const BACKSLASH = 92
const maxSizeDigits = 13 // 2^52 - 1: every sum stays exact
const maxLineBytes = 4_000 // of a chunk's line, and of all trailers: Go reads no more than 4 KiB of either
// Of lines beyond what small chunks need: extensions mean nothing, and cost the app (CVE-2023-39326, CVE-2024-22019).
const maxOverhead = 16 * 1024
const fairLineBytes = 16

/** Some readers take these for the head's (RFC 9110 §6.5.1). */
const framingNames = new Set(['content-length', 'transfer-encoding', 'host'])

type State =
  | 'size'
  | 'extension'
  | 'extension-name'
  | 'extension-value'
  | 'extension-token'
  | 'quoted'
  | 'quoted-pair'
  | 'quoted-end'
  | 'size-lf'
  | 'data'
  | 'data-cr'
  | 'data-lf'
  | 'trailer'
  | 'trailer-name'
  | 'trailer-value'
  | 'trailer-lf'
  | 'last-lf'

/** `onData` gets what the chunks carry, without their framing. */
export function createChunked(onData?: (data: Buffer) => void): Body {
  let state: State = 'size'
  let size = 0
  let digits = 0
  /** Of this chunk's line, then of the trailers. */
  let lineBytes = 0
  let overhead = 0
  let name = ''
  const body: Body = { read, isDone: false, fault: undefined }
  return body

  function read(chunk: Buffer, from: number): number {
    let at = from
    while (at < chunk.length) {
      if (state === 'data') {
        const taken = Math.min(size, chunk.length - at)
        onData?.(chunk.subarray(at, at + taken))
        size -= taken
        at += taken
        if (size === 0) state = 'data-cr'
        continue
      }
      const after = step(chunk[at]!)
      if (!after) body.fault ??= 'chunked'
      else if (++lineBytes > maxLineBytes) body.fault = after.startsWith('trailer') ? 'trailer' : 'chunk-line'
      if (!after || body.fault) return at
      state = after
      at++
      if (body.isDone) return at
    }
    return at
  }

  /** Returns the state behind that byte, or undefined when it cannot stand there. */
  function step(byte: number): State | undefined {
    switch (state) {
      case 'size':
        return afterSize(byte)
      // §7.1.1, without the spaces that a reader should take but nobody may send.
      case 'extension':
        return isTokenByte(byte) ? 'extension-name' : undefined
      case 'extension-name':
        if (isTokenByte(byte)) return 'extension-name'
        return byte === EQUALS ? 'extension-value' : afterExtension(byte)
      case 'extension-value':
        if (isTokenByte(byte)) return 'extension-token'
        return byte === QUOTE ? 'quoted' : undefined
      case 'extension-token':
        return isTokenByte(byte) ? 'extension-token' : afterExtension(byte)
      case 'quoted':
        if (byte === QUOTE) return 'quoted-end'
        if (byte === BACKSLASH) return 'quoted-pair'
        return isTextByte(byte) ? 'quoted' : undefined
      case 'quoted-pair':
        return isTextByte(byte) ? 'quoted' : undefined
      case 'quoted-end':
        return afterExtension(byte)
      case 'size-lf':
        if (byte !== LF) return undefined
        digits = 0
        overhead = Math.max(0, overhead + lineBytes - fairLineBytes - 2 * size)
        lineBytes = 0
        if (overhead > maxOverhead) body.fault = 'chunk-line'
        return size === 0 ? 'trailer' : 'data'
      case 'data':
        return 'data'
      case 'data-cr':
        return byte === CR ? 'data-lf' : undefined
      case 'data-lf':
        return byte === LF ? 'size' : undefined
      case 'trailer':
        if (byte === CR) return 'last-lf'
        name = ''
        return afterName(byte)
      case 'trailer-name':
        if (byte === COLON) return framingNames.has(name.toLowerCase()) ? undefined : 'trailer-value'
        return afterName(byte)
      case 'trailer-value':
        if (byte === CR) return 'trailer-lf'
        return isTextByte(byte) ? 'trailer-value' : undefined
      case 'trailer-lf':
        return byte === LF ? 'trailer' : undefined
      case 'last-lf':
      default:
        if (byte !== LF) return undefined
        body.isDone = true
        return 'size'
    }
  }

  function afterName(byte: number): State | undefined {
    if (!isTokenByte(byte)) return undefined
    name += String.fromCharCode(byte)
    return 'trailer-name'
  }

  function afterSize(byte: number): State | undefined {
    const digit = hexDigit(byte)
    if (digit !== -1) {
      if (digits === maxSizeDigits) return undefined
      digits++
      size = size * 16 + digit
      return 'size'
    }
    if (digits === 0) return undefined
    return afterExtension(byte)
  }
}

function afterExtension(byte: number): State | undefined {
  if (byte === CR) return 'size-lf'
  return byte === SEMICOLON ? 'extension' : undefined
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48
  const lower = byte | 0x20
  return lower >= 97 && lower <= 102 ? lower - 87 : -1
}
