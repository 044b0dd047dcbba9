// A request's head, read strictly (RFC 9112 §3, §6): what two servers could read in two ways is refused, never repaired.

import { path as spaPath } from '../../protocol/names.ts'
import { field, fields, has, hasTab, hasToken, isTokenByte, maxHeadLines, parseLines } from './head.ts'
import type { Head } from './head.ts'
import { parseLength } from './body.ts'
import { skipEmptyLines } from './head-reader.ts'
import type { HeadFault } from './head-reader.ts'

export interface Request extends Head {
  method: string
  target: string
  minor: 0 | 1
  body: number | 'chunked'
  /** It may turn the connection into a tunnel: what follows it is not a request until the answer has said so. */
  isSwitching: boolean
  /** The client will send nothing after it. */
  isLast: boolean
}

export interface Refusal {
  status: keyof typeof refusals
  why: string
}

export const refusals = {
  400: 'Bad Request',
  408: 'Request Timeout',
  413: 'Content Too Large',
  414: 'URI Too Long',
  431: 'Request Header Fields Too Large',
  501: 'Not Implemented',
  505: 'HTTP Version Not Supported',
} as const

const SP = 32

/** Takes the bytes of a whole head, with the empty lines before it. */
export function parseRequest(bytes: Buffer, maxLines: number = maxHeadLines): Request | Refusal {
  const start = skipEmptyLines(bytes, 0)
  let at = start
  while (isTokenByte(bytes[at])) at++
  const method = bytes.toString('latin1', start, at)
  if (method === '' || bytes[at] !== SP) return bad('method')
  const targetStart = ++at
  while (isTargetByte(bytes[at])) at++
  const target = bytes.toString('latin1', targetStart, at)
  if (target === '' || bytes[at] !== SP) return bad('request-target')
  const version = bytes.toString('latin1', at + 1, at + 11)
  if (!/^HTTP\/\d\.\d\r\n$/.test(version)) return bad('request-line')
  // A malformed line comes first, as it does where the head arrives in parts.
  const lines = parseLines(bytes, at + 11)
  if (!lines) return bad('field-line')
  if (version[5] !== '1' || version[7]! > '1') return { status: 505, why: 'version' }
  const minor = version[7] === '1' ? 1 : 0

  if (lines.length > maxLines * 3) return { status: 431, why: 'too-many-lines' }
  const head = { bytes, lines }
  const hosts = fields(head, 'host')
  if (hosts.length > 1 || (hosts.length === 0 && minor === 1)) return bad('host')
  if (!isHost(hosts[0] ?? '') || hasTab(head, 'host')) return bad('host')
  const body = framing(head, minor)
  if (typeof body === 'object') return body
  return {
    bytes,
    lines,
    method,
    target,
    minor,
    body,
    isSwitching: method === 'CONNECT' || has(head, 'upgrade'),
    isLast:
      hasToken(head, 'connection', 'close') || (minor === 0 && !hasToken(head, 'connection', 'keep-alive')),
  }
}

/** The answer to a head that will never be whole. */
export function refusalOf(fault: HeadFault): Refusal {
  return faults[fault]
}

/** The limit that the request goes beyond; undefined where it is malformed. */
export function limitOf({ why }: Refusal): 'headBytes' | 'headLines' | 'headTime' | undefined {
  switch (why) {
    case 'long-line':
    case 'too-large':
      return 'headBytes'
    case 'too-many-lines':
      return 'headLines'
    case 'slow-head':
      return 'headTime'
    default:
      return undefined
  }
}

const faults = {
  'bare-lf': bad('bare-lf'),
  'long-line': { status: 414, why: 'long-line' },
  'too-large': { status: 431, why: 'too-large' },
} as const satisfies Record<HeadFault, Refusal>

function framing(head: Head, minor: number): number | 'chunked' | Refusal {
  // Servers that see fields as CGI variables take these for the real ones.
  if (has(head, 'transfer_encoding') || has(head, 'content_length')) return bad('underscore')
  const codings = fields(head, 'transfer-encoding')
  const lengths = fields(head, 'content-length')
  if (codings.length > 0) {
    if (lengths.length > 0) return bad('length-and-coding')
    if (minor === 0) return bad('coding-in-1.0')
    if (codings.length > 1 || hasTab(head, 'transfer-encoding')) return bad('coding')
    const coding = codings[0]!.toLowerCase()
    if (coding === 'chunked') return 'chunked'
    // §6.1: codings before it are beyond us. §6.3: without it at the end, and there only, the length cannot be told.
    const listed = coding.split(',').map(item => item.trim())
    return listed.indexOf('chunked') === listed.length - 1 ? { status: 501, why: 'coding' } : bad('coding')
  }
  if (lengths.length === 0) return 0
  const isSingle = lengths.length === 1 && !hasTab(head, 'content-length')
  const length = isSingle ? parseLength(lengths[0]!) : undefined
  return length ?? bad('content-length')
}

/**
 * Where the last directory of the request's path is `__spa` returns the target from there on, with its query
 * (`/shop/__spa/ws?v=1` → `/__spa/ws?v=1`); otherwise undefined.
 */
export function versionTarget({ method, target }: Pick<Request, 'method' | 'target'>): string | undefined {
  if (!target.includes(spaPath.prefix) || method === 'CONNECT') return undefined
  const origin = target.startsWith('/') ? '' : (/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i.exec(target)?.[0] ?? target)
  const [path = ''] = target.slice(origin.length).split(/[?#]/, 1)
  const at = path.lastIndexOf(spaPath.prefix)
  if (at === -1 || path.includes('/', at + spaPath.prefix.length)) return undefined
  return target.slice(origin.length + at).split('#', 1)[0]
}

export function isWebSocket(request: Request): boolean {
  return (
    request.minor === 1 &&
    field(request, 'upgrade')?.toLowerCase() === 'websocket' &&
    hasToken(request, 'connection', 'upgrade')
  )
}

function bad(why: string): Refusal {
  return { status: 400, why }
}

/** RFC 9112 §3.2, RFC 3986 §3.2.2. Empty where the target has no authority. */
function isHost(value: string): boolean {
  return /^(?:\[[\w.~!$&'()*+,;=:-]+\]|(?:[\w.~!$&'()*+,;=-]|%[\da-f]{2})*)(?::\d*)?$/i.test(value)
}

/** Only what would break the line is refused; apps take bytes in targets that RFC 3986 does not allow. */
function isTargetByte(byte: number | undefined): boolean {
  return byte !== undefined && byte > SP && byte !== 127
}
