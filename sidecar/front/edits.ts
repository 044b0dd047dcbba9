// Every change that the front makes to an app's heads, and there are no others.

import { edit, field, fields, has, hasToken } from './head.ts'
import type { Answer } from './answer.ts'
import type { Kind } from './kind.ts'
import type { Request } from './request.ts'
import { appEtags, versionEtag } from './validator.ts'
import { header } from '../../protocol/names.ts'

/** What the pod's annotations choose. */
export interface EditOptions {
  /** Whether requests without X-Forwarded-For get one. */
  forwarded: 'add' | 'off'
  /** Whether pages whose app says nothing of caching get `Cache-Control: no-cache`. */
  revalidate: 'add' | 'off'
  /** Whether an asset that the app does not have is a 404 that nobody stores, whatever the app makes of it. */
  missing: 'refuse' | 'off'
  /** `etag`: a page may be answered with a 304 of its own version. `stamp`: that, and pages carry their version in a <meta>. */
  page: 'plain' | 'etag' | 'stamp'
}

const conditional = [
  'if-none-match',
  'if-modified-since',
  'if-match',
  'if-unmodified-since',
  'if-range',
  'range',
]

export interface RequestEdits {
  isDocument: boolean
  page: EditOptions['page']
  /** Names the version in the ETags of its pages; undefined where they are left alone. */
  tag: string | undefined
  /** The client's address; undefined to say nothing of it. */
  peer: string | undefined
}

/**
 * The head to forward, or undefined where it stays as it is. A 304 or a part would tie an old page's bytes to the new version's
 * header, so a page is asked for whole, unless what the browser has is of this very version.
 */
export function editRequest(request: Request, edits: RequestEdits): Buffer | undefined {
  const { isDocument, page, tag, peer } = edits
  const drop = isDocument && conditional.some(name => has(request, name)) ? [...conditional] : []
  let add = peer !== undefined && !has(request, 'x-forwarded-for') ? `X-Forwarded-For: ${peer}\r\n` : ''
  if (tag !== undefined) {
    const etags = appEtags(tag, fields(request, 'if-none-match'))
    if (etags !== undefined) add += `If-None-Match: ${etags}\r\n`
  }
  // A stamp is written into the bytes of the page itself.
  if (isDocument && page === 'stamp' && has(request, 'accept-encoding')) drop.push('accept-encoding')
  return drop.length > 0 || add !== '' ? edit(request, drop, add) : undefined
}

export interface AnswerEdits {
  /** What pages say of themselves; undefined where nobody may take the page for one that came before, nor keep it. */
  serverTiming: (() => string) | undefined
  revalidate: 'add' | 'off'
  /** Of the asset that was asked for: `missingAsset`. */
  missing: 'page' | 'stored' | undefined
  /** Names the version in the ETag of the page that was asked for; undefined to leave that alone. */
  tag: string | undefined
  /** This is the last answer on its connection. */
  isLast: boolean
}

/**
 * The head to send to the client, or undefined where it stays as it is. Only for a final answer that opens no tunnel.
 * Where a page stands in for a missing asset, its body is not to be sent.
 */
export function editAnswer(answer: Answer, edits: AnswerEdits): Buffer | undefined {
  const close = edits.isLast && !hasToken(answer, 'connection', 'close')
  const drop = close ? [...keepAlive(answer)] : []
  const end = close ? 'Connection: close\r\n' : ''
  if (edits.missing === 'stored') return edit(answer, [...drop, ...validity], missingLines + end)
  if (edits.missing === 'page') return notFound(answer, [...drop, ...validity, ...content], end)
  let add = ''
  if (isWholePage(answer)) {
    if (edits.serverTiming) {
      add = `Server-Timing: ${edits.serverTiming()}\r\n`
      if (
        edits.revalidate === 'add' &&
        !['cache-control', 'expires', 'pragma'].some(name => has(answer, name))
      )
        add += 'Cache-Control: no-cache\r\n'
    } else {
      drop.push(...validity)
      add = noStore
    }
  }
  if (edits.tag !== undefined && (answer.status === 304 || isWholePage(answer))) {
    const etag = versionEtag(edits.tag, field(answer, 'etag') ?? '')
    if (etag !== undefined) {
      drop.push('etag')
      add += `ETag: ${etag}\r\n`
    }
  }
  return add === '' && !close ? undefined : edit(answer, drop, add + end)
}

/** A head with what keeps a connection open or closes it replaced: for answers of our own server, whose connection is another one. */
export function reconnect(answer: Answer, isLast: boolean, drop: string[] = []): Buffer {
  return edit(answer, ['connection', 'keep-alive', ...drop], isLast ? 'Connection: close\r\n' : '')
}

/** What lets an answer be stored, and used again. */
const validity = ['cache-control', 'expires', 'pragma', 'age', 'etag', 'last-modified']
/** What speaks of an answer's body (RFC 9110 §8, RFC 9112 §6), and what else the app said for its page alone. */
const content = [
  'content-type',
  'content-encoding',
  'content-language',
  'content-location',
  'content-disposition',
  'content-length',
  'content-digest',
  'content-md5',
  'repr-digest',
  'transfer-encoding',
  'trailer',
  'accept-ranges',
  'link',
  'refresh',
]
const noStore = 'Cache-Control: no-store\r\n'
const missingLines = `${noStore}${header.missing}: 1\r\n`
const statusAt = 'HTTP/1.1 '.length

/** Cookies, CORS and security headers stay as the app wants them. */
function notFound(answer: Answer, drop: string[], end: string): Buffer {
  const bytes = edit(answer, drop, `${missingLines}Content-Length: 0\r\n${end}`)
  const lines = bytes.subarray(bytes.indexOf('\r\n'))
  return Buffer.concat([bytes.subarray(0, statusAt), Buffer.from('404 Not Found'), lines])
}

/** The browser merges a 304 or a 206 into bytes that it has: those keep the name they came with. */
function isWholePage(answer: Answer): boolean {
  return answer.status !== 304 && answer.status !== 206 && isHtml(answer)
}

export function isHtml(answer: Answer): boolean {
  return /^text\/html(?:$|[;\s])/i.test(field(answer, 'content-type') ?? '')
}

/**
 * What an answer to a request for an asset makes of its absence: `page`, the app's document with status 200, as servers of single-page
 * apps fall back to it; `stored`, a 404 that a cache may keep (RFC 9110 §15.5.5), so that the asset would stay missing after it is back.
 */
export function missingAsset(kind: Kind, answer: Answer): 'page' | 'stored' | undefined {
  if (kind !== 'asset') return undefined
  if (answer.status === 200) return isHtml(answer) ? 'page' : undefined
  if (answer.status !== 404) return undefined
  const isChecked = ['no-store', 'no-cache'].some(token => hasToken(answer, 'cache-control', token))
  return isChecked ? undefined : 'stored'
}

/** A Connection field may name other fields as well; then `close` is added beside them (RFC 9110 §7.6.1). */
function keepAlive(answer: Answer): string[] {
  return field(answer, 'connection')?.toLowerCase() === 'keep-alive' ? ['connection', 'keep-alive'] : []
}
