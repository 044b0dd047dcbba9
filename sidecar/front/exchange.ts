// One request that went to the app, and what is made of its answer.

import type { Answer } from './answer.ts'
import { parseAnswer } from './answer.ts'
import type { AnswerChange, Hold } from './answers.ts'
import type { Cache } from './cache/cache.ts'
import type { Fill } from './cache/fill.ts'
import type { Flight } from './cache/flights.ts'
import type { Counters } from './counters.ts'
import { editAnswer, isHtml, missingAsset } from './edits.ts'
import type { AnswerEdits, EditOptions } from './edits.ts'
import { createFallback, isReadable } from './fallback.ts'
import { field } from './head.ts'
import type { Kind } from './kind.ts'
import type { Request } from './request.ts'
import { createStamp, isStampable, withoutLength } from './stamp.ts'
import { codingOf } from '../../static/coding.ts'

export interface Exchange {
  method: string
  kind: Kind
  /** Names the version in a page's ETag; undefined where that is left alone. */
  tag: string | undefined
  /** It asks for the list of files of Angular's service worker. */
  isNgsw: boolean
  /** Only what a cache has is wanted (RFC 9111 §5.2.1.7): a page asks for the document that it came with. */
  isOnlyIfCached: boolean
  /** The client has the whole answer already: what the app still sends of it is dropped. */
  isReplaced: boolean
  /** What the body passes through, if anything. */
  hold: Hold | undefined
  /** Kept where the answer may be stored, or may change what is. */
  request: Request | undefined
  flight: Flight | undefined
  fill: Fill | undefined
}

export interface ExchangeSurroundings {
  edits: EditOptions
  serverTiming: () => string
  stamp: () => string
  /** Off for good once the app is seen to have Angular's service worker, which compares a page's hash. */
  stamping: { isOff: boolean }
  cache: Cache | undefined
  counters: Counters
}

export interface ExchangeSink {
  /** The connection ends behind this answer. */
  isLast: boolean
  write(bytes: Buffer): void
  /** The answer is a 404 now, whole, whatever the app still sends. */
  replaced(): void
  /** Ends the connection now, behind an answer that is whole. */
  finish(): void
}

const maxDroppedBytes = 1024 * 1024 // of a page that nobody asked for; beyond it a new connection is the lesser work
const nothing: Buffer = Buffer.alloc(0)

/** Takes the head of the final answer; returns what is to be changed, undefined to leave it. */
export function changeAnswer(
  exchange: Exchange,
  answer: Answer,
  around: ExchangeSurroundings,
  sink: ExchangeSink,
): AnswerChange | undefined {
  const { edits, serverTiming, counters, stamping, cache } = around
  const { kind, tag } = exchange
  if (exchange.isNgsw && answer.status === 200 && !isHtml(answer)) stamping.isOff = true
  const missing = edits.missing === 'refuse' ? missingAsset(kind, answer) : undefined
  const changes = {
    serverTiming: exchange.isOnlyIfCached ? undefined : serverTiming,
    revalidate: edits.revalidate,
    tag,
    isLast: sink.isLast,
  }
  if (missing === 'page') return refusePage(exchange, answer, changes, counters, sink)
  if (missing) counters.missing++
  const head = editAnswer(answer, { ...changes, missing })
  if (exchange.request) store(exchange, exchange.request, answer, cache)
  const { fill } = exchange
  if (fill) {
    return {
      head,
      takeBody(bytes) {
        sink.write(bytes)
        fill.take(bytes)
      },
    }
  }
  const isStamped =
    edits.page === 'stamp' && kind === 'document' && !stamping.isOff && isStampable(answer, exchange.method)
  if (!isStamped || !head) return head && { head }
  const edited = parseAnswer(head, exchange.method)
  if (!edited) return { head }
  if (exchange.method === 'HEAD') return { head: withoutLength(edited) }
  exchange.hold = createStamp({ answer, head: edited, meta: around.stamp(), write: sink.write })
  return { head: nothing, takeBody: exchange.hold.take }
}

/** A page came for an asset: a 404 goes out instead, once the body is seen to be a page. */
function refusePage(
  exchange: Exchange,
  answer: Answer,
  changes: Omit<AnswerEdits, 'missing'>,
  counters: Counters,
  { isLast, write, replaced, finish }: ExchangeSink,
): AnswerChange {
  const isEndless = answer.body === 'until-close' || Number(answer.body) > maxDroppedBytes
  const notFound = editAnswer(answer, { ...changes, missing: 'page', isLast: isLast || isEndless })
  const coding = codingOf(field(answer, 'content-encoding'))
  if (isEndless || exchange.method === 'HEAD' || !isReadable(coding))
    return { head: notFound, takeBody: replace() }
  const asItIs = editAnswer(answer, { ...changes, missing: undefined })
  exchange.hold = createFallback({ body: answer.body, coding }, isPage => {
    const takeBody = isPage ? replace() : write
    write((isPage ? notFound : asItIs)!) // both changed, so that neither is lent
    return takeBody
  })
  return { head: nothing, takeBody: exchange.hold.take }

  /** Returns what takes the rest of the body. */
  function replace(): (bytes: Buffer) => void {
    counters.missing++
    exchange.isReplaced = true
    replaced()
    return dropBody(isEndless ? 0 : maxDroppedBytes, finish)
  }
}

/** What the answer changes of the cache, and for those that wait for it. */
function store(exchange: Exchange, request: Request, answer: Answer, cache: Cache | undefined): void {
  if (!isSafe(request.method) && answer.status < 400) cache?.invalidate(request)
  exchange.fill = cache?.fill(request, answer)
  if (exchange.fill) return
  if (answer.status === 200) exchange.flight?.pass()
  else exchange.flight?.land()
}

/** The answer has ended. */
export function endExchange({ hold, fill, flight }: Exchange): void {
  hold?.end()
  fill?.end()
  flight?.land()
}

/** The answer has not come, or not to its end. What of it waits here goes on its way. */
export function abandonExchange({ hold, fill, flight }: Exchange): void {
  hold?.end()
  fill?.abort()
  flight?.land()
}

/** RFC 9110 §9.2.1. */
function isSafe(method: string): boolean {
  return ['GET', 'HEAD', 'OPTIONS', 'TRACE'].includes(method)
}

/** What takes the body of an answer that was replaced. It has been answered whole, so the connection may end behind it. */
function dropBody(most: number, finish: () => void): (bytes: Buffer) => void {
  let dropped = 0
  return bytes => {
    dropped += bytes.length
    if (dropped > most) finish()
  }
}
