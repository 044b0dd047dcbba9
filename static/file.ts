// One file: its bytes in each coding that there is, each with its own strong ETag and its head ready to go out.
// Codings that were not shipped with it are made when somebody asks for them, off the hot path; until then the plain bytes are the answer.

import { createHash } from 'node:crypto'
import { compressSync, hasPaid, isCompressible, pays } from './compress.ts'
import type { Made } from './compress.ts'
import type { Accepted, Coding } from './coding.ts'
import { isImmutable } from './immutable.ts'
import { mediaType } from './media-type.ts'

export type Headers = Record<string, string>

export interface Representation {
  body: Buffer
  etag: string
  /** Of a whole answer. */
  headers: Readonly<Headers>
}

export interface File {
  /** The best that a client takes; undefined where it takes none. */
  select(accepted: Accepted): Representation | undefined
}

export interface FileOptions {
  path: string
  body: Buffer
  /** Codings of it that lie beside it. */
  shipped: ReadonlyMap<Coding, Buffer>
  /** What pages say besides. */
  pageHeaders: Headers
  /** Compresses later, and never rejects. */
  compress(coding: Made, body: Buffer): Promise<Buffer>
}

export function createFile({ path, body, shipped, pageHeaders, compress }: FileOptions): File {
  const type = mediaType(path)
  const isPage = type.startsWith('text/html')
  const isCompressed = isCompressible(type)
  const isWorthIt = isCompressed && pays(body.length)
  const common: Headers = {
    'Content-Type': type,
    'Cache-Control': !isPage && isImmutable(path) ? 'public, max-age=31536000, immutable' : 'no-cache',
    'Accept-Ranges': 'bytes',
    'X-Content-Type-Options': 'nosniff',
    ...(isPage && pageHeaders),
    ...((isWorthIt || shipped.size > 0) && { Vary: 'Accept-Encoding' }),
  }
  const representations = new Map<Coding, Representation>()
  const begun = new Set<Coding>()
  add('identity', body)
  for (const [coding, bytes] of shipped) add(coding, bytes)
  return { select }

  function select({ order }: Accepted): Representation | undefined {
    for (const coding of order) {
      const representation = representations.get(coding)
      if (representation) return representation
      if (isWorthIt && isMade(coding)) void make(coding)
    }
    // Only who rules out the plain bytes comes here.
    const coding = isCompressed ? order.find(isMade) : undefined
    return coding && add(coding, compressSync(coding, body))
  }

  /** Once: what does not become smaller stays as it is. */
  async function make(coding: Made): Promise<void> {
    if (begun.has(coding)) return
    begun.add(coding)
    const smaller = await compress(coding, body)
    if (hasPaid(smaller, body) && !representations.has(coding)) add(coding, smaller)
  }

  function add(coding: Coding, bytes: Buffer): Representation {
    const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`
    const encoding = coding === 'identity' ? undefined : { 'Content-Encoding': coding }
    const headers = Object.freeze({
      ...common,
      ...encoding,
      ETag: etag,
      'Content-Length': `${bytes.length}`,
    })
    const representation = { body: bytes, etag, headers }
    representations.set(coding, representation)
    return representation
  }
}

function isMade(coding: Coding): coding is Made {
  return coding === 'br' || coding === 'gzip'
}
