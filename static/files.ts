// A folder of files, in memory, as the origin of a single-page app: which file a request gets, and how. Pure but for the compressing.
// A path is looked up among those that were loaded, and nowhere else.

import { acceptedCodings } from './coding.ts'
import type { Coding } from './coding.ts'
import { compress } from './compress.ts'
import type { Made } from './compress.ts'
import { allowsRange, failedCondition } from './conditions.ts'
import { createFile } from './file.ts'
import type { File, Headers, Representation } from './file.ts'
import { isImmutable } from './immutable.ts'
import { isNavigation } from './navigation.ts'
import { parseTarget } from './path.ts'
import { parseRange } from './range.ts'

export interface FilesOptions {
  /** The path below which they are mounted, with a slash at both ends. */
  prefix?: string
  /** What pages say besides: a Content-Security-Policy, say. */
  pageHeaders?: Headers
}

export interface FileRequest {
  method: string
  /** As it stands in the request line. */
  target: string
  /** By their names in lower case, as node:http has them. */
  headers: Readonly<Record<string, string | string[] | undefined>>
}

export interface FileAnswer {
  status: number
  headers: Readonly<Headers>
  /** Undefined: none, as for HEAD. */
  body: Buffer | undefined
}

export interface Files {
  answer(request: FileRequest): FileAnswer
  /** Resolves once all codings that were asked for so far are there. */
  settled(): Promise<void>
}

/**
 * Takes the files by their paths (`index.html`, `assets/app.js`), and what is compressed of them beside them, under the name with `.br` or `.gz`
 * behind it. `index.html` answers navigations that no file does, but below `api/`.
 */
export function createFiles(contents: ReadonlyMap<string, Uint8Array>, options: FilesOptions = {}): Files {
  const { prefix = '/', pageHeaders = {} } = options
  const root = prefix.slice(1)
  let last: Promise<unknown> = Promise.resolve()
  const files = new Map<string, File>()
  for (const [path, bytes] of contents) {
    if (isVariant(path, contents)) continue
    const shipped = shippedWith(path, contents)
    files.set(
      path,
      createFile({ path, body: asBuffer(bytes), shipped, pageHeaders, compress: compressLater }),
    )
  }
  return { answer, settled }

  function answer(request: FileRequest): FileAnswer {
    const { method, target, headers } = request
    if (method !== 'GET' && method !== 'HEAD')
      return plain(request, 405, 'GET and HEAD only', { Allow: 'GET, HEAD' })
    const parsed = parseTarget(target)
    if (parsed === 'malformed') return plain(request, 400, 'malformed path')
    if (parsed === 'odd') return plain(request, 404, 'not found')
    if (`${parsed.path}/` === root) return redirect(request, parsed.path)
    if (!parsed.path.startsWith(root)) return plain(request, 404, 'not found')
    const path = parsed.path.slice(root.length)
    const file = files.get(path === '' || path.endsWith('/') ? `${path}index.html` : path)
    if (file) return send(request, file)
    if (files.has(`${path}/index.html`)) return redirect(request, path)
    const page = files.get('index.html')
    if (page && isOfTheApp(path) && isNavigation(path, navigationHeaders(headers))) return send(request, page)
    return plain(request, 404, 'not found')
  }

  async function settled(): Promise<void> {
    for (let seen; seen !== last;) await (seen = last)
  }

  /** One after the other: the pool has other work too. */
  function compressLater(coding: Made, body: Buffer): Promise<Buffer> {
    const result = last.then(() => compress(coding, body)).catch(() => body)
    last = result
    return result
  }
}

/** What is not there below these is missing, whoever asks. */
function isOfTheApp(path: string): boolean {
  return !/^api(?:\/|$)/.test(path) && !isImmutable(path)
}

function send(request: FileRequest, file: File): FileAnswer {
  const { method, headers } = request
  const representation = file.select(acceptedCodings(one(headers['accept-encoding'])))
  if (!representation) return plain(request, 406, 'none of the accepted codings', { Vary: 'Accept-Encoding' })
  const { body, etag } = representation
  const conditions = { ifMatch: one(headers['if-match']), ifNoneMatch: one(headers['if-none-match']) }
  const failed = failedCondition(conditions, etag)
  if (failed === 412) return plain(request, 412, 'another one by now')
  if (failed === 304) return { status: 304, headers: unchanged(representation), body: undefined }
  if (method === 'HEAD') return { status: 200, headers: representation.headers, body: undefined }
  const range = one(headers.range)
  if (range !== undefined && allowsRange(one(headers['if-range']), etag))
    return part(request, representation, range)
  return { status: 200, headers: representation.headers, body }
}

/** RFC 9110 §15.4.5: nothing about a body, which does not come. */
function unchanged({ headers }: Representation): Headers {
  const { 'Content-Type': _type, 'Content-Length': _length, 'Content-Encoding': _encoding, ...kept } = headers
  return kept
}

/** Several ranges are answered with all of it, which §14.2 allows: no browser asks an app's files so, and many small ones cost more than they save. */
function part(request: FileRequest, { body, headers }: Representation, value: string): FileAnswer {
  const range = parseRange(value, body.length)
  if (range === undefined) return { status: 200, headers, body }
  if (range === 'unsatisfiable')
    return plain(request, 416, 'no such range', { 'Content-Range': `bytes */${body.length}` })
  const { from, to } = range
  const bytes = body.subarray(from, to + 1)
  const lines = { 'Content-Range': `bytes ${from}-${to}/${body.length}`, 'Content-Length': `${bytes.length}` }
  return { status: 206, headers: { ...headers, ...lines }, body: bytes }
}

/** To the folder of that name, whose page has relative links. Relative itself: what stands before the path, an Ingress may have cut off. */
function redirect(request: FileRequest, path: string): FileAnswer {
  const name = encodeURIComponent(path.slice(path.lastIndexOf('/') + 1))
  const query = /\?[^#]*/.exec(request.target)?.[0] ?? ''
  return plain(request, 301, 'see the folder', {
    Location: `./${name}/${query}`,
    'Cache-Control': 'no-cache',
  })
}

function plain({ method }: FileRequest, status: number, text: string, headers: Headers = {}): FileAnswer {
  const body = Buffer.from(`${text}\n`)
  const common = {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': `${body.length}`,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  }
  return { status, headers: { ...common, ...headers }, body: method === 'HEAD' ? undefined : body }
}

function navigationHeaders(headers: FileRequest['headers']) {
  return {
    accept: one(headers.accept),
    mode: one(headers['sec-fetch-mode']),
    destination: one(headers['sec-fetch-dest']),
  }
}

function one(value: string | string[] | undefined): string | undefined {
  return typeof value === 'object' ? value.join(', ') : value
}

const suffixes: [suffix: string, coding: Coding][] = [
  ['.br', 'br'],
  ['.gz', 'gzip'],
]

/** Never a file of its own: under its own name its coding would be lost. */
function isVariant(path: string, contents: ReadonlyMap<string, unknown>): boolean {
  return suffixes.some(([suffix]) => path.endsWith(suffix) && contents.has(path.slice(0, -suffix.length)))
}

function shippedWith(path: string, contents: ReadonlyMap<string, Uint8Array>): Map<Coding, Buffer> {
  const shipped = new Map<Coding, Buffer>()
  for (const [suffix, coding] of suffixes) {
    const bytes = contents.get(`${path}${suffix}`)
    if (bytes) shipped.set(coding, asBuffer(bytes))
  }
  return shipped
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
