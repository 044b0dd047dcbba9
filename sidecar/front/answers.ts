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
  /** From here on the bytes are no messages, or none that can be told apart. `rest` has not been written. */
  leave(why: Leaving, rest: Buffer): void
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

export function createAnswers(sink: AnswerSink): Answers {
  const heads = createHeadReader()
  let body: Body | undefined
  let takeBody: ((bytes: Buffer) => void) | undefined
  let hasLeft = false

  return { take, held: () => heads.held(), isBetween: () => !body && !heads.hasBegun() }

  function take(chunk: Buffer): void {
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
        if (body.isBroken) return leave('unframed', chunk.subarray(written))
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
        return head === 'more' ? undefined : leave('unframed', heads.held())
      }
      const answer = parseAnswer(head.bytes, method)
      const isFinal = answer && answer.body !== 'tunnel' && !isInterim(answer)
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
      if (!answer) return leave('unframed', chunk.subarray(written))
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

  function leave(why: Leaving, rest: Buffer): void {
    hasLeft = true
    sink.leave(why, rest)
  }
}

function part(chunk: Buffer, from: number, to: number): Buffer {
  return from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to)
}
