// The access log: one line for each answer. Answers come in the order of their requests, so a connection's part of it is a queue, and an
// answer's bytes are those that went out since the one before it. No query is told: it may hold what is nobody's business.

import type { Log } from '../../protocol/log.ts'
import { pathOf } from './kind.ts'
import type { Request } from './request.ts'

/** Who answered: the app, the assets in memory, the version server below `/__spa/`, or the front by itself. */
export type Answerer = 'app' | 'memory' | 'version' | 'front'

/** What one connection adds to the log. */
export interface Access {
  /** A request's head is whole. */
  begin(request: Request): void
  /** The final answer to the first of them has begun. `isWhole`: what may still come of it is not the client's. */
  answer(from: Answerer, status: number, isWhole?: boolean): void
  /** An answer has ended, or become a tunnel; with what it was, where that has not been told. */
  end(from?: Answerer, status?: number): void
  /** It goes on until the app ends. */
  leave(): void
  /** The app has ended. */
  endApp(): void
  /** The connection has closed. What has no answer yet gets none. */
  close(): void
}

interface Visit {
  method: string
  path: string
  at: number
  from?: Answerer
  status?: number
  isWhole?: boolean
}

const maxPathLength = 1_024

/** `peer`: the address of the client's end, behind an Ingress the Ingress's own. */
export function recordAccess(client: { bytesWritten: number }, peer: string | undefined, log: Log): Access {
  const visits: Visit[] = []
  let bytesBefore = 0
  let isUntilClose = false
  return { begin, answer, end, leave, endApp, close }

  function begin({ method, target }: Request): void {
    const path = pathOf(target).replace(/^[a-z][a-z0-9+.-]*:\/\/[^/]*/i, '')
    visits.push({ method, path: path.slice(0, maxPathLength), at: performance.now() })
  }

  function answer(from: Answerer, status: number, isWhole = false): void {
    if (visits[0]) Object.assign(visits[0], { from, status, isWhole })
  }

  /** Of a request that was refused, no more may be known than its answer. */
  function end(from?: Answerer, status?: number): void {
    const visit = visits.shift()
    tell(visit, from ?? visit?.from, status ?? visit?.status)
  }

  function leave(): void {
    isUntilClose = true
  }

  function endApp(): void {
    if (isUntilClose && visits.length > 0) end('app')
  }

  function close(): void {
    for (const visit of visits.splice(0)) tell(visit, visit.from, visit.status, !visit.isWhole)
  }

  function tell(
    visit: Visit | undefined,
    from: Answerer | undefined,
    status: number | undefined,
    isCut = false,
  ): void {
    const bytes = client.bytesWritten - bytesBefore
    bytesBefore += bytes
    log('answer', {
      code: 'access',
      client: peer,
      method: visit?.method,
      path: visit?.path,
      status,
      bytes,
      ms: visit && Math.round((performance.now() - visit.at) * 10) / 10,
      from,
      ...(isCut && { cut: true }),
    })
  }
}
