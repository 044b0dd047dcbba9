// One client's connection: its requests go to one connection of its own to the app, and their answers come back in order.
// The one thing that is not passed through is a request for the version server, which waits for its turn among the answers.

import type { Socket } from 'node:net'
import type { Log } from '../../protocol/log.ts'
import { recordAccess } from './access.ts'
import type { Answer } from './answer.ts'
import { createAnswers } from './answers.ts'
import type { AnswerChange, Leaving } from './answers.ts'
import type { Flight } from './cache/flights.ts'
import { editRequest } from './edits.ts'
import { abandonExchange, changeAnswer, endExchange } from './exchange.ts'
import type { Exchange, ExchangeSurroundings } from './exchange.ts'
import { hasToken } from './head.ts'
import { kindOf, pathOf } from './kind.ts'
import type { Kind } from './kind.ts'
import { idleMs } from './limits.ts'
import type { Limits } from './limits.ts'
import { createOutlet } from './outlet.ts'
import { limitOf, refusals, versionTarget } from './request.ts'
import type { Refusal, Request } from './request.ts'
import { createRequests } from './requests.ts'
import { cut, waitingBytes } from './tunnel.ts'
import type { Tunnels, Waiting } from './tunnel.ts'
import { askVersion, maxVersionHeadBytes, versionHead } from './version.ts'

/** What all connections share. */
export interface Surroundings extends ExchangeSurroundings {
  /** Starts a connection to the app. */
  dial(): Socket
  versionSocket: string
  /** Names the version in the ETags of its pages. */
  tag: () => string
  tunnels: Tunnels
  limits: Limits
  isDraining(): boolean
  log: Log
  /** Where the access log goes; undefined where it is off. */
  accessLog: Log | undefined
  /** The connection has closed, or a tunnel has taken its sockets over. */
  forget(connection: Connection): void
  onClosed(client: Socket): void
}

/** Makes the answer for a connection that may end behind it. */
type Stored = (isLast: boolean) => Buffer[]

interface Turn {
  /** No answer is awaited any more. */
  take(): void
  /** The client takes more. */
  resume?(): void
  /** The client sends nothing any more. */
  end?(): void
  /** The client has gone. */
  abort?(): void
}

export interface Connection {
  /** To be called once draining has begun: an idle connection ends after a grace. */
  drain(): void
  /** Ends it now. */
  close(): void
  waiting(): Waiting
}

const flushMs = 60_000 // for a client that never reads its last answer; besides, each byte of it has a millisecond
const lingerMs = 2_000 // time for the client to read our last bytes: closing over unread ones resets them (RFC 9112 §9.6)
const graceMs = { least: 1_000, most: 2_000 } // a request that is on its way while we drain still gets an answer
const none: Buffer = Buffer.alloc(0)

export function createConnection(client: Socket, around: Surroundings): Connection {
  const { counters, limits, log } = around
  const connection: Connection = { drain: watchIdle, close: destroy, waiting }
  const address = client.remoteAddress?.replace(/^::ffff:(?=[\d.]+$)/, '')
  const peer = around.edits.forwarded === 'add' ? address : undefined
  const outlet = createOutlet(client)
  const access = around.accessLog && recordAccess(outlet, address, around.accessLog)
  const requests = createRequests(
    { isBusy, begin, write: writeApp, endBody, end: endApp, refuse, surplus, leave: spliceWhole },
    limits,
  )
  const answers = createAnswers({
    awaited: () => awaited[0]?.method,
    begin: beginAnswer,
    write: writeClient,
    end: endAnswer,
    leave,
  })
  /** In the order of their answers. */
  const awaited: Exchange[] = []
  let hasForwarded = false
  /** The last request may make this a tunnel. */
  let isSwitching = false
  /** A request that the app does not get, or not yet: it waits for the answers before it. Those behind it wait for its end. */
  let turn: Turn | undefined
  /** The last answer was not the app's: the end of its connection is not the end of this one. */
  let isOwn = false
  /** To be answered after the answers before it. */
  let refusal: Refusal | undefined
  /** The connection ends with the answers that are awaited now. */
  let isLast = false
  /** What the app sends can no longer be told apart: it passes until the app ends. */
  let isUnframed = false
  /** The app takes no more of the client's bytes. */
  let isDeaf = false
  let isOver = false
  let idleTimer: NodeJS.Timeout | undefined
  let endTimer: NodeJS.Timeout | undefined
  let app: Socket | undefined = dial()

  client.on('data', onClientData)
  client.on('end', onClientEnd)
  client.on('drain', onClientDrain)
  client.on('error', onClientError)
  client.on('close', onClientClose)
  if (around.isDraining()) watchIdle()
  return connection

  function dial(): Socket {
    hasForwarded = false
    isDeaf = false
    const socket = around.dial()
    socket.on('data', onAppData)
    socket.on('end', onAppEnd)
    socket.on('drain', pace)
    socket.on('deaf', onAppDeaf)
    socket.on('error', onAppError)
    socket.on('close', onAppClose)
    return socket
  }

  // From the client to the app

  function onClientData(chunk: Buffer): void {
    if (isOver) return
    requests.take(chunk)
    // Empty lines between requests do not make it busy.
    if (idleTimer && !isIdle()) stopIdleTimer()
    pace()
  }

  function isBusy(): boolean {
    if (isUnframed) return false
    if (isSwitching || turn !== undefined) return true
    if (awaited.length < limits.maxAwaited) return false
    counters.waitsPipelined++
    return true
  }

  function begin(request: Request): Buffer | undefined | 'ours' | 'done' {
    access?.begin(request)
    const target = versionTarget(request)
    if (target !== undefined) {
      turn = { take: () => askFor(request, target) }
      takeTurn()
      return 'ours'
    }
    const kind = kindOf(request)
    if (!around.cache || kind === 'document') return forward(request, kind)
    const stored = around.cache.find(request)
    if (stored) return serve(request, stored)
    const waiting: Turn = { take: () => {} }
    const flight = around.cache.board(request, () => {
      if (turn === waiting && !isOver) lookAgain(request, kind)
    })
    if (flight) return forward(request, kind, flight)
    turn = waiting
    return 'ours'
  }

  /** Returns the head to send, or undefined where it stays as it is. */
  function forward(request: Request, kind: Kind, flight?: Flight): Buffer | undefined {
    const { page } = around.edits
    const isDocument = kind === 'document'
    const tag = isDocument && page !== 'plain' ? around.tag() : undefined
    counters.requests++
    if (isDocument) counters.documents++
    isOwn = false
    awaited.push({
      method: request.method,
      kind,
      tag,
      isNgsw: page === 'stamp' && pathOf(request.target).endsWith('/ngsw.json'),
      isOnlyIfCached: hasToken(request, 'cache-control', 'only-if-cached'),
      isReplaced: false,
      hold: undefined,
      request: around.cache && !isDocument ? owned(request) : undefined,
      flight,
      fill: undefined,
    })
    isSwitching = request.isSwitching
    return editRequest(request, { isDocument, page, tag, peer })
  }

  function writeApp(bytes: Buffer): void {
    if (isOver) return
    app ??= dial()
    hasForwarded = true
    if (app.writable) app.write(bytes)
  }

  function endBody(): void {
    if (awaited.length > 0) return
    if (isLast) finish()
    else if (around.isDraining()) watchIdle()
  }

  /** Reads on only while the app takes what comes, and while not too much is held. */
  function pace(): void {
    if (isOver) return
    const isFull = app?.writableNeedDrain === true || requests.heldBytes() >= limits.maxBufferBytes
    if (isFull === client.isPaused()) return
    if (!isFull) return void client.resume()
    counters.waitsBuffer++
    client.pause()
  }

  function onClientEnd(): void {
    if (isOver) return
    turn?.end?.()
    requests.end()
  }

  function endApp(): void {
    if (isOver) return
    if (app && !isOurs()) app.end()
    else finish()
  }

  function onClientError(): void {
    isOver = true
    if (app) cut(app)
  }

  function onClientClose(): void {
    isOver = true
    stopTimers()
    turn?.abort?.()
    abandon()
    access?.close()
    app?.destroySoon()
    around.forget(connection)
    around.onClosed(client)
  }

  // From the app to the client

  function onAppData(chunk: Buffer): void {
    if (isOver) return
    if (!requests.isHttp()) return spliceWhole(chunk)
    if (isOurs()) return dropApp()
    outlet.gather()
    answers.take(chunk)
    outlet.release()
    if (!client.writableNeedDrain || isOver || !app) return
    counters.waitsBuffer++
    app.pause()
  }

  function onClientDrain(): void {
    app?.resume()
    turn?.resume?.()
  }

  function beginAnswer(answer: Answer): AnswerChange | undefined {
    const isFinal = awaited.length === 1
    if (isFinal && around.isDraining() && !turn && requests.heldBytes() === 0) endWithAwaited()
    access?.answer('app', answer.status)
    return changeAnswer(awaited[0]!, answer, around, {
      isLast: isFinal && isLast && !refusal,
      write: writeClient,
      replaced: () => access?.answer('app', 404, true),
      finish,
    })
  }

  /** Returns whether the client takes more. */
  function writeClient(bytes: Buffer): boolean {
    return isOver || !client.writable || bytes.length === 0 || outlet.write(bytes)
  }

  function endAnswer(): void {
    const ended = awaited.shift()
    if (ended) {
      endExchange(ended)
      access?.end()
    }
    if (isOver) return
    if (awaited.length === 0) {
      isSwitching = false
      if (refusal) return answerRefusal(refusal)
      if (isLast && !requests.isInBody()) return finish()
      if (turn) return takeTurn()
      if (around.isDraining()) watchIdle()
    }
    requests.resume()
    pace()
  }

  function leave(why: Leaving, rest: Buffer): void {
    if (isOver) return
    abandon()
    if (awaited[0]?.isReplaced) return finish()
    if (why === 'tunnel' && isSwitching && awaited.length === 1 && app) {
      access?.end('app', awaited[0]!.method === 'CONNECT' ? 200 : 101)
      return splice(app, rest, requests.rest())
    }
    access?.leave()
    isUnframed = why !== 'until-close'
    if (isUnframed) counters.unframed++
    // No other request is taken: its answer could not be found, and it might be one for the version server.
    endWithAwaited()
    if (rest.length > 0) writeClient(rest)
    if (turn) surplus()
    requests.resume()
  }

  /** To the client the answer that we cannot frame has ended: it learns that this connection has, and uses another. */
  function surplus(): void {
    if (isUnframed) app?.end()
  }

  function onAppEnd(): void {
    if (isOver) return
    if (!requests.isHttp()) return spliceWhole()
    // The kernel tells a reset once, and the write that failed was told.
    if (isDeaf) return onAppReset()
    if (isOurs()) return dropApp()
    abandon()
    writeClient(answers.held())
    access?.endApp()
    // No answer can come any more, but the app may still want the rest of a body.
    endWithAwaited()
    awaited.length = 0
    if (requests.isInBody()) client.end()
    else finish()
  }

  /** What it has said before it closed may still be unread. */
  function onAppDeaf(this: Socket): void {
    if (this !== app) return
    isDeaf = true
    if (this.readableEnded) finish()
  }

  function onAppError(this: Socket): void {
    if (!isOver && this === app) onAppReset()
  }

  function onAppReset(): void {
    if (isOurs()) dropApp()
    // An answer that is whole reaches the client; one that is not never looks as if it were.
    else if (hasForwarded && awaited.every(({ isReplaced }) => isReplaced)) finish()
    else reset()
  }

  function onAppClose(this: Socket): void {
    if (!isOver && this === app) finish()
  }

  function dropApp(): void {
    const dropped = app
    app = undefined
    if (hasForwarded) dropped?.destroy()
    else if (dropped) returnUnused(dropped)
    if (!turn && !idleTimer) watchForgotten()
  }

  /** Nothing is awaited of the app, and the client's connection does not depend on it. */
  function isOurs(): boolean {
    return (turn !== undefined || isOwn) && awaited.length === 0
  }

  function abandon(): void {
    for (const exchange of awaited) abandonExchange(exchange)
  }

  // What the app does not answer

  function takeTurn(): void {
    if (awaited.length === 0) turn?.take()
  }

  /** Answers from the store, now or when it is its turn. */
  function serve(request: Request, stored: Stored): 'done' | 'ours' {
    if (awaited.length === 0) return send(request, stored) ? 'done' : 'ours'
    turn = sending(request, stored)
    return 'ours'
  }

  function sending(request: Request, stored: Stored): Turn {
    return { take: () => void (send(request, stored) && endTurn(false)) }
  }

  /** Returns whether the next request may follow at once. */
  function send(request: Request, stored: Stored): boolean {
    const isEnd = request.isLast || around.isDraining()
    const parts = stored(isEnd)
    isOwn = true
    if (client.writable) outlet.send(parts)
    access?.end('memory', Number(parts[0]!.toString('latin1', 9, 12)))
    if (isEnd) finish()
    else if (!app) watchForgotten()
    if (isEnd || client.writableLength < limits.maxBufferBytes) return !isEnd
    // A client that asks on and does not read must not make us hold more and more for it.
    turn = { take: () => {}, resume: () => endTurn(false) }
    return false
  }

  /** There is no app connection whose end could be mirrored. */
  function watchForgotten(): void {
    stopIdleTimer()
    idleTimer = setTimeout(finish, idleMs)
  }

  /** Another request has filled the store with what this one asks for, or has not. */
  function lookAgain(request: Request, kind: Kind): void {
    turn = undefined
    const stored = around.cache?.find(request)
    if (stored) {
      turn = sending(request, stored)
      return takeTurn()
    }
    writeApp(forward(request, kind) ?? request.bytes)
    requests.resume()
    pace()
  }

  function askFor(request: Request, target: string): void {
    counters.versionRequests++
    if (request.body !== 0) return refuse({ status: 413, why: 'version-body' })
    if (versionHead(request, target).length > maxVersionHeadBytes)
      return refuse({ status: 431, why: 'version-head' })
    if (!hasForwarded) dropApp()
    isOwn = true
    const exchange = askVersion(around.versionSocket, request, target, {
      isLast: () => request.isLast || around.isDraining(),
      begin: status => access?.answer('version', status),
      write: writeClient,
      end(isUntilClose) {
        access?.end()
        endTurn(isUntilClose || request.isLast || around.isDraining())
      },
      upgrade(socket, rest) {
        access?.end('version', 101)
        dropApp()
        splice(socket, rest, requests.rest())
      },
      stream(socket, rest) {
        access?.end()
        dropApp()
        splice(socket, rest)
      },
      fail(why, isPartial) {
        log('version server failed', { code: 'version_failed', why })
        if (isPartial) return reset()
        writeClient(ownAnswer(503, 'Service Unavailable', 'Retry-After: 1\r\n'))
        access?.end('front', 503)
        endTurn(true)
      },
    })
    if (client.readableEnded) exchange.end()
    turn = { take: () => {}, ...exchange }
  }

  function endTurn(isLast: boolean): void {
    turn = undefined
    if (isLast) return finish()
    if (!app) watchForgotten()
    requests.resume()
    pace()
    if (around.isDraining()) watchIdle()
  }

  // Ends

  function refuse(refused: Refusal, isInBody = false): void {
    counters[limitOf(refused) ?? 'malformed']++
    log('request refused', { code: 'request_refused', status: refused.status, why: refused.why })
    endWithAwaited()
    if (!isInBody) {
      refusal = refused
      if (awaited.length === 0) answerRefusal(refused)
    } else if (awaited.length === 1 && answers.isBetween()) {
      answerRefusal(refused)
    } else if (awaited.length === 0) {
      finish()
    } else {
      // Its answer is on its way, or others are. They end first, and the app learns that there is no more to come.
      app?.end()
    }
  }

  function answerRefusal({ status }: Refusal): void {
    writeClient(ownAnswer(status, refusals[status]))
    access?.end('front', status)
    if (app && hasForwarded) cut(app)
    finish()
  }

  function endWithAwaited(): void {
    isLast = true
    requests.stop()
  }

  function watchIdle(): void {
    if (isOver || !isIdle()) return
    stopIdleTimer()
    idleTimer = setTimeout(finish, graceMs.least + Math.random() * (graceMs.most - graceMs.least))
  }

  function isIdle(): boolean {
    return !turn && awaited.length === 0 && !requests.isInBody() && !requests.isInHead()
  }

  function stopIdleTimer(): void {
    clearTimeout(idleTimer)
    idleTimer = undefined
  }

  function stopTimers(): void {
    stopIdleTimer()
    clearTimeout(endTimer)
    requests.close()
  }

  function waiting(): Waiting {
    return { bytes: waitingBytes(client, app) + requests.restBytes(), cut: reset }
  }

  /** The client is not to take this for the end of an answer. */
  function reset(): void {
    isOver = true
    abandon()
    stopTimers()
    cut(client)
  }

  /** Ends both sides in order, and does not wait for a client that does not. */
  function finish(): void {
    if (isOver) return
    isOver = true
    abandon()
    stopTimers()
    outlet.release()
    if (hasForwarded) app?.destroySoon()
    else if (app) returnUnused(app)
    client.resume()
    // Timers that what the client sends does not reset: it could send a byte a second for ever.
    endTimer = setTimeout(destroy, flushMs + client.writableLength)
    client.end(() => {
      clearTimeout(endTimer)
      if (!client.destroyed) endTimer = setTimeout(destroy, lingerMs)
    })
  }

  function destroy(): void {
    client.destroy()
  }

  /** Not HTTP, or the app spoke first: the whole connection is theirs. */
  function spliceWhole(fromApp = none): void {
    const fromClient = requests.rest()
    // Without a byte it was a probe, or dialled in advance and not used.
    if (fromApp.length > 0 || fromClient.length > 0) counters.opaque++
    if (app) splice(app, fromApp, fromClient)
  }

  function splice(server: Socket, toClient: Buffer, toServer?: Buffer): void {
    isOver = true
    stopTimers()
    outlet.release()
    client.off('data', onClientData)
    client.off('end', onClientEnd)
    client.off('drain', onClientDrain)
    client.off('error', onClientError)
    client.off('close', onClientClose)
    server.off('data', onAppData)
    server.off('end', onAppEnd)
    server.off('drain', pace)
    server.off('deaf', onAppDeaf)
    server.off('error', onAppError)
    server.off('close', onAppClose)
    around.tunnels.join(client, server, toClient, toServer)
    around.forget(connection)
  }
}

/**
 * A connection to the app that was not needed is reset: whoever ends one first keeps its port for a minute. The pod has 28,000 ports for all that
 * it dials, so that 470 answers from memory a second, each on a client's connection of its own, would leave none (seen).
 */
function returnUnused(app: Socket): void {
  if (app.connecting) app.once('connect', () => cut(app))
  else cut(app)
}

/** With a head of its own where a body came with it: a few hundred bytes would keep a whole read of 64 KiB for as long as the answer takes. */
function owned(request: Request): Request {
  return request.body === 0 ? request : { ...request, bytes: Buffer.from(request.bytes) }
}

function ownAnswer(status: number, reason: string, lines = ''): Buffer {
  return Buffer.from(`HTTP/1.1 ${status} ${reason}\r\n${lines}Connection: close\r\nContent-Length: 0\r\n\r\n`)
}
