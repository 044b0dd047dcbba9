// The way back: takes what one server sends on one connection, finds its answers, and hands every byte on in order.
// Bytes that need no change go on as the chunks they came in.

import { isInterim, parseAnswer } from './answer.ts'
import type { Answer } from './answer.ts'
import { createBody } from './body.ts'
import type { Body } from './body.ts'
import { createHeadReader } from './head-reader.ts'

export interface AnswerSink {
  /** The method of the request whose answer comes next; undefined when none is awaited. */
  awaited(): string | undefined
  /** A final answer begins that opens no tunnel. Returns what is to be changed, or undefined to leave it. */
  begin(answer: Answer): AnswerChange | undefined
  write(bytes: Buffer): unknown
  /** A final answer has ended. */
  end(): void
  /**
   * From here on the bytes are no messages, or none that can be told apart, and are written as they come. `rest` has not been
   * written.
   */
  leave(why: Leaving, rest: Buffer): void
}

/** Keeps the first bytes of a body back until it has seen what they are. */
export interface Hold {
  /** Takes bytes of the body, framing and all. They are lent. */
  take(bytes: Buffer): void
  /** The body has ended, or breaks off here. */
  end(): void
}

export interface AnswerChange {
  /** Undefined: as it is. */
  head: Buffer | undefined
  /** Takes the bytes of the body, framing and all, in place of `write`. */
  takeBody?: (bytes: Buffer) => void
}

/** `until-close` is an answer like any other; `unframed` and `unasked` are what no rule of HTTP explains. */
export type Leaving = 'tunnel' | 'until-close' | 'unframed' | 'unasked'

export interface Answers {
  take: (chunk: Buffer) => void
  /** The bytes of a head that has not come whole. */
  held(): Buffer
  /** No byte of the next answer has come. */
  isBetween(): boolean
}

const none = Buffer.alloc(0)

export function createAnswers(sink: AnswerSink): Answers {
  const heads = createHeadReader()
  let body: Body | undefined
  let takeBody: ((bytes: Buffer) => void) | undefined
  let hasLeft = false

  return {
    take,
    held: () => (hasLeft ? none : heads.held()),
    isBetween: () => !hasLeft && !body && !heads.hasBegun(),
  }

  function take(chunk: Buffer): void {
    if (hasLeft) return void sink.write(chunk)
    let written = 0
    let at = 0
    while (at < chunk.length && !hasLeft) {
      if (body) {
        const from = at
        at = body.read(chunk, at)
        if (takeBody) {
          if (from < at) takeBody(part(chunk, from, at))
          written = at
        }
        if (body.fault) return leave('unframed', chunk.subarray(written))
        if (!body.isDone) break
        body = undefined
        // The answer's bytes go before whatever its end sets off.
        write(chunk, written, at)
        written = at
        sink.end()
        continue
      }
      const method = sink.awaited()
      if (method === undefined) return leave('unasked', chunk.subarray(written))
      const head = heads.read(chunk, at)
      if (typeof head === 'string') {
        write(chunk, written, at)
        return head === 'more' ? undefined : leaveUnframed(heads.held())
      }
      const answer = parseAnswer(head.bytes, method)
      if (!answer) {
        write(chunk, written, at)
        const rest = chunk.subarray(head.isInChunk ? at : head.end)
        return leaveUnframed(head.isInChunk ? rest : Buffer.concat([head.bytes, rest]))
      }
      const isFinal = answer.body !== 'tunnel' && !isInterim(answer)
      const change = isFinal ? sink.begin(answer) : undefined
      if (change?.head || !head.isInChunk) {
        write(chunk, written, at)
        sink.write(change?.head ?? head.bytes)
        written = head.end
      }
      at = head.end
      takeBody = change?.takeBody
      if (takeBody) {
        write(chunk, written, at)
        written = at
      }
      if (answer.body === 'tunnel' || answer.body === 'until-close') {
        write(chunk, written, at)
        return leave(answer.body, chunk.subarray(at))
      }
      if (!isFinal) continue
      body = createBody(answer.body)
      if (!body.isDone) continue
      body = undefined
      write(chunk, written, at)
      written = at
      sink.end()
    }
    if (!hasLeft) write(chunk, written, chunk.length)
  }

  function write(chunk: Buffer, from: number, to: number): void {
    if (from < to) sink.write(part(chunk, from, to))
  }

  /** Browsers take an upgrade with bare LFs for one all the same. */
  function leaveUnframed(rest: Buffer): void {
    leave(/^HTTP\/1\.[01] 101[ \r\n]/.test(rest.toString('latin1', 0, 13)) ? 'tunnel' : 'unframed', rest)
  }

  function leave(why: Leaving, rest: Buffer): void {
    hasLeft = true
    sink.leave(why, rest)
  }
}

function part(chunk: Buffer, from: number, to: number): Buffer {
  return from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to)
}
