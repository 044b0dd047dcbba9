// What brings the messages: a WebSocket, or an event stream with the face of one. EventSource and not fetch, because what measures
// pages (Sentry, Datadog and the like) copies each answer of fetch, and would keep all that an endless one ever brings.

import { closeEvent, subprotocol } from '../protocol/names.ts'
import { parseClose, probe } from '../protocol/message.ts'
import type { Env } from './env.ts'

export interface Line {
  /** Asks for the state, where that can be asked for. */
  ask?: () => void
  /** Nothing is heard of it after that. */
  close(): void
}

export interface Listening {
  opened: () => void
  heard: (data: unknown) => void
  lost: (code?: number, reason?: string) => void
}

/** Takes the address of `ws`, as http. Throws where the browser forbids it, as ws: is forbidden on an https page. */
export function dialSocket(Socket: NonNullable<Env['WebSocket']>, url: string, on: Listening): Line {
  const socket = new Socket(url.replace('http', 'ws'), subprotocol)
  let isOver = false
  socket.addEventListener('open', () => isOver || on.opened())
  socket.addEventListener('message', ({ data }) => isOver || on.heard(data))
  socket.addEventListener('error', () => {}) // a close follows, and says as much
  socket.addEventListener('close', ({ code, reason }) => isOver || on.lost(code, reason))
  return {
    ask: () => socket.send(probe),
    close() {
      isOver = true
      socket.close()
    },
  }
}

/** Takes the address of `events`. It is not left to come back by itself: that would be without jitter, and for ever. */
export function dialStream(Source: NonNullable<Env['EventSource']>, url: string, on: Listening): Line {
  const source = new Source(url)
  let isOver = false
  source.addEventListener('open', () => isOver || on.opened())
  source.addEventListener('message', ({ data }) => isOver || on.heard(data))
  source.addEventListener('error', () => isOver || on.lost())
  source.addEventListener(closeEvent, event => {
    const { code, reason } = parseClose((event as MessageEvent).data)
    if (!isOver) on.lost(code, reason)
  })
  return {
    close() {
      isOver = true
      source.close()
    },
  }
}
