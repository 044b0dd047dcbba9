// An answer's head and how its body ends (RFC 9112 §4, §6.3). The app is trusted, so nothing here is an error:
// an answer that cannot be framed is passed on as it is until its connection closes.

import { fields, maxHeadLines, parseLines } from './head.ts'
import type { Head } from './head.ts'
import { parseLength } from './body.ts'

export interface Answer extends Head {
  status: number
  /** Its length in bytes, or how its end is found. */
  body: number | 'chunked' | 'until-close' | 'tunnel'
}

const version = Buffer.from('HTTP/1.1 ')
const minorAt = 7
const statusAt = version.length
const ZERO = 0x30
const SP = 32
const CR = 13
const LF = 10

/** Takes the bytes of a whole head and the method of the request it answers; undefined when it cannot be framed. */
export function parseAnswer(bytes: Buffer, method: string): Answer | undefined {
  const lineEnd = endOfStatusLine(bytes)
  if (lineEnd === -1) return undefined
  const status = Number(bytes.toString('latin1', statusAt, statusAt + 3))
  const lines = parseLines(bytes, lineEnd + 2)
  if (!lines || lines.length > maxHeadLines * 3) return undefined
  const body = bodyOf({ bytes, lines }, status, method, bytes[minorAt] === ZERO)
  return body === undefined ? undefined : { bytes, lines, status, body }
}

/** The offset of the CR that ends `HTTP/1.1 200 OK`, or -1. Byte by byte, since every answer comes here: a pattern takes ten times as long. */
function endOfStatusLine(bytes: Buffer): number {
  for (let at = 0; at < statusAt; at++) {
    if (bytes[at] !== version[at] && !(at === minorAt && bytes[at] === ZERO)) return -1
  }
  let at = statusAt
  while (isDigit(bytes[at])) at++
  if (at !== statusAt + 3 || bytes[statusAt] === ZERO) return -1
  if (bytes[at] === SP) while (isReasonByte(bytes[++at]));
  return bytes[at] === CR && bytes[at + 1] === LF ? at : -1
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte < ZERO + 10
}

function isReasonByte(byte: number | undefined): boolean {
  return byte !== undefined && byte !== 0 && byte !== CR && byte !== LF
}

/** 100, 102, 103: another answer to the same request follows. */
export function isInterim({ status }: Answer): boolean {
  return status < 200 && status !== 101
}

function bodyOf(head: Head, status: number, method: string, isOld: boolean): Answer['body'] | undefined {
  if (status === 101 || (method === 'CONNECT' && status >= 200 && status < 300)) return 'tunnel'
  if (status < 200 || status === 204 || status === 304) return 0
  if (method === 'HEAD') return 0
  const codings = fields(head, 'transfer-encoding')
  const lengths = fields(head, 'content-length')
  if (codings.length > 0) {
    if (isOld || lengths.length > 0) return undefined
    const listed = codings.join(',').toLowerCase().split(',')
    const at = listed.findIndex(coding => coding.trim() === 'chunked')
    if (at === -1) return 'until-close'
    // Twice or before another, as no sender may have it: readers disagree on where that ends.
    return at === listed.length - 1 ? 'chunked' : undefined
  }
  if (lengths.length === 0) return 'until-close'
  return lengths.length === 1 ? parseLength(lengths[0]!) : undefined
}
