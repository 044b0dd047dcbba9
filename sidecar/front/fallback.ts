// Whether HTML that comes for an asset is the page that the app falls back to. A script that is made on the fly often comes as text/html (Express
// says that of every text), and browsers run it all the same: so the head waits for the first byte of the body that is no space.

import type { Answer } from './answer.ts'
import type { Hold } from './answers.ts'
import { createChunked } from './body.ts'

const maxHeldBytes = 8 * 1024
const LESS_THAN = 60
/** White space (https://infra.spec.whatwg.org/#ascii-whitespace), and the bytes of UTF-8's byte order mark. */
const skipped = new Set([9, 10, 12, 13, 32, 0xef, 0xbb, 0xbf])

/** Takes the framing. `settle` is called once, sends the head, and returns what takes the bytes of the body. */
export function createFallback(
  body: Answer['body'],
  settle: (isPage: boolean) => (bytes: Buffer) => void,
): Hold {
  let passOn: ((bytes: Buffer) => void) | undefined
  let isPage: boolean | undefined
  let held: Buffer[] = []
  let heldBytes = 0
  const chunks = body === 'chunked' ? createChunked(look) : undefined
  return { take, end: () => decide(true) }

  function take(bytes: Buffer): void {
    if (passOn) return passOn(bytes)
    if (chunks) chunks.read(bytes, 0)
    else look(bytes)
    held.push(Buffer.from(bytes))
    heldBytes += bytes.length
    if (isPage !== undefined || heldBytes > maxHeldBytes) decide(isPage === true)
  }

  function look(data: Buffer): void {
    const first = data.find(byte => !skipped.has(byte))
    if (first !== undefined) isPage ??= first === LESS_THAN
  }

  function decide(isPage: boolean): void {
    if (passOn) return
    passOn = settle(isPage)
    for (const bytes of held) passOn(bytes)
    held = []
  }
}
