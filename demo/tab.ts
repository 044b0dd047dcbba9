// An open tab, as far as the socket goes: a WebSocket client that keeps the greatest state it has heard, and comes back when a pod sends
// it away. (The client in client/ also waits longer and longer when it is sent away every few seconds, as here; a person's tab is not.)

import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { parseMessage } from '../protocol/message.ts'
import type { HeardState } from '../protocol/message.ts'
import { closeCode, path, subprotocol } from '../protocol/names.ts'
import { compareStates, isObject } from '../protocol/release.ts'

export interface Tab {
  /** Every newer state that was heard, the greatest last. */
  heard: readonly HeardState[]
  /** How often a pod that ends has sent it to another. */
  moves(): number
  /** Resolves with the first state, of those heard and those to come, that is meant. Rejects when `signal` aborts. */
  until(isMeant: (state: HeardState) => boolean, signal: AbortSignal): Promise<HeardState>
  close(): void
}

const againMs = 200

/** Takes the app's address; connects at once. */
export function openTab(url: string): Tab {
  const heard: HeardState[] = []
  const waiting = new Set<(state: HeardState) => void>()
  const closing = new AbortController()
  let moves = 0
  let socket = dial()
  return { heard, moves: () => moves, until, close }

  function dial(): WebSocket {
    const dialled = new WebSocket(`${url.replace('http', 'ws')}${path.prefix}${path.ws}`, subprotocol)
    dialled.on('message', data => hear((data as Buffer).toString())) // ws' binaryType is nodebuffer
    dialled.on('error', () => {}) // a close follows
    dialled.on('close', (code, reason) => void again(code, String(reason)))
    return dialled
  }

  async function again(code: number, reason: string): Promise<void> {
    if (code === closeCode.draining) moves += 1
    const withinMs = code === closeCode.draining ? delayOf(reason) : againMs
    await sleep(withinMs * Math.random(), undefined, { signal: closing.signal }).catch(() => {})
    if (!closing.signal.aborted) socket = dial()
  }

  function hear(text: string): void {
    const message = parseMessage(text)
    const last = heard.at(-1)
    if (message?.type !== 'state' || (last && compareStates(message, last) <= 0)) return
    heard.push(message)
    for (const tell of waiting) tell(message)
  }

  function until(isMeant: (state: HeardState) => boolean, signal: AbortSignal): Promise<HeardState> {
    return new Promise((resolve, reject) => {
      const known = heard.find(isMeant)
      if (known) return resolve(known)
      waiting.add(look)
      signal.addEventListener('abort', giveUp)
      if (signal.aborted) giveUp()

      function look(state: HeardState): void {
        if (!isMeant(state)) return
        end()
        resolve(state)
      }

      function giveUp(): void {
        end()
        reject(signal.reason as Error)
      }

      function end(): void {
        waiting.delete(look)
        signal.removeEventListener('abort', giveUp)
      }
    })
  }

  function close(): void {
    closing.abort()
    socket.terminate()
  }
}

/** What a pod that ends asks for, in milliseconds. */
function delayOf(reason: string): number {
  try {
    const asked: unknown = JSON.parse(reason)
    return isObject(asked) && typeof asked.d === 'number' ? asked.d : againMs
  } catch {
    return againMs
  }
}
