// Over real sockets.

import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import { createFiles } from '../../static/files.ts'
import { serve } from '../../static/serve.ts'
import type { Test } from 'tap'

const page = '<!doctype html><title>shop</title>'
const script = 'x()'.repeat(1_000)
const video = Buffer.alloc(16 * 1024 * 1024, 'video')

async function setUp(t: Test) {
  const contents = { 'index.html': page, 'digits.txt': '0123456789', 'app.js': script, 'video.mp4': video }
  const files = createFiles(
    new Map(Object.entries(contents).map(([path, body]) => [path, Buffer.from(body)])),
  )
  const server = createServer((request, response) => serve(files, request, response))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close().closeAllConnections())
  const { port } = server.address() as AddressInfo
  return { files, port }
}

/** Sends bytes on one connection, closes it after them, and returns all that comes back. */
function exchange(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(port, '127.0.0.1', () => socket.end(text))
    socket
      .setEncoding('latin1')
      .on('data', (part: string) => (answer += part))
      .on('end', () => resolve(answer))
      .on('error', reject)
  })
}

const request = (line: string, ...lines: string[]) =>
  [`${line} HTTP/1.1`, 'Host: shop.example', ...lines, '', ''].join('\r\n')

t.test('answers follow one another on one connection, whatever they are', async t => {
  const { port } = await setUp(t)
  const etag = createHash('sha256').update('0123456789').digest('base64url').slice(0, 22)
  const answers = await exchange(
    port,
    [
      request('HEAD /digits.txt'),
      request('GET /digits.txt', 'Range: bytes=2-4'),
      request('GET /digits.txt', 'Range: bytes=2-4', 'Range: bytes=5-6'),
      request('GET /digits.txt', `If-None-Match: "${etag}"`),
      request('GET /digits.txt', 'If-None-Match: "a"', `If-None-Match: "${etag}"`),
      request('GET /digits.txt', 'Range: bytes=99-'),
      request('POST /digits.txt', 'Content-Length: 3') + 'abc',
      request('GET /gone.js', 'Accept: */*'),
      request('GET http://shop.example/orders', 'Accept: text/html'),
    ].join(''),
  )
  t.same(
    [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status),
    ['200', '206', '200', '304', '304', '416', '405', '404', '200'],
  )
  t.match(answers, '\r\nContent-Range: bytes 2-4/10\r\n')
  t.match(answers, '\r\n\r\n234HTTP/1.1 200 OK\r\n')
  t.ok(answers.endsWith(`\r\n\r\n${page}`))
})

t.test('what tries to leave the folder finds nothing', async t => {
  const { port } = await setUp(t)
  for (const target of [
    '/../../etc/passwd',
    '/%2e%2e/%2e%2e/etc/passwd',
    '/..%2f..%2fetc/passwd',
    '/..%5c..%5cetc%5cpasswd',
    '/digits.txt%00.html',
    '/%c0%ae%c0%ae/etc/passwd',
    'http://shop.example/../../etc/passwd',
    '//etc/passwd',
  ])
    t.match(
      await exchange(port, request(`GET ${target}`)),
      /^HTTP\/1\.1 40[04] [^]*\r\nCache-Control: no-store\r\n/,
      target,
    )
})

t.test('fetch unpacks what it asked for packed', async t => {
  const { port, files } = await setUp(t)
  const get = () => fetch(`http://127.0.0.1:${port}/app.js`, { headers: { 'accept-encoding': 'gzip' } })
  t.equal(await (await get()).text(), script)
  await files.settled()
  const answer = await get()
  t.equal(answer.headers.get('content-encoding'), 'gzip')
  t.equal(await answer.text(), script)
  const bytes = await exchange(port, request('GET /app.js', 'Accept-Encoding: gzip', 'Connection: close'))
  t.equal(gunzipSync(Buffer.from(bytes.slice(bytes.indexOf('\r\n\r\n') + 4), 'latin1')).toString(), script)
})

t.test('a hundred clients that read nothing cost no copy of the file', async t => {
  const { port } = await setUp(t)
  const before = process.memoryUsage().rss
  const sockets = await Promise.all(
    Array.from(
      { length: 100 },
      () =>
        new Promise<ReturnType<typeof connect>>((resolve, reject) => {
          const socket = connect(port, '127.0.0.1', () => socket.write(request('GET /video.mp4')))
          socket.once('readable', () => resolve(socket)).once('error', reject)
        }),
    ),
  )
  t.ok(process.memoryUsage().rss - before < 100 * video.length * 0.1, 'nowhere near 1.6 GB')
  for (const socket of sockets) socket.destroy()
})
