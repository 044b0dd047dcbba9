// What the front counts. Plain numbers, read by whoever publishes them.

export interface Counters {
  /** Client connections accepted. */
  connections: number
  /** Client connections open now, tunnels included. */
  open: number
  /** Client connections beyond the cap. */
  turnedAway: number
  /** Client connections that came while memory was short. */
  turnedAwayMemory: number
  /** Connections that were cut because what waited on them had filled the memory. */
  shed: number
  /** Requests forwarded to the app. */
  requests: number
  /** Those of them that ask for a page. */
  documents: number
  /** Assets that the app did not have, told as a 404 that nobody stores. */
  missing: number
  /** Requests answered from memory. */
  cacheHits: number
  /** Requests passed to the app for what memory could have had. */
  cacheMisses: number
  /** Answers put into memory. */
  cacheFills: number
  /** Resources dropped from memory because others needed the place. */
  cacheEvictions: number
  /** Requests for the version server. */
  versionRequests: number
  /** Connections passed on whole, because they are not HTTP/1.x or the app spoke first. */
  opaque: number
  /** Connections to the app that failed before a byte was sent. */
  refusedDials: number
  /** Requests that were refused as malformed. */
  malformed: number
  /** Requests refused because their head was too large, had too many lines, or took too long. */
  headBytes: number
  headLines: number
  headTime: number
  /** Times that a sender waited because the receiver had not read what was sent. */
  waitsBuffer: number
  /** Times that requests waited because too many before them had no answer yet. */
  waitsPipelined: number
  /** Answers passed on until their connection closed, because they could not be framed. */
  unframed: number
  /** Bytes from clients, of connections that have closed. */
  bytesIn: number
  /** Bytes to clients, of connections that have closed. */
  bytesOut: number
}

export function createCounters(): Counters {
  return {
    connections: 0,
    open: 0,
    turnedAway: 0,
    turnedAwayMemory: 0,
    shed: 0,
    requests: 0,
    documents: 0,
    missing: 0,
    cacheHits: 0,
    cacheMisses: 0,
    cacheFills: 0,
    cacheEvictions: 0,
    versionRequests: 0,
    opaque: 0,
    refusedDials: 0,
    malformed: 0,
    headBytes: 0,
    headLines: 0,
    headTime: 0,
    waitsBuffer: 0,
    waitsPipelined: 0,
    unframed: 0,
    bytesIn: 0,
    bytesOut: 0,
  }
}
