// What may be stored, and for how long. http-cache-semantics says what RFC 9111 allows a shared cache; we store less: only what the app has
// marked as never changing, by `immutable` or by a name that is made of the content, and says the freshness of.

import CachePolicy from 'http-cache-semantics'
import { field, fields, has, hasToken } from '../head.ts'
import type { Head } from '../head.ts'
import type { Answer } from '../answer.ts'
import { isHtml } from '../edits.ts'
import { pathOf } from '../kind.ts'
import type { Request } from '../request.ts'
import { isHash } from '../../../static/immutable.ts'

/**
 * Whether a name is made of its content: `index-BpZ1z3aQ.js`, `main.3f2a91bc.css`. Only code and fonts have such names for sure: whatever else
 * has an id in its name may be for one user's eyes, and apps that say `max-age` of it mean his browser. The hash stands behind a separator.
 */
export function isFingerprinted(target: string): boolean {
  const hash = hashed.exec(pathOf(target))?.[1]
  return hash !== undefined && (isHash(hash) || isBase32(hash))
}

const hashed =
  /[.\-_~]([0-9a-f]{8,64}|[\w-]{8})(?:\.[a-z]{2,12})?\.(?:m?js|css|wasm|woff2?|ttf|otf|eot)(?:\.map)?$/

/** As esbuild writes them. A word in capitals has no digit; neither has one hash in five. */
function isBase32(text: string): boolean {
  return /^[A-Z2-7]{8}$/.test(text) && /\d/.test(text)
}

/** Whether a request may be answered from the store, or fill it. Everything out of the ordinary goes to the app. */
export function isCacheable(request: Request): boolean {
  return (
    (request.method === 'GET' || request.method === 'HEAD') &&
    request.minor === 1 &&
    request.body === 0 &&
    !request.isSwitching &&
    !refused.some(name => has(request, name))
  )
}

// Conditions on writing, credentials, and headers by which some frameworks serve another address than the one that is asked for.
const refused = [
  'authorization',
  'expect',
  'if-match',
  'if-unmodified-since',
  'x-original-url',
  'x-rewrite-url',
  'x-http-method-override',
  'x-method-override',
]

/** Takes a request and the app's answer to it; returns the policy by which it is stored, undefined where it is not. */
export function policyOf(request: Request, answer: Answer): CachePolicy | undefined {
  if (answer.status !== 200 || request.method !== 'GET' || isHtml(answer) || has(answer, 'set-cookie'))
    return undefined
  if (!isStatic(request, answer)) return undefined
  if (answer.body === 'until-close' || answer.body === 'tunnel' || !isCacheable(request)) return undefined
  if (unkeyable.some(name => hasToken(answer, 'vary', name))) return undefined
  const response = { status: answer.status, headers: headersOf(answer) }
  const policy = new CachePolicy(requestOf(request), response, { shared: true, cacheHeuristic: 0 })
  return policy.storable() && policy.timeToLive() > 0 ? policy : undefined
}

/**
 * Marked as never changing. Where a cookie came along, and the name does not tell what it is, the app has to say too that it is for everybody: RFC 9111
 * §3.5 asks that for `Authorization` only, but nobody chose to put a shared cache here.
 */
function isStatic(request: Request, answer: Answer): boolean {
  if (isFingerprinted(request.target) && isCodeOrFont(request, answer)) return true
  if (!hasToken(answer, 'cache-control', 'immutable')) return false
  return !has(request, 'cookie') || hasToken(answer, 'cache-control', 'public')
}

/** An app that answers `/api/me/x-4f2a91bc.js` by its session says what it answers with: a picture would bring anybody's cookie there. */
function isCodeOrFont(request: Request, answer: Answer): boolean {
  const type = field(answer, 'content-type')
  if (type === undefined) return true
  return (
    codeOrFont.test(type) || (/^application\/json\b/i.test(type) && pathOf(request.target).endsWith('.map'))
  )
}

const codeOrFont =
  /^(?:(?:text|application)\/(?:x-)?(?:java|ecma)script|text\/css|application\/wasm|font\/|application\/(?:x-)?font-|application\/vnd\.ms-fontobject)/i

/** What differs from user to user is not worth a place. */
const unkeyable = ['*', 'cookie', 'authorization', 'user-agent']

/** Whether what is stored satisfies a request that has its own word on freshness (RFC 9111 §5.2.1). */
export function isSatisfied(policy: CachePolicy, request: Request): boolean {
  if (!has(request, 'cache-control') && !has(request, 'pragma')) return true
  return policy.satisfiesWithoutRevalidation(requestOf(request))
}

/**
 * The names of what one resource's answers differ by, but for Accept-Encoding, which is seen to apart: what its Vary lists, and the Origin, which apps
 * echo in Access-Control-Allow-Origin and forget to list. Only an answer for every origin is one for those without any.
 */
export function varyOf(answer: Head): string[] {
  const listed = fields(answer, 'vary').join(',').toLowerCase().split(',')
  const origin = field(answer, 'access-control-allow-origin') === '*' ? '' : 'origin'
  const names = new Set([origin, ...listed.map(name => name.trim())])
  return [...names].filter(name => name !== '' && name !== 'accept-encoding')
}

/** The values that a request has for those names: equal texts, equal values. Empty where it has none of them, as nearly all do. */
export function selection(request: Request, names: readonly string[]): string {
  for (const name of names) {
    if (has(request, name)) return JSON.stringify(names.map(each => fields(request, each)))
  }
  return ''
}

/**
 * What tells one resource from another; undefined where that is too long to be an asset's: keys are kept. No part can hold the space between
 * them: a Host and a target have none, and the others are written as JSON. Apps make addresses of the forwarding headers, so these count too.
 */
export function keyOf(request: Request): string | undefined {
  const forwarded = field(request, 'x-forwarded-host')
  const proto = field(request, 'x-forwarded-proto')
  const address = `${field(request, 'host')?.toLowerCase() ?? ''} ${request.target}`
  const isPlain = forwarded === undefined && proto === undefined
  const key = isPlain ? address : `${address} ${JSON.stringify([forwarded, proto])}`
  return key.length <= maxKeyLength ? key : undefined
}

const maxKeyLength = 2_048

function requestOf(request: Request): CachePolicy.HttpRequest {
  const headers = headersOf(request)
  // Content codings and Vary are our own matter: one answer stands for all requests that it fits.
  return { method: 'GET', url: request.target, headers }
}

function headersOf({ bytes, lines }: Head): Record<string, string> {
  const headers: Record<string, string> = {}
  for (let line = 0; line < lines.length; line += 3) {
    const name = bytes.toString('latin1', lines[line], lines[line + 1]).toLowerCase()
    if (name === 'vary') continue
    const value = bytes.toString('latin1', lines[line + 1]! + 1, lines[line + 2]).trim()
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
  }
  return headers
}
