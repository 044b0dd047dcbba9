// Reads bytes as the front does, without a socket: what comes out is a text of notes (`<GET /1>`, `<400 head>`, `<end>`) and bytes.

import { createAnswers } from '../../../sidecar/front/answers.ts'
import { defaultLimits } from '../../../sidecar/front/limits.ts'
import { createRequests } from '../../../sidecar/front/requests.ts'

/** Feeds the chunks; returns all that came out, as one text. A sink that is never free again holds what follows. */
export function readRequests(chunks: Buffer[]): string {
  let out = ''
  let isBusy = false
  let isOver = false
  const reader = createRequests(
    {
      isBusy: () => isBusy,
      begin({ method, target, isSwitching }) {
        out += `<${method} ${target}>`
        isBusy = isSwitching
        if (!target.includes('/__spa/')) return undefined
        isBusy = true
        return 'ours'
      },
      write: bytes => void (out += bytes.toString('latin1')),
      endBody: () => void (out += '<end of body>'),
      end: () => void (out += '<end>'),
      surplus: () => {},
      refuse({ status }, isInBody) {
        out += `<${status} ${isInBody ? 'body' : 'head'}>`
        isOver = true
      },
      leave() {
        out += '<leave>'
        isOver = true
      },
    },
    defaultLimits,
  )
  let rest = Buffer.alloc(0)
  for (const chunk of chunks) {
    if (isOver) rest = Buffer.concat([rest, chunk])
    else reader.take(chunk)
  }
  if (!isOver) reader.end()
  const isRefused = /<\d+ \w+>$/.test(out) // what follows a refusal is of no interest, and is not kept
  reader.close()
  return isRefused ? out : `${out}<rest ${Buffer.concat([reader.rest(), rest]).toString('latin1')}>`
}

export function readAnswers(methods: string[], chunks: Buffer[]): string {
  const awaited = [...methods]
  let out = ''
  let why = ''
  const reader = createAnswers({
    awaited: () => awaited[0],
    begin: ({ status }) => void (out += `<${status}>`),
    write: bytes => void (out += bytes.toString('latin1')),
    end() {
      out += '<end>'
      awaited.shift()
    },
    leave(reason, rest) {
      why = `<${reason}>`
      out += rest.toString('latin1')
    },
  })
  for (const chunk of chunks) {
    if (why === '') reader.take(chunk)
    else out += chunk.toString('latin1')
  }
  return (
    out +
    reader
      .held()
      .toString('latin1')
      .repeat(why === '' ? 1 : 0) +
    why
  )
}

export function* splits(bytes: Buffer): Generator<Buffer[]> {
  for (let first = 1; first < bytes.length; first++) {
    yield [bytes.subarray(0, first), bytes.subarray(first)]
    const second = first + 1 + ((first * 7) % 13)
    if (second < bytes.length)
      yield [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)]
  }
  yield Array.from(bytes, byte => Buffer.from([byte]))
}

/** Offsets in what is written may move against the notes between, so both are compared apart. */
export function parts(out: string): [notes: string, bytes: string] {
  return [(out.match(/<[^>]*>/g) ?? []).join(''), out.replace(/<[^>]*>/g, '')]
}

/** Mulberry32: the same messages in every run. */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
