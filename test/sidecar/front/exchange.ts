// Requests and answers through the front, as bytes: what the app gets and what the client gets.

import http from 'node:http'
import { once } from 'node:events'
import t from 'tap'
import { answering, get, httpApp, ok, openFront, rawApp, serverTiming } from './stage.ts'

const html = 'Content-Type: text/html'

t.test('a request and its answer pass byte for byte, case and order and odd bytes', async t => {
  const request =
    'pUt /a?b=%zz#c HTTP/1.1\r\nhOST: x\r\nX-Odd:\t caf\xe9  \r\nx-odd: 2\r\nContent-Length: 3\r\n\r\n\0\xff\n'
  const answer =
    'HTTP/1.1 299 \xdcber OK\r\nset-COOKIE: a\r\nX: \r\nset-COOKIE: b\r\ncontent-length:2\r\n\r\n\0\xfe'
  const app = await rawApp(
    t,
    (socket, got) => void got.until('\0\xff\n').then(() => socket.write(answer, 'latin1')),
  )
  const { dial, front } = await openFront(t, app.port)
  const client = dial()
  client.write(Buffer.from(request, 'latin1'))
  t.equal(await client.until('\0\xfe'), answer)
  t.equal(app.sockets[0]?.text(), request)
  t.match(front.counters, { connections: 1, open: 1, requests: 1, documents: 0, malformed: 0 })
})

t.test('pipelined requests are answered in order on one connection to the app', async t => {
  const app = await answering(t, head => ok(`<${head.slice(4, 6)}>`))
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(Array.from({ length: 9 }, (_, i) => get(`/${i}`)).join(''))
  const text = await client.until('</8>')
  t.equal(text.match(/<.*?>/g)?.join(''), '</0></1></2></3></4></5></6></7></8>')
  t.equal(app.sockets.length, 1)
})

t.test('more pipelined requests than are let through at once are all answered', async t => {
  const app = await rawApp(t, (socket, got) => {
    let answered = 0
    void got.until('GET /63 ').then(text => {
      t.notMatch(text, 'GET /64 ')
      socket.on('data', answer)
      return answer()
    })
    function answer(): void {
      for (const all = got.text().match(/GET/g)?.length ?? 0; answered < all; answered++)
        socket.write(ok(`<${answered}>`))
    }
  })
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(Array.from({ length: 500 }, (_, i) => get(`/${i}`)).join(''))
  const text = await client.until('<499>')
  t.equal(text.match(/<.*?>/g)?.join(''), Array.from({ length: 500 }, (_, i) => `<${i}>`).join(''))
})

t.test('HTML says its version, and other answers on the same connection stay as they are', async t => {
  const app = await answering(t, head => (head.includes('.js') ? ok('js') : ok('<p>', html)))
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(get('/') + get('/x.js') + get('/'))
  const page = `HTTP/1.1 200 OK\r\nContent-Length: 3\r\n${html}\r\nServer-Timing: ${serverTiming}\r\nCache-Control: no-cache\r\n\r\n<p>`
  t.equal(await client.until(/<p>[^]*<p>/), page + ok('js') + page)
})

t.test(
  'a page that a cache was asked for says no version, and the next one on the same connection does',
  async t => {
    const app = await answering(t, () => ok('<p>', html))
    const { dial } = await openFront(t, app.port)
    const client = dial()
    client.write(get('/', 'Cache-Control: only-if-cached') + get('/'))
    const page = `HTTP/1.1 200 OK\r\nContent-Length: 3\r\n${html}\r\n`
    t.equal(
      await client.until(/<p>[^]*<p>/),
      `${page}Cache-Control: no-store\r\n\r\n<p>${page}Server-Timing: ${serverTiming}\r\nCache-Control: no-cache\r\n\r\n<p>`,
    )
  },
)

t.test('conditional headers reach the app with requests for assets only', async t => {
  const app = await answering(t, () => ok('x', html))
  const { dial, front } = await openFront(t, app.port)
  const client = dial()
  const conditions = ['If-None-Match: "e"', 'Range: bytes=0-1']
  client.write(get('/', 'Sec-Fetch-Dest: document', ...conditions, 'Accept: text/html'))
  client.write(get('/x.js', 'Sec-Fetch-Dest: script', ...conditions))
  await client.until(/x[^]*\r\nx/)
  t.equal(
    app.sockets[0]?.text(),
    get('/', 'Sec-Fetch-Dest: document', 'Accept: text/html') +
      get('/x.js', 'Sec-Fetch-Dest: script', ...conditions),
  )
  t.equal(front.counters.documents, 1)
})

t.test('a 304 to a script that asks for HTML passes unchanged', async t => {
  const answer = `HTTP/1.1 304 Not Modified\r\n${html}\r\nETag: "e"\r\n\r\n`
  const app = await answering(t, () => answer)
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(get('/', 'If-None-Match: "e"') + get('/2', 'If-None-Match: "e"'))
  t.equal(await client.until(/304[^]*304[^]*\r\n\r\n/), answer + answer)
})

t.test('the client’s address is added where none is told', async t => {
  const app = await answering(t, () => ok('x'))
  const { dial } = await openFront(t, app.port, { edits: { forwarded: 'add' } })
  const client = dial()
  client.write(get('/1') + get('/2', 'X-FORWARDED-FOR: 1.2.3.4'))
  await client.until(/x[^]*\r\nx/)
  t.equal(
    app.sockets[0]?.text(),
    get('/1', 'X-Forwarded-For: 127.0.0.1') + get('/2', 'X-FORWARDED-FOR: 1.2.3.4'),
  )
})

t.test('an IPv4 client of a dual-stack listener is told as IPv4', async t => {
  const app = await answering(t, () => ok('x'))
  const { dial, front } = await openFront(t, app.port, { edits: { forwarded: 'add' }, listen: { port: 0 } })
  t.equal(front.address()?.address, '::')
  const client = dial()
  client.write(get('/'))
  await client.until('\r\n\r\nx')
  t.match(app.sockets[0]?.text(), /\r\nX-Forwarded-For: 127\.0\.0\.1\r\n\r\n$/)
})

t.test('HEAD, 204, 304 and 1xx answers have no body', async t => {
  const parts = [
    'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n',
    'HTTP/1.1 103 Early Hints\r\nLink: </x.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
    'HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n',
    ok('end'),
  ]
  let i = 0
  const app = await answering(t, () => parts[i++]!)
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n' + get('/') + get('/') + get('/'))
  t.equal(await client.until('end'), parts.join(''))
})

t.test('chunks and trailers pass as they are, both ways', async t => {
  const chunks = '5;ext="x y"\r\nhello\r\n000\r\nTrailer: 1\r\nX-Sum:2\r\n\r\n'
  const answer = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n${chunks}`
  const app = await rawApp(
    t,
    (socket, got) => void got.until('X-Sum:2\r\n\r\n').then(() => socket.write(answer)),
  )
  const { dial } = await openFront(t, app.port)
  const client = dial()
  const request = `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`
  client.write(request)
  t.equal(await client.until('X-Sum:2\r\n\r\n'), answer)
  t.equal(app.sockets[0]?.text(), request)
})

t.test(
  'an answer without a length lasts until the app closes, and says its version if it is HTML',
  async t => {
    const app = await rawApp(t, (socket, got) => {
      void got
        .until('\r\n\r\n')
        .then(() => socket.end(`HTTP/1.0 200 OK\r\n${html}\r\n\r\n<p>HTTP/1.1 200 OK\r\n\r\n`))
    })
    const { dial, front } = await openFront(t, app.port)
    const client = dial()
    client.write('GET / HTTP/1.0\r\n\r\n')
    t.equal(await client.ended, 'end')
    t.equal(
      client.text(),
      `HTTP/1.0 200 OK\r\n${html}\r\nServer-Timing: ${serverTiming}\r\nCache-Control: no-cache\r\n\r\n<p>HTTP/1.1 200 OK\r\n\r\n`,
    )
    t.equal(front.counters.unframed, 0)
  },
)

t.test('an answer that cannot be framed passes as it is', async t => {
  for (const answer of [
    'HTTP/1.1 200 OK\nContent-Type: text/html\n\n<p>',
    'ICY 200 OK\r\n\r\nmusic',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense',
    `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(70_000)}\r\nContent-Length: 0\r\n\r\n`,
    'nonsense',
  ]) {
    const app = await rawApp(t, (socket, got) => void got.until('\r\n\r\n').then(() => socket.end(answer)))
    const { dial, front } = await openFront(t, app.port)
    const client = dial()
    client.write(get('/'))
    t.equal(await client.ended, 'end')
    t.equal(client.text(), answer, JSON.stringify(answer.slice(0, 60)))
    // A head that has not come whole when the app ends is no more than a short answer.
    t.equal(front.counters.unframed, answer === 'nonsense' ? 0 : 1)
  }
})

t.test('100-continue is between the client and the app', async t => {
  const { port } = await httpApp(t, (req, res) => {
    let length = 0
    req.on('data', (chunk: Buffer) => (length += chunk.length)).on('end', () => res.end(`got ${length}`))
  })
  const { dial } = await openFront(t, port)
  const client = dial()
  client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n')
  t.match(await client.until('\r\n\r\n'), /^HTTP\/1\.1 100 Continue\r\n\r\n$/)
  client.write('hello')
  t.match(await client.until('got 5'), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
})

t.test('an answer streams while its request still does', async t => {
  const { port } = await httpApp(t, (req, res) => {
    res.writeHead(200)
    req.on('data', chunk => res.write(chunk)).on('end', () => res.end('end'))
  })
  const { dial } = await openFront(t, port)
  const client = dial()
  client.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
  for (const word of ['one', 'two', 'six']) {
    client.write(`3\r\n${word}\r\n`)
    await client.until(word)
  }
  client.write('0\r\n\r\n')
  await client.until('0\r\n\r\n')
})

t.test('after a request that says close nothing more reaches the app', async t => {
  const app = await rawApp(
    t,
    (socket, got) => void got.until('\r\n\r\n').then(() => socket.end(ok('one', 'Connection: close'))),
  )
  const { dial } = await openFront(t, app.port)
  const client = dial()
  const first = get('/1', 'Connection: close')
  client.write(`${first}${get('/2')}`)
  t.equal(await client.ended, 'end')
  t.equal(client.text(), ok('one', 'Connection: close'))
  t.equal(app.sockets[0]?.text(), first)
})

t.test('an idle connection ends when the app ends it', async t => {
  const app = await answering(t, () => ok('x'))
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(get('/'))
  await client.until('\r\n\r\nx')
  app.sockets[0]?.socket.end()
  t.equal(await client.ended, 'end')
})

t.test('a keep-alive agent of node works through it', async t => {
  const { port: appPort, server } = await httpApp(t, (req, res) => res.end(req.url))
  let connections = 0
  server.on('connection', () => connections++)
  const { port } = await openFront(t, appPort)
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  for (const path of ['/1', '/2', '/3']) {
    const [res] = (await once(http.get({ port, host: '127.0.0.1', path, agent }), 'response')) as [
      http.IncomingMessage,
    ]
    t.equal(String(await res.toArray()), path)
  }
  t.equal(connections, 1)
})
