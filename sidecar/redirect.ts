// With capture `redirect` the kernel leads traffic to the front for 3 s after each of our datagrams (redirect/rules.nft), so that a sidecar which
// has ended, hangs or does not listen gets none. The rule drops the datagram and lets us know: sending fails with EPERM.

import { createSocket } from 'node:dgram'
import type { Log } from '../protocol/log.ts'

export interface RedirectOptions {
  /** The app's. */
  port: number
  /** Whether the front listens. */
  isListening(): boolean
  log: Log
  beatMs?: number
}

export interface Redirect {
  /** Renews the redirect, if the front listens. Resolves when it is in force, or found not to be there. */
  renew(): Promise<void>
  /** There is no rule: the traffic goes to the app, past the front. */
  isMissing(): boolean
  close(): void
}

const defaultBeatMs = 1_000

/** Renews at once and from then on. */
export function keepRedirect({ port, isListening, log, beatMs = defaultBeatMs }: RedirectOptions): Redirect {
  const socket = createSocket('udp4')
  socket.on('error', () => {}) // the next one is a second away
  let isMissing = false
  let isClosed = false
  const timer = setInterval(() => void renew(), beatMs)
  void renew()
  return { renew, isMissing: () => isMissing, close }

  function renew(): Promise<void> {
    // The init container has set it before we started, or never will: without it the datagrams would reach an app that speaks HTTP/3.
    if (isMissing || isClosed || !isListening()) return Promise.resolve()
    return new Promise(resolve => {
      socket.send('', port, '127.0.0.1', error => {
        if (isClosed) return resolve()
        const wasMissing = isMissing
        isMissing = (error as NodeJS.ErrnoException | null)?.code !== 'EPERM'
        if (isMissing && !wasMissing)
          log('no redirect: nothing passes the sidecar', { code: 'redirect_missing', port })
        resolve()
      })
    })
  }

  function close(): void {
    if (isClosed) return
    isClosed = true
    clearInterval(timer)
    socket.close()
  }
}
