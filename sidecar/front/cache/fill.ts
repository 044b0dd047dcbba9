// Takes an answer's body as it passes to the client. Only a body that came to its end by its own framing is of use.

import type { Answer } from '../answer.ts'

export interface Fill {
  /** Takes bytes of the body, framing and all. They are lent. */
  take(bytes: Buffer): void
  /** The answer has ended as its framing says. */
  end(): void
  /** It has not, or will not. */
  abort(): void
}

/**
 * `holds`: whether there is memory for so many bytes in all. `settle` is called once: with the body, without its framing, or with undefined.
 */
export function createFill(
  { body }: Pick<Answer, 'body'>,
  holds: (length: number) => boolean,
  settle: (body: Buffer | undefined) => void,
): Fill {
  let parts: Buffer[] | undefined = []
  let length = 0
  return { take, end, abort: () => finish(undefined) }

  function take(bytes: Buffer): void {
    if (!parts) return
    length += bytes.length
    if (holds(length)) parts.push(Buffer.from(bytes))
    else finish(undefined)
  }

  function end(): void {
    if (!parts) return
    const raw = Buffer.concat(parts)
    finish(body === 'chunked' ? unchunk(raw) : raw)
  }

  function finish(whole: Buffer | undefined): void {
    if (!parts) return
    parts = undefined
    settle(whole)
  }
}

/** Takes a whole body whose chunks are known to be well-formed (RFC 9112 §7.1). Its trailers are dropped. */
export function unchunk(raw: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; ;) {
    const start = raw.indexOf('\r\n', at) + 2
    const size = parseInt(raw.toString('latin1', at, start), 16)
    if (size === 0) return Buffer.concat(parts)
    parts.push(raw.subarray(start, start + size))
    at = start + size + 2
  }
}
