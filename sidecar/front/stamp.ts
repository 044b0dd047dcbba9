// Writes the page's <meta> into it as it passes. Only its first bytes wait, and only until the
// place is found; where it is not, the page passes as it came.

import { edit, field, fields, has, hasToken } from './head.ts'
import type { Answer } from './answer.ts'
import type { Hold } from './answers.ts'
import { isHtml } from './edits.ts'
import { placeOfMeta } from './place.ts'

const maxHeldBytes = 64 * 1024 // chunks may be tiny

export interface Stamping {
  answer: Answer
  /** The head to send, as it would be without the stamp. */
  head: Answer
  /** An element of ASCII letters. */
  meta: string
  write(bytes: Buffer): void
}

/** Whether a page can be stamped at all: its bytes are readable, may be changed, and nothing vouches for them. */
export function isStampable(answer: Answer, method: string): boolean {
  const type = field(answer, 'content-type') ?? ''
  return (
    answer.status === 200 &&
    isHtml(answer) &&
    (method === 'HEAD' || answer.body === 'chunked' || Number(answer.body) > 0) &&
    fields(answer, 'content-encoding').every(coding => coding.toLowerCase() === 'identity') &&
    fields(answer, 'transfer-encoding').every(coding => coding.toLowerCase() === 'chunked') &&
    !/charset\s*=\s*"?utf-?(?:16|32)/i.test(type) &&
    !hasToken(answer, 'cache-control', 'no-transform') &&
    !['content-digest', 'repr-digest', 'content-md5', 'digest'].some(name => has(answer, name))
  )
}

/** What the answer to HEAD must not promise: how long the stamped page is, is known only when it has passed. */
export function withoutLength(head: Answer): Buffer {
  return edit(head, ['content-length'], '')
}

export function createStamp({ answer, head, write, ...stamping }: Stamping): Hold {
  const meta = Buffer.from(stamping.meta, 'latin1')
  const isCharsetKnown = /charset\s*=/i.test(field(answer, 'content-type') ?? '')
  let held: Buffer[] = []
  let isDecided = false
  let length = 0

  return { take, end: () => decide(true) }

  function take(bytes: Buffer): void {
    if (isDecided) return write(bytes)
    held.push(Buffer.from(bytes))
    length += bytes.length
    decide(length === answer.body)
  }

  function decide(isWhole: boolean): void {
    if (isDecided || (length === 0 && !isWhole)) return
    const raw = held.length === 1 ? held[0]! : Buffer.concat(held)
    const piece =
      answer.body === 'chunked' ? unchunk(raw) : { data: raw, left: 0, rest: raw.length, isCut: true }
    const place = placeOfMeta(piece.data, isWhole || length > maxHeldBytes, isCharsetKnown)
    if (place === 'more') {
      held = [raw]
      return
    }
    isDecided = true
    held = []
    if (place === 'nowhere') {
      write(head.bytes)
      return write(raw)
    }
    const { data, left, rest, isCut } = piece
    const isChunked = answer.body === 'chunked'
    write(
      isChunked
        ? head.bytes
        : edit(head, ['content-length'], `Content-Length: ${Number(answer.body) + meta.length}\r\n`),
    )
    if (isChunked) write(Buffer.from(`${(data.length + meta.length + left).toString(16)}\r\n`))
    write(Buffer.concat([data.subarray(0, place), meta, data.subarray(place)]))
    if (!isCut) write(Buffer.from('\r\n'))
    write(raw.subarray(rest))
  }
}

interface Piece {
  data: Buffer
  /** How much of the chunk that has begun has not come. */
  left: number
  /** Where the framing goes on that is passed as it came. */
  rest: number
  /** The last chunk has begun, and its line end has not come. */
  isCut: boolean
}

/** Takes the beginning of a body whose chunks are known to be well-formed. */
function unchunk(raw: Buffer): Piece {
  const parts: Buffer[] = []
  let at = 0
  for (;;) {
    const lineEnd = raw.indexOf('\r\n', at)
    const size = lineEnd === -1 ? 0 : parseInt(raw.toString('latin1', at, lineEnd), 16)
    if (size === 0) return { data: Buffer.concat(parts), left: 0, rest: at, isCut: false }
    const end = lineEnd + 2 + size
    parts.push(raw.subarray(lineEnd + 2, end))
    if (end + 2 > raw.length) {
      const rest = Math.min(end, raw.length)
      return { data: Buffer.concat(parts), left: end - rest, rest, isCut: true }
    }
    at = end + 2
  }
}
