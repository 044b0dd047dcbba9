// One exchange with the version server, over its unix socket. It gets a head of our own making with what it needs and no cookies;
// always HTTP/1.1, because uWebSockets knows nothing else, and in one write, because it fails on a split request line.

import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { reconnect } from './edits.ts'
import type { Answer } from './answer.ts'
import { createAnswers } from './answers.ts'
import type { AnswerChange } from './answers.ts'
import { createChunked } from './body.ts'
import { field } from './head.ts'
import { isWebSocket } from './request.ts'
import type { Request } from './request.ts'

export interface VersionSink {
  isLast(): boolean
  /** The answer has begun. */
  begin(status: number): void
  /** Returns whether the client takes more; when it does again, `resume` is called. */
  write(bytes: Buffer): boolean
  /** The answer is complete. `isUntilClose`: the client learns that by the end of its connection only. */
  end(isUntilClose: boolean): void
  /** It was a 101: the socket is the caller's, with nothing listening to it. `rest` came behind the answer's head. */
  upgrade(socket: Socket, rest: Buffer): void
  /** The same for an answer that goes on until its connection ends. What the client sends does not belong to it. */
  stream(socket: Socket, rest: Buffer): void
  /** No answer, or none that can be passed on. `isPartial`: a part of it was written. */
  fail(why: string, isPartial: boolean): void
}

export interface VersionExchange {
  resume(): void
  /** The client sends nothing any more: of an answer without end it will not be there for the rest. */
  end(): void
  /** The client has gone. */
  abort(): void
}

// uWebSockets' backlog is 512, and thousands of tabs may come back at once: spread, or each try would be made by all of them.
const leastRedialMs = 5
const maxRedialMs = 200
const maxDials = 24 // about 2 s in all

/** Takes the request and the target to ask for. The request has no body. */
export function askVersion(
  path: string,
  request: Request,
  target: string,
  sink: VersionSink,
): VersionExchange {
  let socket: Socket
  let dials = 0
  let redialTimer: NodeJS.Timeout | undefined
  let isPartial = false
  let isOver = false
  let hasEnded = false
  let isEndless = false
  /** A client of HTTP/1.0 knows no chunks: it gets what they carry, until its connection ends. */
  let isUntilClose = false
  const answers = createAnswers({
    awaited: () => (isOver ? undefined : request.method),
    begin,
    write(bytes) {
      if (!isOver) write(bytes)
    },
    end() {
      if (isOver) return
      drop()
      sink.end(isUntilClose)
    },
    leave(why, rest) {
      if (isOver) return
      if (why !== 'tunnel' && !isEndless) return fail(why)
      finish()
      if (isEndless) sink.stream(socket, rest)
      else sink.upgrade(socket, rest)
    },
  })
  const onEnd = (): void => fail('closed')
  dial()

  return {
    resume: () => void socket.resume(),
    end() {
      hasEnded = true
      if (isUntilClose) leave()
    },
    abort: drop,
  }

  function dial(): void {
    dials++
    socket = connect({ path, allowHalfOpen: true })
    socket.on('data', answers.take)
    socket.on('end', onEnd)
    socket.on('error', onError)
    socket.write(versionHead(request, target), 'latin1')
  }

  function onError({ code, syscall }: NodeJS.ErrnoException): void {
    // A full backlog refuses at once, with this (connect(2)): the version server runs in this very loop and gets to accept only after us.
    const isFull = code === 'EAGAIN' && syscall === 'connect'
    if (!isFull || dials === maxDials) return fail(code ?? 'error')
    redialTimer = setTimeout(dial, Math.random() * Math.min(maxRedialMs, leastRedialMs * 2 ** dials))
  }

  function begin(answer: Answer): AnswerChange {
    sink.begin(answer.status)
    isEndless = answer.body === 'chunked' // our own answers have lengths, but for the event stream
    if (!isEndless) return { head: reconnect(answer, sink.isLast()) }
    if (request.minor === 1) {
      // A tab is cheaper as a tunnel than as an exchange, and there is nothing to find in it but its end.
      answer.body = 'until-close'
      return { head: reconnect(answer, true) }
    }
    isUntilClose = true
    if (hasEnded) leave()
    const body = createChunked(write)
    const head = reconnect(answer, true, ['transfer-encoding'])
    return { head, takeBody: bytes => void body.read(bytes, 0) }
  }

  function write(bytes: Buffer): void {
    isPartial = true
    if (!sink.write(bytes)) socket.pause()
  }

  function leave(): void {
    drop()
    sink.end(true)
  }

  function fail(why: string): void {
    if (isOver) return
    drop()
    sink.fail(why, isPartial)
  }

  function drop(): void {
    finish()
    socket.on('error', ignore)
    socket.destroy()
  }

  function finish(): void {
    isOver = true
    clearTimeout(redialTimer)
    socket.off('data', answers.take)
    socket.off('end', onEnd)
    socket.off('error', onError)
  }
}

/** A socket that is given up may still fail. */
function ignore(): void {}

const passed = {
  exchange: [
    'Host',
    'Origin',
    'Sec-Fetch-Site',
    'X-Forwarded-Host',
    'X-Forwarded-Proto',
    'Accept',
    'If-None-Match',
    'Last-Event-ID',
  ],
  upgrade: [
    'Host',
    'Origin',
    'X-Forwarded-Host',
    'X-Forwarded-Proto',
    'Sec-WebSocket-Key',
    'Sec-WebSocket-Version',
    'Sec-WebSocket-Protocol',
  ],
} as const

/** uWebSockets takes heads of 4 KiB by default, and an honest one has not a quarter of that. */
export const maxVersionHeadBytes = 4000

/** The head that the version server gets. Extensions are left out: it is not to compress. */
export function versionHead(request: Request, target: string): string {
  const isUpgrade = isWebSocket(request)
  let head = `${request.method} ${target} HTTP/1.1\r\n`
  for (const name of isUpgrade ? passed.upgrade : passed.exchange) {
    const value = field(request, name.toLowerCase())
    if (value !== undefined) head += `${name}: ${value}\r\n`
    else if (name === 'Host') head += 'Host: \r\n'
  }
  return `${head}${isUpgrade ? 'Connection: Upgrade\r\nUpgrade: websocket' : 'Connection: close'}\r\n\r\n`
}
