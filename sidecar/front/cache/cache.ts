// Assets that never change, kept in memory: a hit does not touch the app. It is never asked whether it knows better, never has a page,
// and is emptied when the app goes.

import { field, has } from '../head.ts'
import type { Answer } from '../answer.ts'
import type { Counters } from '../counters.ts'
import type { Request } from '../request.ts'
import { acceptedCodings, codingOf, maskOf } from '../../../static/coding.ts'
import { createEncoder } from './encode.ts'
import { addVariant, createEntry } from './entry.ts'
import type { Entry } from './entry.ts'
import { createFill } from './fill.ts'
import type { Fill } from './fill.ts'
import { createFlights, idle } from './flights.ts'
import type { Flight } from './flights.ts'
import { isCacheable, isFingerprinted, isSatisfied, keyOf, policyOf, selection, varyOf } from './policy.ts'
import { reply } from './reply.ts'
import { createStore } from './store.ts'

export interface Cache {
  /** Returns the answer from the store, for a connection that may end behind it; undefined when there is none. */
  find(request: Request): ((isLast: boolean) => Buffer[]) | undefined
  /**
   * After a miss: returns a flight where the request is to fill the store, undefined where another one is about to. Then `onLanded` is
   * called, later, and the request may look again.
   */
  board(request: Request, onLanded: () => void): Flight | undefined
  /** Takes the head of an answer, which is lent; returns what takes its body, where it is to be stored. */
  fill(request: Request, answer: Answer): Fill | undefined
  /** The app has changed what is there (RFC 9111 §4.4). */
  invalidate(request: Request): void
  clear(): void
  /** Drops everything, and keeps nothing until it may again. */
  allow(isAllowed: boolean): void
  size(): { entries: number; bytes: number }
}

export interface CacheOptions {
  /** 0: nothing is stored. */
  maxBytes: number
  maxEntries: number
  counters: Counters
}

/** Whose answer may be another than the one that the others wait for. */
const unusual = ['range', 'if-none-match', 'if-modified-since', 'cache-control', 'pragma']

/** What is not stored itself, but could have been made from what is: a range, or that nothing has changed. */
function isPart(request: Request, { status }: Answer): boolean {
  return (status === 206 || status === 304) && isFingerprinted(request.target) && isCacheable(request)
}

/** Of all that it may hold, one answer gets no more than this part. */
const maxShare = 4

export function createCache({ maxBytes, maxEntries, counters }: CacheOptions): Cache {
  const store = createStore(maxBytes, maxEntries, () => counters.cacheEvictions++)
  const flights = createFlights()
  const encode = createEncoder()
  const maxBodyBytes = Math.floor(maxBytes / maxShare)
  let filling = 0
  let generation = 0
  let isOff = maxBytes === 0
  return { find, board, fill, invalidate, clear, allow, size: store.size }

  function find(request: Request): ((isLast: boolean) => Buffer[]) | undefined {
    if (store.size().entries === 0 || !isCacheable(request)) return undefined
    const accepted = acceptedCodings(field(request, 'accept-encoding'))
    const key = keyOf(request)
    if (key === undefined) return undefined
    const found = store.find(key, request, accepted.mask)
    if (!found || !isSatisfied(found.entry.policy, request)) return undefined
    counters.cacheHits++
    if (found.entry.isEncodable) addCodings(key, found.entry)
    return isLast => reply(found.entry, request, accepted, isLast)
  }

  function board(request: Request, onLanded: () => void): Flight | undefined {
    if (isOff || request.method !== 'GET' || !isFingerprinted(request.target) || !isCacheable(request))
      return idle
    if (unusual.some(name => has(request, name))) return idle
    const key = keyOf(request)
    if (key === undefined) return idle
    const { mask } = acceptedCodings(field(request, 'accept-encoding'))
    return flights.board(`${key} ${mask}`, onLanded)
  }

  function fill(request: Request, answer: Answer): Fill | undefined {
    const { mask } = acceptedCodings(field(request, 'accept-encoding'))
    const coding = codingOf(field(answer, 'content-encoding'))
    if (coding === undefined || (maskOf(coding) & mask) === 0) return undefined
    const policy = policyOf(request, answer)
    if (policy || isPart(request, answer)) counters.cacheMisses++
    if (!policy || isOff || Number(answer.body) > maxBodyBytes || filling >= maxBytes) return undefined
    const key = keyOf(request)
    if (key === undefined) return undefined
    const begun = generation
    // Of a chunked one only what has come counts: a page asks for several at a time.
    let held = typeof answer.body === 'number' ? answer.body : 0
    filling += held
    const holds = (length: number): boolean => {
      if (length <= held) return true
      filling += length - held
      held = length
      return held <= maxBodyBytes && filling <= maxBytes
    }
    const kept = { ...answer, bytes: Buffer.from(answer.bytes) }
    return createFill(answer, holds, body => {
      filling -= held
      if (!body || begun !== generation) return
      const names = varyOf(kept)
      const entry = createEntry(kept, body, { policy, mask, selection: selection(request, names), key })
      counters.cacheFills++
      store.put(key, names, entry)
    })
  }

  /** From the second time on that it is asked for, and where somebody takes it. */
  function addCodings(key: string, entry: Entry): void {
    entry.isEncodable = false
    const ours = maskOf('br') | maskOf('gzip')
    if ((entry.mask & ours) === 0) return
    const message = entry.messages.get('identity')!
    encode({
      body: message.bytes.subarray(message.bodyAt),
      isWanted: () => store.has(entry, key),
      found(coding, body) {
        const before = entry.bytes
        addVariant(entry, coding, body)
        store.grow(entry.bytes - before)
      },
    })
  }

  function invalidate(request: Request): void {
    const key = store.size().entries > 0 ? keyOf(request) : undefined
    if (key !== undefined) store.delete(key)
  }

  function allow(isAllowed: boolean): void {
    isOff = !isAllowed || maxBytes === 0
    if (isOff) clear()
  }

  function clear(): void {
    generation++
    store.clear()
  }
}
