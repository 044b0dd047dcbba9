// An asset that the app does not have is a 404 that nobody stores, whatever the app makes of it; over real sockets.

import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import t from 'tap'
import { createFallback } from '../../../sidecar/front/fallback.ts'
import { answering, cutting, get, ok, openFront, rawApp } from './stage.ts'

const html = 'Content-Type: text/html'
const missing =
  'HTTP/1.1 404 Not Found\r\nCache-Control: no-store\r\nX-SPA-Missing: 1\r\nContent-Length: 0\r\n\r\n'
const script = 'Sec-Fetch-Dest: script'
const chunked = `HTTP/1.1 200 OK\r\n${html}\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\n<body\r\n0\r\nT: u\r\n\r\n`

t.test('a page in its place is dropped, however it is framed, and the connection goes on', async t => {
  const app = await answering(t, head => {
    if (head.includes('/sized')) return ok('<h1>', html, 'Content-Encoding: gzip', 'ETag: "e"')
    if (head.includes('/chunked')) return chunked
    return head.includes('/empty') ? ok('', html) : ok('js')
  })
  const { dial, front } = await openFront(t, app.port)
  const client = dial()
  for (const target of ['/sized', '/chunked', '/empty'])
    client.write(get(target, script) + get('/app.js', script))
  t.equal(await client.until(/(js[^]*){3}/), (missing + ok('js')).repeat(3))
  t.equal(app.sockets.length, 1)
  t.equal(front.counters.missing, 3)
})

t.test('it is dropped wherever it is cut', async t => {
  const bytes = Buffer.from(chunked + ok('js'))
  for (let cut = 1; cut < bytes.length; cut++) {
    const app = await cutting(t, '/app.js', bytes, cut)
    const { dial, front } = await openFront(t, app.port)
    const client = dial()
    client.write(get('/gone.js', script) + get('/app.js', script))
    t.equal(await client.until('js'), missing + ok('js'), `at ${cut}`)
    client.socket.destroy()
    await front.close()
  }
})

t.test('what is no page passes, though it is called one: browsers run it all the same', async t => {
  const config = '\ufeff \r\n window.config = "<html>"'
  const sized = `HTTP/1.1 200 OK\r\n${html}\r\nContent-Length: ${Buffer.byteLength(config)}\r\n\r\n${config}`
  const size = Buffer.byteLength(config).toString(16)
  const inChunks = `HTTP/1.1 200 OK\r\n${html}\r\nTransfer-Encoding: chunked\r\n\r\n${size}\r\n${config}\r\n0\r\n\r\n`
  for (const text of [sized, inChunks]) {
    const bytes = Buffer.concat([Buffer.from(text), Buffer.from(ok('js'))])
    for (let cut = 1; cut < bytes.length; cut++) {
      const app = await cutting(t, '/app.js', bytes, cut)
      const { dial, front } = await openFront(t, app.port)
      const client = dial()
      client.write(get('/env.js', script) + get('/app.js', script))
      await client.until(/js$/)
      const [, head, body] = /^([^]*?\r\n\r\n)([^]*)$/.exec(client.bytes().toString())!
      t.match(head, /^HTTP\/1\.1 200 OK\r\n/)
      t.equal(body, bytes.toString().replace(/^[^]*?\r\n\r\n/, ''), `at ${cut}`)
      t.equal(front.counters.missing, 0)
      client.socket.destroy()
      await front.close()
    }
  }
})

const codings = { gzip: gzipSync, br: brotliCompressSync, deflate: deflateSync }
const compressed = ['gzip', 'br', 'deflate'] as const

t.test('what is no page passes compressed too, and a page does not', async t => {
  for (const coding of compressed) {
    const said = [html, `Content-Encoding: ${coding}`]
    const config = codings[coding]('window.config = "<html>"').toString('latin1')
    const page = codings[coding]('<!doctype html><title>x</title>').toString('latin1')
    const app = await answering(t, head => {
      if (head.includes('/app.js')) return ok('js')
      return ok(head.includes('/env.js') ? config : page, ...said)
    })
    const { dial, front } = await openFront(t, app.port)
    const client = dial()
    for (const target of ['/env.js', '/gone.js', '/app.js']) client.write(get(target, script))
    await client.until(/js$/)
    const [head, rest] = client.text().split(config)
    t.match(head, /^HTTP\/1\.1 200 OK\r\n/, coding)
    t.equal(rest, missing + ok('js'), coding)
    t.equal(front.counters.missing, 1)
  }
})

t.test('what is compressed is known wherever it is cut', async t => {
  for (const coding of compressed) {
    for (const text of [' \n <h1>', ' \n var h1'.repeat(100)]) {
      const body = codings[coding](text)
      const chunks = Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body])
      for (const [framing, bytes] of [[body.length, body] as const, ['chunked', chunks] as const]) {
        for (let cut = 0; cut <= bytes.length; cut++) {
          const passed: Buffer[] = []
          const told: boolean[] = []
          const fallback = createFallback({ body: framing, coding }, isPage => {
            told.push(isPage)
            return part => passed.push(part)
          })
          fallback.take(bytes.subarray(0, cut))
          fallback.take(bytes.subarray(cut))
          t.same(told, [text.includes('<')], `${coding} ${framing} at ${cut}`)
          t.same(Buffer.concat(passed), bytes)
        }
      }
    }
  }
})

t.test('spaces without end are no page', async t => {
  const spaces = ' '.repeat(9_000)
  const app = await answering(t, () => ok(spaces, html))
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(get('/env.js', script))
  t.match(await client.until(spaces), /^HTTP\/1\.1 200 OK/)
})

t.test('HEAD is answered alike', async t => {
  const app = await answering(t, () => `HTTP/1.1 200 OK\r\n${html}\r\nContent-Length: 1000\r\n\r\n`)
  const { dial } = await openFront(t, app.port)
  const client = dial()
  const head = 'HEAD /gone.js HTTP/1.1\r\nHost: a\r\n\r\n'
  client.write(head + head)
  t.equal(await client.until(/(404[^]*){2}\r\n\r\n$/), missing + missing)
})

t.test('a page without a length or a long one is not waited for', async t => {
  for (const line of ['X: until close', 'Content-Length: 1048577']) {
    const app = await rawApp(t, (socket, got) => {
      void got.until('\r\n\r\n').then(() => socket.write(`HTTP/1.1 200 OK\r\n${html}\r\n${line}\r\n\r\nbody`))
    })
    const { dial } = await openFront(t, app.port)
    const client = dial()
    client.write(get('/gone.js'))
    t.equal(await client.ended, 'end', line)
    t.match(client.text(), /^HTTP\/1\.1 404 Not Found\r\n[^]*Connection: close\r\n\r\n$/)
    t.equal(await app.sockets[0]?.ended, 'end')
  }
})

t.test('chunks without end are not waited for', async t => {
  const app = await rawApp(t, (socket, got) => {
    const chunk = `10000\r\n${'<'.repeat(65_536)}\r\n`
    const more = (): void => {
      while (!socket.destroyed && socket.write(chunk));
      socket.once('drain', more)
    }
    void got.until('\r\n\r\n').then(() => {
      socket.write(`HTTP/1.1 200 OK\r\n${html}\r\nTransfer-Encoding: chunked\r\n\r\n`)
      more()
    })
  })
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(get('/gone.js'))
  t.equal(await client.ended, 'end')
  t.equal(client.text(), missing)
  await app.sockets[0]?.ended
})

t.test('an app that breaks off in what is dropped does not spoil the answer', async t => {
  for (const rest of ['zz', undefined]) {
    const app = await rawApp(t, (socket, got) => {
      void got.until('\r\n\r\n').then(() => {
        socket.write(`HTTP/1.1 200 OK\r\n${html}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<bo`)
        setTimeout(() => (rest === undefined ? socket.resetAndDestroy() : socket.write(`dy\r\n${rest}`)), 20)
      })
    })
    const { dial, front } = await openFront(t, app.port)
    const client = dial()
    client.write(get('/gone.js'))
    t.equal(await client.ended, 'end')
    t.equal(client.text(), missing)
    t.equal(front.counters.unframed, 0)
  }
})

t.test('the app’s own 404 passes, and is not stored', async t => {
  const answer = 'HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nCache-Control: max-age=9\r\n\r\nno'
  const app = await answering(t, () => answer)
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(get('/gone.js'))
  t.equal(
    await client.until('\r\n\r\nno'),
    'HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nCache-Control: no-store\r\nX-SPA-Missing: 1\r\n\r\nno',
  )
})

t.test('where the pod says so, the fallback passes as it is', async t => {
  const app = await answering(t, () => ok('<p>', html, 'Cache-Control: x', 'Server-Timing: y'))
  const { dial, front } = await openFront(t, app.port, { edits: { missing: 'off' } })
  const client = dial()
  client.write(get('/gone.js'))
  t.match(await client.until('<p>'), /^HTTP\/1\.1 200 OK/)
  t.equal(front.counters.missing, 0)
})
