// The sample app: a page (`?auto` gives the one that reloads by itself), the one asset it names, and 404 for what it does not have; uploads, and a
// WebSocket that says again what it hears. It ends as apps should: it stops to listen, lets its exchanges finish, says 1001 to its WebSockets
// and closes the connections that are idle.

import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { pageOf } from './page.js'

const version = process.env.VERSION ?? '1'
const script = `document.documentElement.dataset.version = '${version}'\n`

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://app')
  if (pathname === '/healthz') return send(response, 200, 'text/plain', 'ok\n')
  if (request.method === 'POST') return void receive(request, response)
  if (pathname === `/assets/main-${version}.js`) return send(response, 200, 'text/javascript', script)
  if (pathname.startsWith('/assets/')) return send(response, 404, 'text/plain', 'not found\n')
  // The router of the SPA knows its own paths.
  send(response, 200, 'text/html; charset=utf-8', pageOf(version, { isAuto: searchParams.has('auto') }))
})
server.keepAliveTimeout = 65_000 // longer than the load balancers in front of it keep theirs
server.listen(8080)

const sockets = new Set()
server.on('upgrade', (request, socket) => {
  const accept = createHash('sha1')
    .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest('base64')
  const lines = ['Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Accept: ${accept}`]
  socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`)
  sockets.add(socket)
  let left = Buffer.alloc(0)
  socket.on('data', bytes => {
    left = Buffer.concat([left, bytes])
    // A masked frame of less than 126 bytes (RFC 6455, 5.2): what the tests send.
    while (left.length >= 6 && left.length >= 6 + (left[1] & 127)) {
      const end = 6 + (left[1] & 127)
      const payload = left.subarray(6, end).map((byte, index) => byte ^ left[2 + (index & 3)])
      socket.write(Buffer.concat([Buffer.from([left[0], payload.length]), payload]))
      if ((left[0] & 15) === 8) socket.end() // it said 1000, and so do we
      left = left.subarray(end)
    }
  })
  socket.on('error', () => socket.destroy())
  socket.on('close', () => sockets.delete(socket))
})

process.once('SIGTERM', () => {
  server.close(() => process.exit(0))
  for (const socket of sockets) socket.write(Buffer.from([0x88, 2, 1001 >> 8, 1001 & 255]))
})

async function receive(request, response) {
  let bytes = 0
  try {
    for await (const chunk of request) bytes += chunk.length
  } catch {
    return // the client has gone
  }
  send(response, 200, 'text/plain', String(bytes))
}

function send(response, status, type, body) {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) })
  response.end(response.req.method === 'HEAD' ? undefined : body)
}
