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

const zero = 0x30

/** Takes the bytes of a whole head and the method of the request it answers; undefined when it cannot be framed. */
export function parseAnswer(bytes: Buffer, method: string): Answer | undefined {
  const lineEnd = bytes.indexOf('\r\n')
  if (!/^HTTP\/1\.[01] [1-9]\d\d(?: [^\0\r\n]*)?$/.test(bytes.toString('latin1', 0, lineEnd)))
    return undefined
  const status = Number(bytes.toString('latin1', 9, 12))
  const lines = parseLines(bytes, lineEnd + 2)
  if (!lines || lines.length > maxHeadLines * 3) return undefined
  const body = bodyOf({ bytes, lines }, status, method, bytes[7] === zero)
  return body === undefined ? undefined : { bytes, lines, status, body }
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
