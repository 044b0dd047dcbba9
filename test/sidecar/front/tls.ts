// HTTP/2 and TLS through the front: they are between the client and the app alone, from the first byte to the last.

import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import http2 from 'node:http2'
import type { ClientHttp2Session, ServerHttp2Stream } from 'node:http2'
import https from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { buffer } from 'node:stream/consumers'
import tls from 'node:tls'
import t from 'tap'
import type { Test } from 'tap'
import { createCertificate } from '../../tls.ts'
import { openFront } from './stage.ts'

async function listen(t: Test, server: Server | http2.Http2Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

/** The wire form of gRPC (github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md): a flag, a length, a message. */
function message(text: string): Buffer {
  const bytes = Buffer.alloc(5 + Buffer.byteLength(text))
  bytes.writeUInt32BE(bytes.length - 5, 1)
  bytes.write(text, 5)
  return bytes
}

function messages(bytes: Buffer): string[] {
  const texts: string[] = []
  for (let at = 0; at < bytes.length;) {
    const end = at + 5 + bytes.readUInt32BE(at + 1)
    texts.push(bytes.toString('utf8', at + 5, end))
    at = end
  }
  return texts
}

/** A gRPC server: it says back what it hears, message by message, and how that went in the trailers. */
function serveGrpc(stream: ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void {
  stream.respond(
    { ':status': 200, 'content-type': 'application/grpc', 'x-path': headers[':path'] },
    { waitForTrailers: true },
  )
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'grpc-message': 'fine' }))
  stream.on('error', () => {})
  stream.on('data', (chunk: Buffer) => stream.write(chunk))
  stream.on('end', () => stream.end())
}

function call(session: ClientHttp2Session, path: string) {
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
  })
  const trailers = once(stream, 'trailers').then(([trailers]) => trailers as http2.IncomingHttpHeaders)
  return { stream, trailers }
}

t.test('gRPC over HTTP/2 in the clear: calls, streams, trailers and cancellations pass whole', async t => {
  const server = http2.createServer()
  const cancelled: number[] = []
  server.on('stream', (stream, headers) => {
    serveGrpc(stream, headers)
    stream.on('close', () => stream.rstCode && cancelled.push(stream.rstCode))
  })
  const { port, front } = await openFront(t, await listen(t, server))
  const session = http2.connect(`http://127.0.0.1:${port}`)
  t.teardown(() => session.destroy())

  const one = call(session, '/shop.Cart/Get')
  one.stream.end(message('a cart'))
  const [headers] = (await once(one.stream, 'response')) as [http2.IncomingHttpHeaders]
  t.match(headers, { ':status': 200, 'content-type': 'application/grpc', 'x-path': '/shop.Cart/Get' })
  t.same(messages(await buffer(one.stream)), ['a cart'])
  t.match(await one.trailers, { 'grpc-status': '0', 'grpc-message': 'fine' })

  const both = call(session, '/__spa/ws')
  for (let n = 0; n < 50; n++) {
    both.stream.write(message(`message ${n}`))
    const [chunk] = (await once(both.stream, 'data')) as [Buffer]
    t.same(messages(chunk), [`message ${n}`])
  }
  both.stream.end()
  t.match(await both.trailers, { 'grpc-status': '0' })

  const many = await Promise.all(
    Array.from({ length: 100 }, async (_, n) => {
      const { stream, trailers } = call(session, '/shop.Cart/List')
      const text = `${n}`.repeat(20_000)
      stream.end(message(text))
      const [same] = messages(await buffer(stream))
      return same === text && (await trailers)['grpc-status'] === '0'
    }),
  )
  t.ok(many.every(Boolean), '100 calls at once')

  const long = call(session, '/shop.Cart/Watch')
  long.trailers.catch(() => {})
  long.stream.on('error', () => {})
  long.stream.write(message('first'))
  await once(long.stream, 'data')
  long.stream.close(http2.constants.NGHTTP2_CANCEL)
  while (cancelled.length === 0) await new Promise(resolve => setImmediate(resolve))
  t.same(cancelled, [http2.constants.NGHTTP2_CANCEL], 'the app learns of it')
  t.match(front.counters, { connections: 1, opaque: 1, requests: 0, versionRequests: 0, malformed: 0 })
})

t.test('TLS ends at the app: its certificate, the client’s, and the protocol they choose', async t => {
  const { ca, cert, key } = createCertificate()
  const ofClient = createCertificate('tab')
  const server = https.createServer(
    { cert, key, requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      const socket = request.socket as tls.TLSSocket
      const { fingerprint256 } = socket.getPeerCertificate()
      response.setHeader('Content-Type', 'text/html')
      response.end(JSON.stringify([request.url, fingerprint256, socket.getProtocol()]))
    },
  )
  const { port, front } = await openFront(t, await listen(t, server))
  const body = await new Promise<string>((resolve, reject) => {
    https
      .get(
        {
          port,
          host: '127.0.0.1',
          servername: 'localhost',
          path: '/__spa/version',
          ca,
          cert: ofClient.cert,
          key: ofClient.key,
        },
        response => {
          t.equal(response.headers['server-timing'], undefined)
          void buffer(response).then(bytes => resolve(bytes.toString()))
        },
      )
      .on('error', reject)
  })
  const { fingerprint256 } = new X509Certificate(ofClient.cert)
  t.same(JSON.parse(body), ['/__spa/version', fingerprint256, 'TLSv1.3'])
  t.match(front.counters, { opaque: 1, requests: 0, versionRequests: 0 })
})

t.test('a client that does not trust the app’s certificate says so to the app itself', async t => {
  const { cert, key } = createCertificate()
  const server = https.createServer({ cert, key }, (_, response) => response.end())
  const alert = once(server, 'tlsClientError').then(([error]) => (error as NodeJS.ErrnoException).code)
  const { port } = await openFront(t, await listen(t, server))
  const socket = tls.connect({ port, host: '127.0.0.1', servername: 'localhost' })
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
  t.match(error.code, /SELF_SIGNED|UNABLE_TO/)
  t.match(await alert, /ALERT|ECONNRESET/)
})

t.test('HTTP/2 over TLS is negotiated with the app, and a session is resumed', async t => {
  const { ca, cert, key } = createCertificate()
  const server = http2.createSecureServer({ cert, key })
  server.on('stream', serveGrpc)
  const { port } = await openFront(t, await listen(t, server))
  const connect = async (session?: Buffer): Promise<tls.TLSSocket> => {
    const options = {
      port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca,
      ALPNProtocols: ['h2', 'http/1.1'],
    }
    const socket = tls.connect({ ...options, ...(session && { session }) })
    t.teardown(() => socket.destroy())
    await once(socket, 'secureConnect')
    t.equal(socket.alpnProtocol, 'h2')
    return socket
  }
  const socket = await connect()
  const ticket = once(socket, 'session').then(([ticket]) => ticket as Buffer)
  const session = http2.connect('https://localhost', { createConnection: () => socket })
  const { stream, trailers } = call(session, '/shop.Cart/Get')
  stream.end(message('a cart'))
  t.same(messages(await buffer(stream)), ['a cart'])
  t.match(await trailers, { 'grpc-status': '0' })
  const resumed = await connect(await ticket)
  t.equal(resumed.isSessionReused(), true)
  session.destroy()
})
