// The event bus: whoever publishes is never held up by who reads. Events that come together are written together, the same bytes to all readers,
// so many readers at a time that admission, on the same thread, does not wait.

import type { ServerResponse } from 'node:http'
import { formatFrame } from './ring.ts'
import type { Ring } from './ring.ts'
import { openReader } from './reader.ts'
import type { Limits, Reader } from './reader.ts'

export interface ChannelOptions {
  /** Everything there is now: first `reset`, whose id is empty, so that nobody goes on from the middle, and which is made for each reader. */
  snapshot(): Generator<Told>
  /** Undefined: nobody resumes, everybody begins with a snapshot. */
  ring?: Ring
  limits?: Partial<Limits>
  /** Called whenever their number has changed. */
  onReaders?(count: number): void
}

/** The data of one event, and an id where it is to have one. */
export interface Told {
  data: string
  id?: string
}

export interface Channel {
  /** Takes the data of events, in their order. */
  publish(data: readonly string[]): void
  /** Answers with the stream. `lastId` is what the reader has seen last. */
  open(response: ServerResponse, lastId?: string): void
  /** Sends data that is no event of the story: it has no id, and is not kept. */
  beat(data: string): void
  /** Tells each reader that this is the end, by events that may differ from one to the next, and closes. */
  close(last: () => string): void
}

const defaults: Limits = { maxFrames: 256, maxBytes: 1024 * 1024, stallMs: 30_000 }
const perTurn = 500

export function createChannel({ snapshot, ring, limits, onReaders }: ChannelOptions): Channel {
  const readers = new Set<Reader>()
  let cached: { id: string; frames: Buffer[] } | undefined
  return { publish, open, beat, close }

  function beat(data: string): void {
    fanOut([...readers], Buffer.from(formatFrame(data)), 1)
  }

  function publish(data: readonly string[]): void {
    if (data.length === 0) return
    const text = data.map(one => (ring ? ring.add(one) : formatFrame(one))).join('')
    cached = undefined
    fanOut([...readers], Buffer.from(text), data.length)
  }

  function open(response: ServerResponse, lastId?: string): void {
    const reader = openReader({
      response,
      snapshot: frames,
      limits: { ...defaults, ...limits },
      onGone() {
        if (!readers.delete(reader)) return
        onReaders?.(readers.size)
        if (readers.size === 0) cached = undefined
      },
    })
    readers.add(reader)
    onReaders?.(readers.size)
    const missed = lastId === undefined ? undefined : ring?.after(lastId)
    if (!missed) reader.begin()
    else if (missed.length > 0) reader.send(Buffer.from(missed.join('')), missed.length)
  }

  /** Those who come between two events share the bytes, which can be long: the time, in the `reset`, they do not share. */
  function frames(): Buffer[] {
    const told = snapshot()
    const reset = told.next()
    if (reset.done) return []
    const id = ring?.lastId() ?? ''
    if (!ring || cached?.id !== id) cached = { id, frames: Array.from(told, frameOf) }
    return [frameOf(reset.value), ...cached.frames]
  }

  function close(last: () => string): void {
    for (const reader of readers) reader.end(last())
    readers.clear()
  }
}

function frameOf({ data, id }: Told): Buffer {
  return Buffer.from(formatFrame(data, id))
}

/** A reader that comes while others are being served is not among them: its snapshot has it all. */
function fanOut(to: readonly Reader[], chunk: Buffer, events: number): void {
  for (const reader of to.slice(0, perTurn)) reader.send(chunk, events)
  if (to.length > perTurn) setImmediate(fanOut, to.slice(perTurn), chunk, events)
}
