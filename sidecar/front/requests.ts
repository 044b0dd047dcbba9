// The way there: takes what a client sends, finds its requests, and hands every byte on in order, once it is whole and sound.
// Its first bytes decide whether they are requests at all; until then nothing has been passed on.

import { createBody } from './body.ts'
import type { Body, BodyFault } from './body.ts'
import { createHeadReader } from './head-reader.ts'
import type { Limits } from './limits.ts'
import { parseRequest, refusalOf } from './request.ts'
import type { Refusal, Request } from './request.ts'
import { sniff } from './sniff.ts'

export interface RequestSink {
  /** Whether the next request has to wait: for an answer that may turn the connection into a tunnel, say. */
  isBusy(): boolean
  /**
   * A request begins. Returns its head changed, undefined to leave it, 'ours' where it is not for the app and those behind
   * it have to wait, 'done' where it has been answered.
   */
  begin(request: Request): Buffer | undefined | 'ours' | 'done'
  write(bytes: Buffer): void
  /** A body has been passed to its end. */
  endBody(): void
  /** The client has ended after its last whole request, or within a body. */
  end(): void
  /** No request is taken any more. `isInBody`: the app has a part of the one that is refused. */
  refuse(refusal: Refusal, isInBody: boolean): void
  /** Bytes have come behind the last request, and are dropped. */
  surplus(): void
  /** Not HTTP/1.x. The bytes are in `rest`. */
  leave(): void
}

export interface Requests {
  take(chunk: Buffer): void
  /** The client sends nothing any more. */
  end(): void
  /** What was waiting may go on, if the sink is no longer busy. */
  resume(): void
  /** No further request is taken; bytes that come are dropped. A body that is passing passes. */
  stop(): void
  /** All bytes that have come and have not been passed on. */
  rest(): Buffer
  heldBytes(): number
  /** Of `rest`: with what has come of a head, which no answer holds up. */
  restBytes(): number
  isHttp(): boolean
  isInBody(): boolean
  isInHead(): boolean
  /** Ends the timer. */
  close(): void
}

const bodyRefusals = {
  chunked: { status: 400, why: 'chunked' },
  'chunk-line': { status: 413, why: 'chunk-line' },
  trailer: { status: 431, why: 'trailer' },
} as const satisfies Record<BodyFault, Refusal>

const wordMs = 1_000 // for a client that speaks something else and waits for an answer to a single word

export function createRequests(
  sink: RequestSink,
  { maxHeadBytes, maxHeadLines, headMs }: Pick<Limits, 'maxHeadBytes' | 'maxHeadLines' | 'headMs'>,
): Requests {
  const heads = createHeadReader(maxHeadBytes)
  let body: Body | undefined
  /** What came while the sink was busy. */
  let held: Buffer[] = []
  let heldBytes = 0
  /** A whole request line of HTTP/1.x has come. */
  let isHttp = false
  let isStopped = false
  let hasEnded = false
  let timer: NodeJS.Timeout | undefined

  return {
    take,
    end,
    resume,
    stop,
    rest: () => Buffer.concat([heads.held(), ...held]),
    heldBytes: () => heldBytes,
    restBytes: () => heads.held().length + heldBytes,
    isHttp: () => isHttp,
    isInBody: () => body !== undefined,
    isInHead: heads.hasBegun,
    close: stopTimer,
  }

  function stop(): void {
    isStopped = true
    stopTimer()
  }

  function take(chunk: Buffer): void {
    if (isWaiting()) hold(chunk)
    else pass(chunk)
  }

  function isWaiting(): boolean {
    return !body && sink.isBusy()
  }

  function hold(chunk: Buffer): void {
    held.push(chunk)
    heldBytes += chunk.length
  }

  function resume(): void {
    if (heldBytes > 0 && !isWaiting()) {
      const chunk = held.length === 1 ? held[0]! : Buffer.concat(held)
      held = []
      heldBytes = 0
      pass(chunk)
    }
    if (hasEnded) passEnd()
  }

  function end(): void {
    hasEnded = true
    passEnd()
  }

  function passEnd(): void {
    if (isWaiting()) return
    if (!isHttp && heads.held().length > 0) sink.leave()
    else if (isStopped || !heads.hasBegun()) sink.end()
    else refuse({ status: 400, why: 'incomplete' })
  }

  function pass(chunk: Buffer): void {
    let written = 0
    let at = 0
    while (at < chunk.length) {
      if (body) {
        at = body.read(chunk, at)
        if (!body.fault && !body.isDone) break
        // These bytes go before whatever the end of the body sets off.
        write(chunk, written, at)
        written = at
        const { fault } = body
        body = undefined
        if (fault) return refuse(bodyRefusals[fault], true)
        sink.endBody()
        continue
      }
      if (sink.isBusy()) {
        write(chunk, written, at)
        return hold(chunk.subarray(at))
      }
      if (isStopped) {
        sink.surplus()
        break
      }
      const head = heads.read(chunk, at)
      if (typeof head === 'string') {
        write(chunk, written, at)
        return head === 'more' ? awaitRest() : refuseHead(refusalOf(head), heads.held())
      }
      const request = parseRequest(head.bytes, maxHeadLines)
      if ('status' in request) {
        write(chunk, written, at)
        if (!isHttp) held = [head.bytes, chunk.subarray(head.end)]
        return refuseHead(request, head.bytes)
      }
      isHttp = true
      if (timer) stopTimer()
      if (request.isLast) isStopped = true
      const edited = sink.begin(request)
      if (edited === 'ours') {
        write(chunk, written, at)
        if (head.end < chunk.length) hold(chunk.subarray(head.end))
        return
      }
      if (edited === 'done') {
        write(chunk, written, at)
        at = written = head.end
        continue
      }
      if (request.body !== 0) body = createBody(request.body)
      if (edited || !head.isInChunk) {
        write(chunk, written, at)
        sink.write(edited ?? head.bytes)
        written = head.end
      }
      at = head.end
    }
    write(chunk, written, at)
  }

  function write(chunk: Buffer, from: number, to: number): void {
    if (from < to) sink.write(from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to))
  }

  /** A head has begun: it has a limited time, and may still turn out not to be HTTP. */
  function awaitRest(): void {
    const guess = isHttp ? 'http' : sniff(heads.held())
    if (guess === 'opaque') return sink.leave()
    if (guess === 'method') timer ??= setTimeout(onSlowWord, wordMs)
    // Some clients send an empty line behind a body, and then nothing for long (RFC 9112 §2.2).
    else if (heads.hasBegun()) timer ??= setTimeout(onSlowHead, headMs)
  }

  function onSlowWord(): void {
    timer = undefined
    if (sniff(heads.held()) === 'method') sink.leave()
    else timer = setTimeout(onSlowHead, headMs - wordMs)
  }

  function onSlowHead(): void {
    refuse({ status: 408, why: 'slow-head' })
  }

  function refuseHead(refusal: Refusal, bytes: Buffer): void {
    if (!isHttp && ['opaque', 'method'].includes(sniff(bytes))) sink.leave()
    else refuse(refusal)
  }

  function refuse(refusal: Refusal, isInBody = false): void {
    isHttp = true
    stop()
    sink.refuse(refusal, isInBody)
  }

  function stopTimer(): void {
    clearTimeout(timer)
    timer = undefined
  }
}
