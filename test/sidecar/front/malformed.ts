import t from 'tap'
import { answering, get, ok, openFront, rawApp } from './stage.ts'

const host = 'Host: a\r\n'
const chunked = `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n`

const cases: [status: number, what: string, bytes: string][] = [
  [400, 'a bare LF', `GET / HTTP/1.1\n${host}\r\n`],
  [400, 'a bare LF that ends the head', `GET / HTTP/1.1\r\nHost: a\n\n`],
  [400, 'a bare CR', `GET / HTTP/1.1\r\nX: a\rb\r\n${host}\r\n`],
  [400, 'a NUL', `GET / HTTP/1.1\r\nX: a\0b\r\n${host}\r\n`],
  [400, 'a folded line', `GET / HTTP/1.1\r\n${host} x: y\r\n\r\n`],
  [400, 'a space before the colon', `GET / HTTP/1.1\r\nHost : a\r\n\r\n`],
  [
    400,
    'a length and a coding',
    `POST / HTTP/1.1\r\n${host}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  [400, 'two lengths', `POST / HTTP/1.1\r\n${host}Content-Length: 1\r\nContent-Length: 1\r\n\r\nx`],
  [400, 'an odd length', `POST / HTTP/1.1\r\n${host}Content-Length: 1a\r\n\r\nx`],
  [501, 'a coding', `POST / HTTP/1.1\r\n${host}Transfer-Encoding: gzip, chunked\r\n\r\n`],
  [400, 'a coding in HTTP/1.0', `POST / HTTP/1.0\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  [400, 'no Host', `GET / HTTP/1.1\r\n\r\n`],
  [400, 'two Hosts', `GET / HTTP/1.1\r\n${host}${host}\r\n`],
  [505, 'a version', `GET / HTTP/1.9\r\n${host}\r\n`],
  [400, 'two spaces', `GET  / HTTP/1.1\r\n${host}\r\n`],
  [414, 'a long target', `GET /${'x'.repeat(70_000)}`],
  [431, 'a large head', `GET / HTTP/1.1\r\n${`X: ${'y'.repeat(1_000)}\r\n`.repeat(70)}`],
  [431, 'many lines', `GET / HTTP/1.1\r\n${host}${'X: y\r\n'.repeat(200)}\r\n`],
  [400, 'no chunk size', `${chunked}\r\n`],
  [400, 'a chunk size with a sign', `${chunked}+1\r\nx\r\n`],
  [400, 'a chunk size with a space', `${chunked}1 \r\nx\r\n`],
  [400, 'a chunk size that overflows', `${chunked}10000000000000000\r\nx\r\n`],
  [400, 'a bare LF behind a chunk size', `${chunked}1\nx\r\n`],
  [400, 'a bare LF in an extension', `${chunked}1;a\nx\r\n`],
  [400, 'more bytes than the chunk', `${chunked}1\r\nxy\r\n`],
  [400, 'another byte for the CR behind a chunk', `${chunked}1\r\nxy\n0\r\n\r\n`],
  [400, 'a bare LF behind a chunk', `${chunked}1\r\nx\n0\r\n\r\n`],
  [400, 'an extension without a name', `${chunked}1;\r\nx\r\n`],
  [400, 'a space in an extension', `${chunked}1; a\r\nx\r\n`],
  [400, 'an extension without a value', `${chunked}1;a=\r\nx\r\n`],
  [400, 'an extension whose quotes do not end', `${chunked}1;a="b\r\nx\r\n`],
  [400, 'bytes behind quotes', `${chunked}1;a="b"c\r\nx\r\n`],
  [400, 'a length among the trailers', `${chunked}0\r\nContent-Length: 5\r\n\r\n`],
  [400, 'a coding among the trailers', `${chunked}0\r\nTRANSFER-ENCODING: chunked\r\n\r\n`],
  [413, 'a chunk line of 4 KiB', `${chunked}1;${'x'.repeat(4_001)}\r\nx\r\n`],
  [413, 'more extensions than data', `${chunked}${`1;${'x'.repeat(3_000)}\r\nx\r\n`.repeat(6)}`],
  [431, 'trailers of 4 KiB', `${chunked}0\r\nX: ${'y'.repeat(4_000)}\r\n\r\n`],
  [431, 'many trailers', `${chunked}0\r\n${'X: y\r\n'.repeat(1_200)}\r\n`],
  [400, 'a malformed Host', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n'],
  [400, 'a malformed trailer', `${chunked}0\r\nX : y\r\n\r\n`],
  [400, 'a trailer ended by a bare LF', `${chunked}0\r\nX: y\n\r\n`],
]

t.test('a malformed request is refused with its status, and its connection closed', async t => {
  const app = await rawApp(t, () => {})
  const { dial, front, logged } = await openFront(t, app.port)
  for (const [status, what, bytes] of cases) {
    const client = dial()
    client.write(Buffer.from(bytes, 'latin1'))
    t.equal(await client.ended, 'end', what)
    t.match(
      client.text(),
      new RegExp(
        `^HTTP/1\\.1 ${status} [A-Z][^\\r]+\\r\\nConnection: close\\r\\nContent-Length: 0\\r\\n\\r\\n$`,
      ),
      what,
    )
  }
  t.match(front.counters, { malformed: cases.length - 3, headBytes: 2, headLines: 1, headTime: 0 })
  t.match(
    logged.filter(({ code }) => code === 'request_refused'),
    cases.map(([status]) => ({ message: 'request refused', status })),
  )
  t.notOk(
    app.sockets.some(got => /GET|\n\n|: a\rb/.test(got.text())),
    'no head of them has reached the app',
  )
})

t.test('the refusal comes after the answers that are awaited', async t => {
  const app = await rawApp(t, () => {})
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(get('/1') + get('/2') + 'GET / HTTP/1.1\nHost: a\n\n' + get('/never'))
  const got = await until(app, '/2')
  got.write(ok('one') + ok('two'))
  t.equal(await client.ended, 'end')
  t.equal(
    client.text(),
    `${ok('one')}${ok('two')}HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
  )
  t.equal(got.text(), get('/1') + get('/2'))
})

t.test('no refusal is written into an answer that has begun', async t => {
  const app = await rawApp(t, () => {})
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(`${chunked}1\r\nx\r\n`)
  const got = await until(app, 'x\r\n')
  got.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nrun')
  await client.until('run')
  client.write('zzz\r\n')
  t.equal(await got.ended, 'end', 'the app learns that no more is to come')
  got.write('ning!!')
  t.equal(await client.ended, 'end')
  t.equal(client.text(), 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nrunning!!')
})

t.test('a request that ends in its head is refused', async t => {
  const app = await answering(t, () => ok('x'))
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(`${get('/1')}GET /2 HTTP/1.1\r\nHo`)
  client.socket.end()
  t.equal(await client.ended, 'end')
  t.match(client.text(), /^HTTP\/1\.1 200 [^]*\r\n\r\nxHTTP\/1\.1 400 /)
})

/** The app's side of the latest connection, once it has got that text. */
async function until(app: Awaited<ReturnType<typeof rawApp>>, text: string) {
  while (app.sockets.length === 0) await new Promise(resolve => setImmediate(resolve))
  const got = app.sockets.at(-1)!
  await got.until(text)
  return got
}
