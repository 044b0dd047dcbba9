// The front as a wire: what an app gets and what its client gets, byte for byte, for what proxies are known to break. The cases are
// those of linkerd2-proxy's transparency tests and of the TestReverseProxy… of Go's net/http/httputil.

import t from 'tap'
import { get, ok, openFront, rawApp } from './stage.ts'
import type { Client } from './stage.ts'

interface Case {
  name: string
  request: string
  answer: string
  /** The app closes behind its answer; otherwise the connection is used once more. */
  isLast?: boolean
}

const host = 'Host: a\r\n'
const head = (...lines: string[]): string => [...lines, '', ''].join('\r\n')
const chunked = 'Transfer-Encoding: chunked'

const cases: Case[] = [
  // linkerd2-proxy, tests/transparency.rs
  { name: 'HTTP/1.0 with a Host', request: head('GET / HTTP/1.0', 'Host: a'), answer: `HTTP/1.0 200 OK\r\n\r\nhi`, isLast: true }, // prettier-ignore
  { name: 'HTTP/1.0 without a Host', request: head('GET / HTTP/1.0'), answer: `HTTP/1.0 200 OK\r\n\r\nhi`, isLast: true }, // prettier-ignore
  { name: 'HTTP/1.0 answered with HTTP/1.1', request: head('GET / HTTP/1.0'), answer: ok('hi', 'Connection: close'), isLast: true }, // prettier-ignore
  { name: 'HTTP/1.0 that keeps its connection', request: head('GET / HTTP/1.0', 'Connection: keep-alive'), answer: head('HTTP/1.0 200 OK', 'Connection: keep-alive', 'Content-Length: 0') }, // prettier-ignore
  { name: 'an absolute URI that differs from Host', request: head('GET http://b.example:8080/x?y HTTP/1.1', 'Host: a'), answer: ok('hi') }, // prettier-ignore
  { name: 'OPTIONS for the server itself', request: head('OPTIONS * HTTP/1.1', 'Host: a'), answer: head('HTTP/1.1 204 No Content', 'Allow: GET') }, // prettier-ignore
  { name: 'an upgrade that is refused', request: head('GET / HTTP/1.1', 'Host: a', 'Connection: Upgrade', 'Upgrade: websocket'), answer: ok('no') }, // prettier-ignore
  { name: 'an upgrade to h2c that is offered', request: head('GET / HTTP/1.1', 'Host: a', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA'), answer: ok('no') }, // prettier-ignore
  { name: 'a CONNECT that is refused', request: head('CONNECT a:443 HTTP/1.1', 'Host: a:443'), answer: head('HTTP/1.1 405 Method Not Allowed', 'Content-Length: 0') }, // prettier-ignore
  { name: 'a body with a length', request: `${head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 5')}hello`, answer: ok('hello') }, // prettier-ignore
  { name: 'a body in chunks', request: `${head('POST / HTTP/1.1', 'Host: a', chunked)}5\r\nhello\r\n0\r\n\r\n`, answer: ok('hello') }, // prettier-ignore
  { name: 'a DELETE and an OPTIONS in chunks (CVE-2026-29057)', request: `${head('DELETE / HTTP/1.1', 'Host: a', chunked)}5\r\nhello\r\n0\r\n\r\n`, answer: ok('hello') }, // prettier-ignore
  { name: 'a GET with a body', request: `${head('GET / HTTP/1.1', 'Host: a', 'Content-Length: 5')}hello`, answer: ok('hello') }, // prettier-ignore
  { name: 'no body and no framing', request: head('POST / HTTP/1.1', 'Host: a'), answer: ok('') },
  {
    name: 'a length of zero',
    request: head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 0'),
    answer: ok(''),
  },
  { name: 'answers without a body', request: get('/'), answer: head('HTTP/1.1 204 No Content', 'X: y') },
  { name: '304 with a length', request: get('/x.js', 'If-None-Match: "e"'), answer: head('HTTP/1.1 304 Not Modified', 'Content-Length: 1000', 'ETag: "e"') }, // prettier-ignore
  { name: 'HEAD with a length', request: head('HEAD / HTTP/1.1', 'Host: a'), answer: head('HTTP/1.1 200 OK', 'Content-Length: 1000') }, // prettier-ignore
  { name: 'HEAD in chunks', request: head('HEAD / HTTP/1.1', 'Host: a'), answer: head('HTTP/1.1 200 OK', chunked) }, // prettier-ignore
  {
    name: 'HEAD without a length',
    request: head('HEAD / HTTP/1.1', 'Host: a'),
    answer: head('HTTP/1.1 200 OK'),
  },
  { name: 'an answer to the end of its connection', request: get('/'), answer: `${head('HTTP/1.1 200 OK', 'Connection: close')}hi`, isLast: true }, // prettier-ignore
  {
    name: 'a reset of content',
    request: get('/'),
    answer: head('HTTP/1.1 205 Reset Content', 'Content-Length: 0'),
  },
  // net/http/httputil, reverseproxy_test.go
  { name: 'headers that Connection names', request: get('/', 'Connection: X-Hop, keep-alive', 'X-Hop: 1', 'Keep-Alive: timeout=5'), answer: ok('', 'Connection: X-Hop', 'X-Hop: 1') }, // prettier-ignore
  {
    name: 'an empty Connection',
    request: get('/', 'Connection:', 'Connection: '),
    answer: ok('', 'Connection:'),
  },
  { name: 'TE: trailers', request: get('/', 'Connection: TE', 'TE: trailers'), answer: `${head('HTTP/1.1 200 OK', chunked, 'Trailer: X, Y')}2\r\nhi\r\n0\r\nX: 1\r\nUnannounced: 2\r\n\r\n` }, // prettier-ignore
  { name: 'a query that does not parse', request: get('/a%zz?x=%zz&a=1;b=2&&?='), answer: ok('') },
  { name: 'slashes, backslashes and dots in a path', request: get('//a/..//.//\\b/%2e%2e/'), answer: ok('') },
  { name: 'Forwarded headers of somebody else', request: get('/', 'X-Forwarded-For: 1.2.3.4, 5.6.7.8', 'X-Forwarded-For: 9.9.9.9', 'Forwarded: for=x', 'Via: 1.1 y'), answer: ok('') }, // prettier-ignore
  { name: '1xx answers, in order', request: get('/'), answer: head('HTTP/1.1 103 Early Hints', 'Link: </a.css>; rel=preload') + head('HTTP/1.1 103 Early Hints', 'Link: </b.css>') + head('HTTP/1.1 102 Processing') + ok('hi') }, // prettier-ignore
  {
    name: 'a 100 that nobody asked for',
    request: get('/'),
    answer: head('HTTP/1.1 100 Continue') + ok('hi'),
  },
  { name: 'an Expect that is refused', request: `${head('POST / HTTP/1.1', 'Host: a', 'Expect: 100-continue', 'Content-Length: 2')}hi`, answer: head('HTTP/1.1 417 Expectation Failed', 'Content-Length: 0') }, // prettier-ignore
  { name: 'an odd content type', request: `${head('POST / HTTP/1.1', 'Host: a', 'Content-Type: application/json ; charset', 'Content-Length: 2')}{}`, answer: ok('', 'Content-Type:') }, // prettier-ignore
  { name: 'two cookies, and a header twice', request: get('/', 'Cookie: a=1', 'Cookie: b=2'), answer: ok('', 'Set-Cookie: a=1', 'X: 1', 'Set-Cookie: b=2', 'x: 2') }, // prettier-ignore
  {
    name: 'an unknown method, in lower case',
    request: head('m-search /x HTTP/1.1', 'Host: a'),
    answer: ok(''),
  },
  {
    name: 'a head of 60 KiB',
    request: get(`/${'x'.repeat(60_000)}`),
    answer: ok('', `X: ${'y'.repeat(60_000)}`),
  },
  {
    name: 'no reason phrase, and an odd status',
    request: get('/'),
    answer: head('HTTP/1.1 799', 'Content-Length: 0'),
  },
]

for (const pieceBytes of [Infinity, 5]) {
  t.test(`byte for byte, in pieces of ${pieceBytes}`, async t => {
    for (const { name, request, answer, isLast } of cases) {
      // Small pieces of a long head only cost time.
      const size = Math.max(pieceBytes, request.length / 100)
      const app = await rawApp(t, (socket, got) => {
        void got.until(request).then(async () => {
          await send(got, answer, size)
          if (isLast) socket.end()
          else await got.until('/again').then(() => got.write(ok('again')))
        })
        socket.on('end', () => socket.end())
      })
      const { dial, front } = await openFront(t, app.port)
      const client = dial()
      await send(client, request, size)
      await client.until(answer)
      if (isLast) {
        t.equal(await client.ended, 'end', name)
        t.equal(client.text(), answer, name)
        t.equal(app.sockets[0]?.text(), request, name)
      } else {
        client.write(get('/again'))
        t.equal(await client.until('again'), answer + ok('again'), name)
        t.equal(app.sockets[0]?.text(), request + get('/again'), name)
      }
      t.match(front.counters, { unframed: 0, malformed: 0, opaque: 0 }, name)
      client.socket.destroy()
    }
  })
}

async function send(to: Client, text: string, size: number): Promise<void> {
  for (let at = 0; at < text.length; at += size) {
    to.write(text.slice(at, at + size))
    await new Promise(resolve => setImmediate(resolve))
  }
}

t.test('events reach the browser one by one, as the app sends them', async t => {
  const app = await rawApp(t, (_, got) => {
    void got
      .until('\r\n\r\n')
      .then(() => got.write(head('HTTP/1.1 200 OK', 'Content-Type: text/event-stream', chunked)))
  })
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(get('/events', 'Accept: text/event-stream'))
  await client.until('\r\n\r\n')
  for (const event of ['data: 1\n\n', 'data: 2\n\n', ': idle\n\n']) {
    app.sockets[0]!.write(`${event.length.toString(16)}\r\n${event}\r\n`)
    await client.until(event)
  }
  client.socket.resetAndDestroy()
  t.equal(await app.sockets[0]!.ended, 'reset', 'and the app learns that the tab has gone')
})

t.test('a WebSocket whose client has no more to say still hears', async t => {
  const switched = head('HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: x')
  const app = await rawApp(t, (socket, got) => {
    void got.until('\r\n\r\n').then(() => got.write(switched))
    socket.on('end', () => {
      got.write('one')
      setTimeout(() => socket.end('two'), 20)
    })
  })
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(get('/', 'Connection: Upgrade', 'Upgrade: x'))
  await client.until(switched)
  client.socket.end()
  t.equal(await client.ended, 'end')
  t.equal(client.text(), `${switched}onetwo`)
})

t.test('an app that closes a WebSocket first still gets what the client says', async t => {
  const switched = head('HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: x')
  const app = await rawApp(t, (socket, got) => void got.until('\r\n\r\n').then(() => socket.end(switched)))
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(get('/', 'Connection: Upgrade', 'Upgrade: x'))
  t.equal(await client.ended, 'end')
  client.write('last words')
  client.socket.end()
  await app.sockets[0]!.until('last words')
})

t.test('a body that comes a byte at a time reaches the app so', async t => {
  const app = await rawApp(t, () => {})
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 20'))
  for (let n = 1; n <= 20; n++) {
    client.write('x')
    while (!app.sockets[0]?.text().endsWith(`\r\n\r\n${'x'.repeat(n)}`))
      await new Promise(resolve => setImmediate(resolve))
  }
  app.sockets[0]!.write(ok('done'))
  await client.until('done')
  t.equal(app.sockets[0]!.text().length, head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 20').length + 20)
})

t.test('the head of a truncated answer comes before its end', async t => {
  const part = `${head('HTTP/1.1 200 OK', 'Content-Length: 100', 'X: y')}abc`
  const app = await rawApp(t, (socket, got) => void got.until('\r\n\r\n').then(() => socket.end(part)))
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(`GET / HTTP/1.1\r\n${host}\r\n`)
  t.equal(await client.ended, 'end')
  t.equal(client.text(), part)
})
