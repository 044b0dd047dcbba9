// llhttp as Node ships it, strict by default, through a server of node:http without a socket.

import http from 'node:http'
import { Duplex } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import type { Oracle, Read } from './read.ts'

export function nodeOracle(): Oracle {
  const reads = new WeakMap<Duplex, Read>()
  const server = http.createServer({ keepAliveTimeout: 0 }, (req, res) => {
    const read = reads.get(req.socket)!
    const request = { method: req.method!, target: req.url!, body: '' }
    read.requests.push(request)
    req.on('data', (chunk: Buffer) => (request.body += chunk.toString('latin1')))
    req.on('end', () => res.end())
    req.on('error', () => (read.isRefused = true))
  })
  server.on('clientError', (_, socket) => {
    reads.get(socket)!.isRefused = true
    socket.destroy()
  })
  return { name: `node:http ${process.versions.node}`, read: streams => Promise.all(streams.map(readOne)) }

  async function readOne(bytes: Buffer): Promise<Read> {
    const read: Read = { requests: [], isRefused: false }
    const socket = new Duplex({ read() {}, write: (_, __, done) => done() })
    const closed = new Promise(resolve => socket.once('close', resolve))
    reads.set(socket, read)
    server.emit('connection', socket)
    socket.push(bytes)
    for (let turn = 0; turn < 6; turn++) await setImmediate()
    socket.push(null)
    await setImmediate()
    socket.destroy()
    await closed
    return read
  }
}
