// A gibibyte up and a gibibyte down through the sidecar as a process: every byte arrives, and its memory stays where it is.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import { startPod } from './faults/pod.ts'

const MiB = 2 ** 20
const part = randomBytes(64 * 1024)
const times = 2 ** 30 / part.length

/** The body is `unit`, so many times, and then `end`. */
const framings = [
  { line: `Content-Length: ${2 ** 30}`, unit: part, end: Buffer.alloc(0) },
  {
    line: 'Transfer-Encoding: chunked',
    unit: Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]),
    end: Buffer.from('0\r\n\r\n'),
  },
]
type Framing = (typeof framings)[number]

t.test('a gibibyte each way, sized and in chunks, in a few MiB of memory', { timeout: 300_000 }, async t => {
  let serve: (socket: Socket, chunk: Buffer) => void = () => {}
  const pod = await startPod(t, 20_000, (socket, chunk) => serve(socket, chunk))
  const before = pod.residentBytes()
  let most = 0
  const watch = setInterval(() => (most = Math.max(most, pod.residentBytes())), 50)
  t.teardown(() => clearInterval(watch))
  for (const framing of framings) {
    serve = socket => void pour(socket, 'HTTP/1.1 200 OK', framing)
    const reader = pod.dial('GET /taken HTTP/1.1\r\nHost: a\r\n\r\n')
    t.equal(await isWhole(reader, framing), true, `down, ${framing.line}`)
    reader.destroy()

    const got = new Promise<boolean>(resolve => {
      serve = (socket, chunk) => void isWhole(socket, framing, chunk).then(resolve)
    })
    const writer = pod.dial()
    await pour(writer, 'PUT /taken HTTP/1.1\r\nHost: a', framing)
    t.equal(await got, true, `up, ${framing.line}`)
    writer.destroy()
  }
  t.comment(`${Math.round(before / MiB)} MiB resident before, ${Math.round(most / MiB)} MiB at most`)
  t.ok(most > before && most < before + 128 * MiB, `${Math.round((most - before) / MiB)} MiB more`)
  await pod.isBackToNormal()
})

async function pour(socket: Socket, firstLines: string, { line, unit, end }: Framing): Promise<void> {
  socket.write(`${firstLines}\r\n${line}\r\n\r\n`)
  for (let n = 0; n < times; n++) if (!socket.write(unit)) await once(socket, 'drain')
  socket.write(end)
}

/** Reads a message to the end of its body, or of the connection; returns whether the body is the one that was sent. */
function isWhole(socket: Socket, { unit, end }: Framing, first?: Buffer): Promise<boolean> {
  const length = unit.length * times + end.length
  let head: Buffer | undefined = Buffer.alloc(0)
  let at = 0
  let isSame = true
  return new Promise(resolve => {
    socket.on('close', () => resolve(false))
    socket.on('data', take)
    if (first) take(first)

    function take(chunk: Buffer): void {
      if (head) {
        head = Buffer.concat([head, chunk])
        const headEnd = head.indexOf('\r\n\r\n')
        if (headEnd === -1) return
        const rest = head.subarray(headEnd + 4)
        head = undefined
        return take(rest)
      }
      for (let from = 0; from < chunk.length;) {
        const [piece, offset] =
          at < unit.length * times ? [unit, at % unit.length] : [end, at - unit.length * times]
        const size = Math.min(chunk.length - from, piece.length - offset)
        if (size <= 0) return resolve(false)
        isSame &&= piece.compare(chunk, from, from + size, offset, offset + size) === 0
        from += size
        at += size
      }
      if (at === length) resolve(isSame)
    }
  })
}
