// One stored answer: its heads and bodies as they go out, ready in one piece each, so that a hit is one write of bytes that are there.

import type CachePolicy from 'http-cache-semantics'
import { edit, field, fields, hasToken } from '../head.ts'
import type { Head } from '../head.ts'
import type { Answer } from '../answer.ts'
import { codingOf } from '../../../static/coding.ts'
import type { Coding } from '../../../static/coding.ts'
import { isEncodable } from './encode.ts'

export interface Entry {
  policy: CachePolicy
  /** The codings that the client took whose request filled it: what suits it suits everybody who takes some of them. */
  mask: number
  /** The values of what its resource's answers differ by. */
  selection: string
  /** As the app sent it. */
  coding: Coding
  /** When it is no longer fresh, by Date.now(). */
  freshUntil: number
  lastModified: string | undefined
  messages: Map<Coding, Message>
  /** Of all messages, and of what is kept beside them. */
  bytes: number
  /** Codings of our own would pay, and have not been begun. */
  isEncodable: boolean
}

export interface Message {
  /** A head and its body. */
  bytes: Buffer
  bodyAt: number
  etag: string | undefined
  /** Where the Age stands in the head, with space for its digits. */
  ageAt: number
  /** The second for which the Age is written. */
  agedAt: number
}

const ageDigits = 10

/** Takes the app's answer and its body, unchunked. */
export function createEntry(
  answer: Answer,
  body: Buffer,
  { policy, mask, selection, key }: Pick<Entry, 'policy' | 'mask' | 'selection'> & { key: string },
): Entry {
  const coding = codingOf(field(answer, 'content-encoding'))!
  const entry: Entry = {
    policy,
    mask,
    selection,
    coding,
    freshUntil: Date.now() + policy.timeToLive(),
    lastModified: field(answer, 'last-modified'),
    messages: new Map(),
    bytes: 2 * key.length + selection.length + answer.bytes.length, // the policy has the target and the fields once more
    isEncodable: false,
  }
  const varies = coding === 'identity' && isEncodable(answer, body.length)
  const isSaid = hasToken(answer, 'vary', 'accept-encoding')
  add(entry, coding, createMessage(answer, hopByHop(answer), varies && !isSaid ? varyLine : '', body))
  entry.isEncodable = varies
  return entry
}

/** Adds the same body in a coding of our own. Its ETag is weak, as nginx makes it: equal in meaning, not in bytes (RFC 9110 §8.8.1). */
export function addVariant(entry: Entry, coding: 'br' | 'gzip', body: Buffer): void {
  const stored = entry.messages.get('identity')!
  const head = headOf(stored)
  const weak = stored.etag?.replace(/^(?!W\/)/, 'W/')
  const lines = `Content-Encoding: ${coding}\r\n${weak === undefined ? '' : `ETag: ${weak}\r\n`}`
  add(entry, coding, createMessage(head, ['etag', 'accept-ranges', ...computed], lines, body))
}

/** The answer is one of several codings, even before the others are there. */
const varyLine = 'Vary: Accept-Encoding\r\n'

export function headOf({ bytes, bodyAt }: Message): Head {
  const head = bytes.subarray(0, bodyAt)
  const lines: number[] = []
  for (let at = head.indexOf('\r\n') + 2; at < head.length - 2;) {
    const end = head.indexOf('\r\n', at)
    lines.push(at, head.indexOf(':', at), end)
    at = end + 2
  }
  return { bytes: head, lines }
}

/** The message, its Age brought up to now (RFC 9111 §5.1). */
export function aged(entry: Entry, message: Message, now: number): Message {
  const second = Math.floor(now / 1_000)
  if (message.agedAt !== second) {
    message.agedAt = second
    message.bytes.write(`${Math.floor(entry.policy.age())}`.padEnd(ageDigits), message.ageAt, 'latin1')
  }
  return message
}

const computed = ['content-length', 'age']

function createMessage(head: Head, drop: string[], lines: string, body: Buffer): Message {
  const age = `Age: ${' '.repeat(ageDigits)}\r\n`
  const text = edit(head, [...drop, ...computed], `${lines}Content-Length: ${body.length}\r\n${age}`)
  const bytes = Buffer.allocUnsafeSlow(text.length + body.length) // not of the pool: it stays
  text.copy(bytes)
  bytes[7] = 0x31 // HTTP/1.1: the message is ours now
  body.copy(bytes, text.length)
  return {
    bytes,
    bodyAt: text.length,
    etag: field(headOf({ bytes, bodyAt: text.length } as Message), 'etag'),
    ageAt: text.length - 4 - ageDigits,
    agedAt: -1,
  }
}

function add(entry: Entry, coding: Coding, message: Message): void {
  entry.messages.set(coding, message)
  entry.bytes += message.bytes.length
}

/** What belongs to the connection on which the answer came (RFC 9110 §7.6.1). */
function hopByHop(answer: Answer): string[] {
  const named = fields(answer, 'connection').join(',').toLowerCase().split(',')
  return [
    'connection',
    'keep-alive',
    'proxy-connection',
    'proxy-authenticate',
    'te',
    'trailer',
    'transfer-encoding',
    'upgrade',
    ...named.map(name => name.trim()).filter(name => name !== ''),
  ]
}
