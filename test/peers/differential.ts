// Our framing beside llhttp, Go's net/http and nginx, on the same mangled bytes: whatever we let pass, they read as the same requests.
// Where they disagree among each other we are thus on the strict side. `SPA_FUZZ=<seconds>` runs it for longer, `SPA_FUZZ_SEED=<n>`
// from another seed; what failed can be replayed by its seed.

import t from 'tap'
import { field, has } from '../../sidecar/front/head.ts'
import { defaultLimits } from '../../sidecar/front/limits.ts'
import type { Request } from '../../sidecar/front/request.ts'
import { createRequests } from '../../sidecar/front/requests.ts'
import { createMessages } from '../sidecar/front/messages.ts'
import { goOracle } from './go.ts'
import { nginxOracle } from './nginx.ts'
import { nodeOracle } from './node.ts'
import type { Read } from './read.ts'

const seconds = Number(process.env.SPA_FUZZ ?? 15)
const firstSeed = Number(process.env.SPA_FUZZ_SEED ?? 20261125)
const batch = 256

interface OurRead extends Read {
  requests: {
    method: string
    target: string
    body: string
    isWhole: boolean
    isOdd: boolean
    mayEnd: boolean
  }[]
  /** After the last of them we take no more, and the oracle need not know. */
  hasStopped: boolean
  isOpaque: boolean
}

t.test('what passes us is read by llhttp, Go and nginx as we read it', { timeout: 0 }, async t => {
  const oracles = [nodeOracle(), goOracle(t), await nginxOracle(t)]
  t.comment(`seed ${firstSeed}; ${oracles.map(({ name }) => name).join(', ')}`)
  const refusedAlone = oracles.map(() => 0)
  const end = performance.now() + seconds * 1_000
  let streams = 0
  let passed = 0
  let failures = 0
  for (let seed = firstSeed; performance.now() < end && failures < 10; seed++) {
    const next = createMessages(seed)
    const texts = Array.from({ length: batch }, next)
    const ours = texts.map(readOurs)
    const theirs = await Promise.all(
      oracles.map(({ read }) => read(texts.map(text => Buffer.from(text, 'latin1')))),
    )
    streams += batch
    for (const [i, text] of texts.entries()) {
      if (ours[i]!.isOpaque) continue
      passed += ours[i]!.requests.length
      for (const [o, { name }] of oracles.entries()) {
        const difference = compare(ours[i]!, theirs[o]![i]!)
        if (theirs[o]![i]!.isRefused && !ours[i]!.isRefused) refusedAlone[o]!++
        if (difference && ++failures <= 10)
          t.fail(`${name}, seed ${seed}, stream ${i}: ${difference}`, { text: JSON.stringify(text), ours: ours[i], theirs: theirs[o]![i] }) // prettier-ignore
      }
    }
  }
  t.comment(`${streams} streams, ${passed} requests passed, refused by one alone: ${refusedAlone.join(', ')}`)
  t.ok(streams >= batch && passed > streams / 2, 'most streams are sound enough to be compared')
})

/** What the app would get, or undefined where the two agree. */
function compare(ours: OurRead, theirs: Read): string | undefined {
  for (const [i, request] of ours.requests.entries()) {
    const read = theirs.requests[i]
    if (!read) {
      if (!request.isWhole || request.isOdd || hasEndedBefore(ours, i)) return undefined
      return `it does not read request ${i}`
    }
    if (read.method !== request.method || read.target !== request.target) return `request ${i} is another`
    if (request.isWhole && read.body !== undefined && read.body !== request.body)
      return `body ${i} is another`
  }
  if (ours.isRefused || ours.hasStopped) return undefined
  return theirs.requests.length > ours.requests.length ? 'it reads more requests' : undefined
}

function readOurs(text: string): OurRead {
  const read: OurRead = { requests: [], isRefused: false, hasStopped: false, isOpaque: false }
  let written = ''
  let start = 0
  let request: Request | undefined
  const reader = createRequests(
    {
      isBusy: () => false,
      begin(next) {
        request = next
        const { method, target, body } = next
        read.requests.push({
          method,
          target,
          body: '',
          isWhole: body === 0,
          isOdd: isOdd(next),
          mayEnd: next.minor === 0 || has(next, 'connection'),
        })
        if (body === 0) start += next.bytes.length
        read.hasStopped = next.isLast
        return undefined
      },
      write: bytes => void (written += bytes.toString('latin1')),
      endBody() {
        const last = read.requests.at(-1)!
        const body = written.slice(start + request!.bytes.length)
        last.isWhole = true
        last.body = request!.body === 'chunked' ? withoutChunks(body) : body
        start = written.length
      },
      end: () => {},
      surplus: () => {},
      refuse: () => void (read.isRefused = true),
      leave: () => void (read.isOpaque = true),
    },
    defaultLimits,
  )
  reader.take(Buffer.from(text, 'latin1'))
  if (!read.isRefused) reader.end()
  reader.close()
  return read
}

/** Takes a sound chunked body. */
function withoutChunks(body: string): string {
  let text = ''
  for (let at = 0; ;) {
    const size = parseInt(body.slice(at), 16)
    if (size === 0) return text
    const from = body.indexOf('\n', at) + 1
    text += body.slice(from, from + size)
    at = from + size + 2
  }
}

/** Servers choose which methods, targets and hosts they serve; to us these belong to the app. */
function isOdd(request: Request): boolean {
  return (
    !/^(?:GET|POST|PUT|DELETE|OPTIONS|PATCH)$/.test(request.method) ||
    !/^\/[\w/.-]*$/.test(request.target) ||
    !/^[\w.-]+(?::\d+)?$/.test(field(request, 'host') ?? 'a') ||
    request.bytes[0] === 13 // an empty line before it: RFC 9112 §2.2 says to take it, Go does not
  )
}

/** A server may close behind any answer; these say why it has. */
function hasEndedBefore({ requests }: OurRead, i: number): boolean {
  return requests.slice(0, i).some(({ isOdd, mayEnd }) => isOdd || mayEnd)
}
