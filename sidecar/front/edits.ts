// Every change that the front makes to an app's traffic, and there are no others.

import { edit, field, has, hasToken } from './head.ts'
import type { Answer } from './answer.ts'
import type { Request } from './request.ts'

const conditional = [
  'if-none-match',
  'if-modified-since',
  'if-match',
  'if-unmodified-since',
  'if-range',
  'range',
]
const documents = new Set(['document', 'iframe', 'frame', 'embed', 'object'])

/**
 * Whether a browser asks for a page. A service worker and a script that fetches a page send no destination of use (`empty`),
 * so there it is the Accept header that tells; assets have a destination of their own.
 */
export function isDocumentRequest(request: Request): boolean {
  if (request.method !== 'GET' && request.method !== 'HEAD') return false
  const destination = field(request, 'sec-fetch-dest')
  if (destination !== undefined && destination !== 'empty') return documents.has(destination)
  return /\btext\/html\b/i.test(field(request, 'accept') ?? '')
}

/**
 * The head to forward, or undefined where it stays as it is. A 304 or a part would tie an old page's bytes to the new version's
 * header, so a page is always asked for whole. `peer` is the client's address, undefined to say nothing of it.
 */
export function editRequest(
  request: Request,
  isDocument: boolean,
  peer: string | undefined,
): Buffer | undefined {
  const drop = isDocument && conditional.some(name => has(request, name)) ? conditional : []
  const add = peer !== undefined && !has(request, 'x-forwarded-for') ? `X-Forwarded-For: ${peer}\r\n` : ''
  return drop.length > 0 || add !== '' ? edit(request, drop, add) : undefined
}

export interface AnswerEdits {
  serverTiming: () => string
  /** This is the last answer on its connection. */
  isLast: boolean
}

/** The head to send to the client, or undefined where it stays as it is. Only for a final answer that opens no tunnel. */
export function editAnswer(answer: Answer, { serverTiming, isLast }: AnswerEdits): Buffer | undefined {
  let add = ''
  if (isWholePage(answer)) {
    add += `Server-Timing: ${serverTiming()}\r\n`
    if (!['cache-control', 'expires', 'pragma'].some(name => has(answer, name)))
      add += 'Cache-Control: no-cache\r\n'
  }
  const close = isLast && !hasToken(answer, 'connection', 'close')
  if (close) add += 'Connection: close\r\n'
  return add === '' ? undefined : edit(answer, close ? keepAlive(answer) : [], add)
}

/** A head with what keeps a connection open or closes it replaced: for answers of our own server, whose connection is another one. */
export function reconnect(answer: Answer, isLast: boolean): Buffer {
  return edit(answer, ['connection', 'keep-alive'], isLast ? 'Connection: close\r\n' : '')
}

/** The browser merges a 304 or a 206 into bytes that it has: those keep the name they came with. */
function isWholePage(answer: Answer): boolean {
  if (answer.status === 304 || answer.status === 206) return false
  return /^text\/html(?:$|[;\s])/i.test(field(answer, 'content-type') ?? '')
}

/** A Connection field may name other fields as well; then `close` is added beside them (RFC 9110 §7.6.1). */
function keepAlive(answer: Answer): string[] {
  return field(answer, 'connection')?.toLowerCase() === 'keep-alive' ? ['connection', 'keep-alive'] : []
}
