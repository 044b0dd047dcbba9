// What one client may ask of the front's memory and patience. Each is a variable of the sidecar's environment; these are the defaults.

import { maxHeadBytes, maxHeadLines } from './head.ts'

/** Of a request's head, and of what waits on one connection. */
export interface Limits {
  /** Beyond it: 431, or 414 where it is the request line. */
  maxHeadBytes: number
  /** Field lines. Beyond it: 431. */
  maxHeadLines: number
  /** From a head's first byte to its last. Beyond it: 408. */
  headMs: number
  /** In each direction. Beyond it the sender waits until the receiver has read. */
  maxBufferBytes: number
  /** Pipelined requests whose answers are awaited (RFC 9112 §9.3.2). The next one waits. */
  maxAwaited: number
}

export const defaultLimits: Readonly<Limits> = {
  maxHeadBytes,
  maxHeadLines,
  headMs: 15_000, // slow heads are freed within 15 s; an honest one comes in one go
  maxBufferBytes: 64 * 1024, // what one read of the kernel brings
  maxAwaited: 64,
}

/**
 * How long a connection without a request stays open where nobody else's end decides: longer than any load balancer keeps it (Google's 600 s, most
 * others 60-75 s), since a request that crosses the server's end is lost.
 */
export const idleMs = 620_000
