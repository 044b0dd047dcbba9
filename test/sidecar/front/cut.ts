// A cut socket always says that it has closed: whoever counts open connections waits for that.

import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { cut } from '../../../sidecar/front/tunnel.ts'

t.test('a socket whose end is just on its way closes, and its peer has had all', async t => {
  const { socket, peer } = await pair(t)
  const got: Buffer[] = []
  peer.on('data', chunk => got.push(chunk))
  const closed = [once(socket, 'close'), once(peer, 'close')]
  await new Promise<void>(resolve => void socket.write('all of it', () => resolve()))
  socket.end()
  await new Promise<void>(resolve => process.nextTick(() => process.nextTick(resolve)))
  t.same(
    [socket.writableEnded, socket.writableFinished],
    [true, false],
    'on its way in this very turn of the loop',
  )
  cut(socket)
  await Promise.all(closed)
  t.equal(Buffer.concat(got).toString(), 'all of it')
})

t.test('one that has more to send, or nothing, is reset', async t => {
  for (const bytes of [0, 20_000_000]) {
    const { socket, peer } = await pair(t)
    const failed = once(peer, 'error')
    const closed = once(socket, 'close')
    if (bytes > 0) socket.end(Buffer.alloc(bytes))
    cut(socket)
    await closed
    peer.resume()
    const [error] = (await failed) as [NodeJS.ErrnoException]
    t.equal(error.code, 'ECONNRESET')
  }
})

/** Two ends of one connection, which end with the test. */
async function pair(t: Test): Promise<{ socket: Socket; peer: Socket }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  const peer = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [socket] = (await accepted) as [Socket]
  socket.on('error', error => t.fail(error.message))
  t.teardown(() => {
    peer.destroy()
    socket.destroy()
    server.close()
  })
  return { socket, peer }
}
