// The answer to one request from a stored entry: whole, a head, a part, or a 304.

import { edit, field, has } from '../head.ts'
import type { Request } from '../request.ts'
import type { Accepted } from '../../../static/coding.ts'
import { aged, headOf } from './entry.ts'
import type { Entry, Message } from './entry.ts'
import { parseRange } from '../../../static/range.ts'

/** Takes a request that the entry satisfies; returns the bytes to send. `isLast`: the connection ends behind it. */
export function reply(entry: Entry, request: Request, accepted: Accepted, isLast: boolean): Buffer[] {
  const coding = accepted.order.find(each => entry.messages.has(each)) ?? entry.coding
  const message = aged(entry, entry.messages.get(coding)!, Date.now())
  const { bytes, bodyAt } = message
  if (isUnchanged(entry, message, request)) return [notModified(message, isLast)]
  if (request.method === 'HEAD') return isLast ? [headWith(message, closing)] : [bytes.subarray(0, bodyAt)]
  const part =
    coding === 'identity' && has(request, 'range') ? partOf(entry, message, request, isLast) : undefined
  if (part) return part
  return isLast ? [headWith(message, closing), bytes.subarray(bodyAt)] : [bytes]
}

const closing = 'Connection: close\r\n'

/** RFC 9110 §13.2.2: the date counts only where no ETag is asked for. */
function isUnchanged({ lastModified }: Entry, { etag }: Message, request: Request): boolean {
  const etags = field(request, 'if-none-match')
  if (etags !== undefined) {
    if (etags === '*') return true
    return etag !== undefined && (etags.match(/"[^"]*"/g)?.includes(etag.replace(/^W\//, '')) ?? false)
  }
  const since = field(request, 'if-modified-since')
  return since !== undefined && lastModified !== undefined && Date.parse(lastModified) <= Date.parse(since)
}

/** RFC 9110 §15.4.5: what a cache needs to bring its own copy up to date. */
function notModified(message: Message, isLast: boolean): Buffer {
  const kept = ['age', 'cache-control', 'content-location', 'date', 'etag', 'expires', 'vary']
  const head = headOf(message)
  let text = 'HTTP/1.1 304 Not Modified\r\n'
  for (let line = 0; line < head.lines.length; line += 3) {
    const name = head.bytes.toString('latin1', head.lines[line], head.lines[line + 1]).toLowerCase()
    if (kept.includes(name))
      text += `${head.bytes.toString('latin1', head.lines[line], head.lines[line + 2])}\r\n`
  }
  return Buffer.from(`${text}${isLast ? closing : ''}\r\n`, 'latin1')
}

/** Undefined where the whole is the answer. */
function partOf(entry: Entry, message: Message, request: Request, isLast: boolean): Buffer[] | undefined {
  if (!isSame(entry, message, field(request, 'if-range'))) return undefined
  const { bytes, bodyAt } = message
  const length = bytes.length - bodyAt
  const range = parseRange(field(request, 'range')!, length)
  if (range === undefined) return undefined
  const end = isLast ? closing : ''
  if (range === 'unsatisfiable') {
    const lines = `Content-Range: bytes */${length}\r\nContent-Length: 0\r\n${end}`
    return [Buffer.from(`HTTP/1.1 416 Range Not Satisfiable\r\n${lines}\r\n`)]
  }
  const { from, to } = range
  const lines = `Content-Range: bytes ${from}-${to}/${length}\r\nContent-Length: ${to - from + 1}\r\n${end}`
  const head = headWith(message, lines, ['content-length'])
  const status = Buffer.from('HTTP/1.1 206 Partial Content')
  return [
    Buffer.concat([status, head.subarray(head.indexOf('\r\n'))]),
    bytes.subarray(bodyAt + from, bodyAt + to + 1),
  ]
}

/** RFC 9110 §13.1.5: a strong ETag, or the very date. */
function isSame({ lastModified }: Entry, { etag }: Message, ifRange: string | undefined): boolean {
  if (ifRange === undefined) return true
  return ifRange === (ifRange.startsWith('"') ? etag : lastModified)
}

function headWith(message: Message, lines: string, drop: string[] = []): Buffer {
  return edit(headOf(message), drop, lines)
}
