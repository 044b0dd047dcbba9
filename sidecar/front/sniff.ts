// Tells from a connection's first bytes whether they are HTTP/1.x, as early as the bytes allow. What is not belongs to the app alone.

import { isTokenByte } from './head.ts'
import { skipEmptyLines } from './head-reader.ts'

/**
 * `opaque`: not HTTP/1.x (TLS, an HTTP/2 preface, a binary or line protocol, HTTP/0.9).
 * `http`: it claims to be, so it is held to the rules. `method`: only a word so far, of any length: behind a proxy that shares its connections, whoever
 * makes up a long one would have those of all others passed unseen. `line`: a word and more, without an end.
 */
export type Guess = 'opaque' | 'http' | 'method' | 'line'

const SP = 32
const CR = 13
const LF = 10

export function sniff(bytes: Buffer): Guess {
  const start = skipEmptyLines(bytes, 0)
  let at = start
  while (isTokenByte(bytes[at])) at++
  if (at === bytes.length || (at === start && bytes[at] === CR && at + 1 === bytes.length)) return 'method'
  if (at === start || bytes[at] !== SP) return 'opaque'
  const end = bytes.indexOf(LF, at)
  if (end === -1) return 'line'
  const line = bytes.toString('latin1', start, end)
  return / HTTP\//i.test(line) && line !== 'PRI * HTTP/2.0\r' ? 'http' : 'opaque'
}
