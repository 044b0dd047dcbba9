// The app's bytes come through one buffer and leave through another: whatever is kept or waits has to be a copy.

import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { connectLending, writeLent } from '../../../sidecar/front/lent.ts'
import { createOutlet } from '../../../sidecar/front/outlet.ts'
import { get, httpApp, openFront, rawApp } from './stage.ts'

/** Both ends of a connection. */
async function pair(t: Test): Promise<[near: Socket, far: Socket]> {
  const server = net.createServer()
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const far = net.connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [near] = (await once(server, 'connection')) as [Socket]
  t.teardown(() => near.destroy())
  t.teardown(() => far.destroy())
  return [near, far]
}

/** What comes until it is that much. */
async function read(from: Socket, length: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  for (let got = 0; got < length;) {
    const [chunk] = (await once(from, 'data')) as [Buffer]
    chunks.push(chunk)
    got += chunk.length
  }
  return Buffer.concat(chunks)
}

t.test('bytes that wait for a slow reader are not those that come after them', async t => {
  const [slow, reader] = await pair(t)
  const [other] = await pair(t)
  const sent = createHash('sha1')
  let length = 0
  while (slow.writableLength < 1024 * 1024) {
    const lent = randomBytes(60_000)
    sent.update(lent)
    length += lent.length
    writeLent(slow, lent.subarray(0, 100), lent.subarray(100))
    lent.fill(0)
    writeLent(other, Buffer.alloc(60_000))
  }
  const got = createHash('sha1').update(await read(reader, length))
  t.equal(got.digest('hex'), sent.digest('hex'))
})

t.test('the pieces of an answer leave in one write, and in their order', async t => {
  const [client, reader] = await pair(t)
  const writes: number[] = []
  const write = client.write.bind(client)
  client.write = (bytes: Buffer) => {
    writes.push(bytes.length)
    return write(bytes)
  }
  const outlet = createOutlet(client)
  outlet.gather()
  outlet.write(Buffer.from('head '))
  outlet.write(Buffer.alloc(64 * 1024, 'b'))
  t.equal(outlet.bytesWritten, 5 + 64 * 1024)
  outlet.release()
  outlet.gather()
  outlet.write(Buffer.from('before '))
  outlet.send([Buffer.from('stored '), Buffer.from('body ')])
  outlet.write(Buffer.from('after'))
  outlet.release()
  t.same(writes, [5 + 64 * 1024, 7, 12, 5])
  t.equal(outlet.bytesWritten, 5 + 64 * 1024 + 24)
  const got = await read(reader, 5 + 64 * 1024 + 24)
  t.equal(got.toString('latin1', 0, 6), 'head b')
  t.equal(got.toString('latin1', 5 + 64 * 1024), 'before stored body after')
})

t.test('a message from the store that is large is not copied', async t => {
  const [client] = await pair(t)
  const written: unknown[] = []
  client.write = (bytes: unknown) => written.push(bytes) > 0
  const body = Buffer.alloc(100_000)
  createOutlet(client).send([body])
  t.equal(written[0], body)
})

t.test('a lending socket tells all that comes, and its end', async t => {
  const server = net.createServer(socket => socket.end(Buffer.alloc(300_000, 'x')))
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connectLending({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' })
  let length = 0
  socket.on('data', (chunk: Buffer) => (length += chunk.length))
  await once(socket, 'end')
  t.equal(length, 300_000)
})

t.test('an asset that fills the store while another one passes is stored as it is', async t => {
  const body = randomBytes(150_000)
  const { port } = await httpApp(t, (request, response) => {
    response.setHeader('Cache-Control', 'public, max-age=31536000, immutable')
    response.setHeader('X-Path', request.url!)
    const isAsset = request.url === '/a.3f9a1c7d.js'
    const sent = isAsset ? body : Buffer.alloc(150_000, request.url)
    response.setHeader('Content-Length', sent.length)
    response.write(sent.subarray(0, 70_000))
    setTimeout(() => response.end(sent.subarray(70_000)), isAsset ? 20 : 0)
  })
  const front = await openFront(t, port)
  const fetched = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${front.port}${path}`)
    return { path: response.headers.get('x-path'), body: Buffer.from(await response.arrayBuffer()) }
  }
  await Promise.all([fetched('/a.3f9a1c7d.js'), ...[1, 2, 3].map(n => fetched(`/${n}.txt`))])
  const hit = await fetched('/a.3f9a1c7d.js')
  t.equal(front.front.counters.cacheHits, 1)
  t.equal(hit.path, '/a.3f9a1c7d.js')
  t.ok(hit.body.equals(body))
})

t.test('what a tunnel of the app holds for a slow reader stays as it was', async t => {
  const sent = randomBytes(8 * 1024 * 1024)
  const app = await rawApp(t, (socket, got) => {
    void got.until('\r\n\r\n').then(() => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n')
      socket.write(sent)
    })
  })
  const stage = await openFront(t, app.port)
  const slow = stage.dial()
  slow.write(get('/', 'Connection: Upgrade', 'Upgrade: raw'))
  await slow.until('\r\n\r\n')
  slow.socket.pause()
  const quick = stage.dial()
  quick.write(get('/', 'Connection: Upgrade', 'Upgrade: raw'))
  const whole = (got: Buffer): boolean => got.length >= sent.length + 70
  while (!whole(quick.bytes())) await once(quick.socket, 'data')
  slow.socket.resume()
  while (!whole(slow.bytes())) await once(slow.socket, 'data')
  const tunnelled = (got: Buffer): Buffer => got.subarray(got.indexOf('\r\n\r\n') + 4)
  t.ok(tunnelled(quick.bytes()).equals(sent))
  t.ok(tunnelled(slow.bytes()).equals(sent))
})
