// What a request asks for: a page, an asset of a page, or something that is the app's own business.
// Browsers say it (Sec-Fetch-Dest); on insecure origins and from older ones there is only the Accept header and the path.

import { field } from './head.ts'
import type { Request } from './request.ts'

export type Kind = 'document' | 'asset' | 'other'

// https://fetch.spec.whatwg.org/#concept-request-destination
const documents = new Set(['document', 'iframe', 'frame', 'embed', 'object'])
const assets = new Set([
  'script',
  'style',
  'image',
  'font',
  'audio',
  'video',
  'track',
  'worker',
  'sharedworker',
  'serviceworker',
  'audioworklet',
  'paintworklet',
  'manifest',
  'json', // `import … with { type: 'json' }`
])

/** Never the last part of an address that a script asks for HTML: no html, no xml, no json, no pdf. */
const assetExtension =
  /\.(?:[cm]?js|css|map|wasm|webmanifest|woff2?|ttf|otf|eot|png|jpe?g|gif|svg|webp|avif|ico|mp[34]|webm|og[gv]|vtt)$/i

/** Takes a whole request; one with a body is nobody's asset. */
export function kindOf(request: Request): Kind {
  if (request.method !== 'GET' && request.method !== 'HEAD') return 'other'
  const destination = field(request, 'sec-fetch-dest')
  if (destination !== undefined && destination !== 'empty') {
    if (documents.has(destination)) return 'document'
    return request.body === 0 && assets.has(destination) ? 'asset' : 'other'
  }
  // A service worker and a script that fetches a page send no destination of use.
  if (/\btext\/html\b/i.test(field(request, 'accept') ?? '')) return 'document'
  if (request.body !== 0) return 'other'
  // What a script fetches may be anything, whatever its name; what a page prefetches is an asset that it will need.
  if (destination === 'empty' && !isPrefetch(request)) return 'other'
  return assetExtension.test(pathOf(request.target)) ? 'asset' : 'other'
}

/** The target without its query and fragment. */
export function pathOf(target: string): string {
  const end = target.search(/[?#]/)
  return end === -1 ? target : target.slice(0, end)
}

function isPrefetch(request: Request): boolean {
  return /^prefetch\b/i.test(field(request, 'sec-purpose') ?? field(request, 'purpose') ?? '')
}
