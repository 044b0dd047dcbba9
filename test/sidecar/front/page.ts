// Pages that carry their version: in an ETag, so that a 304 can only mean the same version, and in a <meta>. Over real sockets.

import t from 'tap'
import { answering, cutting, get, ok, openFront, rawApp, serverTiming } from './stage.ts'

const html = 'Content-Type: text/html'
const document = 'Sec-Fetch-Dest: document'
const added = `Server-Timing: ${serverTiming}\r\nCache-Control: no-cache\r\n`
const meta = '<meta name="spa-version" content="web-6c487dcc49">'
const start = '<!doctype html><head>'

t.test('a page of this version is answered with a 304, of another one with the page', async t => {
  const app = await answering(t, head =>
    head.includes('If-None-Match: "e"')
      ? 'HTTP/1.1 304 Not Modified\r\nETag: "e"\r\n\r\n'
      : ok('<p>', html, 'ETag: "e"'),
  )
  const { dial } = await openFront(t, app.port, { edits: { page: 'etag' } })
  const client = dial()
  const etag = '"web-6c487dcc49:e"'
  const page = `HTTP/1.1 200 OK\r\nContent-Length: 3\r\n${html}\r\n${added}ETag: ${etag}\r\n\r\n<p>`
  for (const [line, expected] of [
    ['X: y', page],
    [`If-None-Match: ${etag}`, `HTTP/1.1 304 Not Modified\r\nETag: ${etag}\r\n\r\n`],
    ['If-None-Match: "web-7f8:e"', page],
    ['If-None-Match: "e"', page],
    ['If-None-Match: *', page],
  ] as const) {
    const before = client.text().length
    client.write(get('/', document, line))
    t.equal(
      (await client.until(new RegExp(`^[^]{${before}}[^]*(<p>|"\r\n\r\n)$`))).slice(before),
      expected,
      line,
    )
  }
})

t.test(
  'a version whose id becomes known while a page is asked for is not told to the older bytes',
  async t => {
    let tag = 'web-1'
    const app = await answering(t, () => {
      tag = 'web-1.id'
      return 'HTTP/1.1 304 Not Modified\r\nETag: "e"\r\n\r\n'
    })
    const { dial } = await openFront(t, app.port, { edits: { page: 'etag' }, tag: () => tag })
    const client = dial()
    client.write(get('/', document, 'If-None-Match: "web-1:e"'))
    t.match(await client.until('\r\n\r\n'), 'ETag: "web-1:e"')
  },
)

t.test('a stamped page has the length that it says', async t => {
  const app = await answering(t, () => ok(`${start}<p>`, html, 'ETag: "e"'))
  const { dial } = await openFront(t, app.port, { edits: { page: 'stamp' } })
  const client = dial()
  client.write(get('/', document) + get('/', document))
  const body = `${start}${meta}<p>`
  const page = `HTTP/1.1 200 OK\r\n${html}\r\n${added}ETag: "web-6c487dcc49:e"\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  t.equal(await client.until(/<p>[^]*<p>/), page + page)
})

t.test('a stamped page of chunks is the same page wherever it is cut', async t => {
  const head = `HTTP/1.1 200 OK\r\n${html}\r\nTransfer-Encoding: chunked\r\n\r\n`
  const chunks = `A;x=y\r\n<!doctype \r\nb\r\nhtml><head>\r\n5\r\n<p>ab\r\n1\r\nc\r\n0\r\nT: u\r\n\r\n`
  const bytes = Buffer.from(head + chunks + ok('next'))
  for (let cut = 1; cut < bytes.length; cut++) {
    const app = await cutting(t, '/2', bytes, cut)
    const { dial, front } = await openFront(t, app.port, { edits: { page: 'stamp' } })
    const client = dial()
    client.write(get('/', document) + get('/2'))
    const [gotHead, gotBody] = (await client.until(ok('next'))).split('\r\n\r\n', 2)
    t.equal(gotHead, `${head.slice(0, -4)}\r\n${added.trimEnd()}`)
    const rest = client.text().slice(gotHead!.length + 4)
    t.equal(dechunk(rest), `${start}${meta}<p>abc`, `at ${cut}: ${gotBody ?? ''}`)
    t.match(rest, /\r\n0\r\nT: u\r\n\r\nHTTP/)
    client.socket.destroy()
    await front.close()
  }
})

function dechunk(text: string): string {
  let body = ''
  for (let at = 0; ;) {
    const end = text.indexOf('\r\n', at)
    const size = parseInt(text.slice(at, end), 16)
    if (size === 0) return body
    body += text.slice(end + 2, end + 2 + size)
    if (text.slice(end + 2 + size, end + 4 + size) !== '\r\n') return `broken: ${text.slice(at)}`
    at = end + 4 + size
  }
}

t.test('what cannot be stamped passes as it came', async t => {
  const body = `${start}<p>`
  const cases: [lines: string[], body: string][] = [
    [[html, 'Content-Encoding: gzip'], body],
    [[html, 'Cache-Control: no-transform'], body],
    [[html, 'Content-MD5: x'], body],
    [['Content-Type: text/html; charset=UTF-16'], body],
    [['Content-Type: image/png'], body],
    [[html], '<p>part of a page'],
    [[html], ''],
  ]
  for (const [lines, body] of cases) {
    const app = await answering(t, () => ok(body, ...lines) + ok('X', 'Connection: close'))
    const { dial } = await openFront(t, app.port, { edits: { page: 'stamp' } })
    const client = dial()
    client.write(get('/', document) + get('/2', document))
    const text = await client.until(/X$/)
    t.match(text, `Content-Length: ${body.length}\r\n`)
    t.notMatch(text, 'spa-version', lines.join(' | '))
    t.match(text, `\r\n\r\n${body}HTTP/1.1 200 OK`)
  }
})

t.test('only a document is stamped, and HEAD promises no length', async t => {
  const app = await answering(t, head => ok(head.startsWith('HEAD') ? '' : `${start}<p>`, html))
  const { dial } = await openFront(t, app.port, { edits: { page: 'stamp' } })
  const client = dial()
  client.write(get('/fragment', 'Sec-Fetch-Dest: empty', 'Accept: */*'))
  t.notMatch(await client.until('<p>'), 'spa-version')
  const before = client.text().length
  client.write(`HEAD / HTTP/1.1\r\nHost: a\r\n${document}\r\n\r\n`)
  const head = (await client.until(new RegExp(`^[^]{${before}}[^]*\r\n\r\n$`))).slice(before)
  t.equal(head, `HTTP/1.1 200 OK\r\n${html}\r\n${added}\r\n`)
})

t.test(
  'an app with Angular’s service worker, which compares the bytes of a page, is not stamped',
  async t => {
    const app = await answering(t, head =>
      head.includes('ngsw.json') ? ok('{}', 'Content-Type: application/json') : ok(`${start}<p>`, html),
    )
    const { dial } = await openFront(t, app.port, { edits: { page: 'stamp' } })
    const client = dial()
    client.write(get('/', document))
    t.match(await client.until('<p>'), meta)
    client.write(get('/shop/ngsw.json?ngsw-cache-bust=0.1'))
    await client.until('{}')
    const before = client.text().length
    client.write(get('/', document))
    t.notMatch((await client.until(new RegExp(`^[^]{${before}}[^]*<p>`))).slice(before), meta)
  },
)

t.test('a page that breaks off before its stamp is passed as far as it came', async t => {
  for (const length of ['Content-Length: 1000', 'Transfer-Encoding: chunked']) {
    const app = await rawApp(t, (socket, got) => {
      void got
        .until('\r\n\r\n')
        .then(() => socket.end(`HTTP/1.1 200 OK\r\n${html}\r\n${length}\r\n\r\n4\r\n<!do`))
    })
    const { dial } = await openFront(t, app.port, { edits: { page: 'stamp' } })
    const client = dial()
    client.write(get('/', document))
    t.equal(await client.ended, 'end')
    t.match(client.text(), new RegExp(`^HTTP/1.1 200 OK[^]*${length}[^]*\r\n\r\n4\r\n<!do$`))
  }
})
