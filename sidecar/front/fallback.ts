// Whether HTML that comes for an asset is the page that the app falls back to. A script that is made on the fly often comes as text/html (Express
// says that of every text), and browsers run it all the same: so the head waits for the first byte of the body that is no space. Where the body is
// compressed, its beginning is read as far as it goes.

import { brotliDecompressSync, constants, gunzipSync, inflateSync } from 'node:zlib'
import type { Answer } from './answer.ts'
import type { Hold } from './answers.ts'
import { createChunked } from './body.ts'
import type { Coding } from '../../static/coding.ts'

const maxHeldBytes = 8 * 1024
const maxOutputLength = 1024 * 1024 // what 8 KiB of text never become
const LESS_THAN = 60
/** White space (https://infra.spec.whatwg.org/#ascii-whitespace), and the bytes of UTF-8's byte order mark. */
const skipped = new Set([9, 10, 12, 13, 32, 0xef, 0xbb, 0xbf])

/** Return what a body that has only begun holds so far, and throw where it is in another coding. Node 20 knows no zstd. */
const readers = {
  identity: (bytes: Buffer) => bytes,
  gzip: (bytes: Buffer) => gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength }),
  deflate: (bytes: Buffer) => inflateSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength }),
  br: (bytes: Buffer) =>
    brotliDecompressSync(bytes, { finishFlush: constants.BROTLI_OPERATION_FLUSH, maxOutputLength }),
}

export type Readable = keyof typeof readers

export function isReadable(coding: Coding | undefined): coding is Readable {
  return coding !== undefined && coding in readers
}

/** Takes the framing and the coding. `settle` is called once, sends the head, and returns what takes the bytes of the body. */
export function createFallback(
  { body, coding }: { body: Answer['body']; coding: Readable },
  settle: (isPage: boolean) => (bytes: Buffer) => void,
): Hold {
  let passOn: ((bytes: Buffer) => void) | undefined
  let isPage: boolean | undefined
  let held: Buffer[] = []
  let heldBytes = 0
  /** Of the body, without its framing. */
  let begun: Buffer = Buffer.alloc(0)
  const chunks = body === 'chunked' ? createChunked(look) : undefined
  return { take, end: () => decide(true) }

  function take(bytes: Buffer): void {
    if (passOn) return passOn(bytes)
    if (chunks) chunks.read(bytes, 0)
    else look(bytes)
    held.push(Buffer.from(bytes))
    heldBytes += bytes.length
    if (isPage !== undefined || heldBytes > maxHeldBytes) decide(isPage ?? coding !== 'identity')
  }

  function look(data: Buffer): void {
    if (isPage !== undefined) return
    begun = Buffer.concat([begun, data]).subarray(0, maxHeldBytes)
    try {
      const first = readers[coding](begun).find(byte => !skipped.has(byte))
      if (first !== undefined) isPage = first === LESS_THAN
    } catch {
      isPage = true
    }
  }

  function decide(isPage: boolean): void {
    if (passOn) return
    passOn = settle(isPage)
    for (const bytes of held) passOn(bytes)
    held = []
  }
}
