import t from 'tap'
import { parseAnswer } from '../../../sidecar/front/answer.ts'
import { editAnswer, editRequest, missingAsset, reconnect } from '../../../sidecar/front/edits.ts'
import { parseRequest } from '../../../sidecar/front/request.ts'
import type { Kind } from '../../../sidecar/front/kind.ts'
import type { Request } from '../../../sidecar/front/request.ts'

function request(...lines: string[]): Request {
  const parsed = parseRequest(Buffer.from([...lines, '', ''].join('\r\n')))
  if ('status' in parsed) throw new Error(parsed.why)
  return parsed
}

const plain = { isDocument: false, page: 'plain', tag: undefined, peer: undefined } as const

const edits = {
  serverTiming: () => 'spa;desc="web-1"',
  revalidate: 'add',
  missing: undefined,
  tag: undefined,
  isLast: false,
} as const

function edited(isLast: boolean, ...lines: string[]): string | undefined {
  const answer = parseAnswer(Buffer.from([...lines, '', ''].join('\r\n')), 'GET')
  if (!answer) throw new Error('not an answer')
  return editAnswer(answer, { ...edits, isLast })?.toString()
}

t.test('a page is asked for whole and unconditionally; an asset as it was', async t => {
  const message = request(
    'GET / HTTP/1.1',
    'host: a',
    'If-None-Match: "x"',
    'if-modified-since: y',
    'IF-MATCH: z',
    'If-Unmodified-Since: u',
    'If-Range: r',
    'Range: bytes=0-1',
    'X-If-None-Match: kept',
  )
  t.equal(
    editRequest(message, { ...plain, isDocument: true })?.toString(),
    'GET / HTTP/1.1\r\nhost: a\r\nX-If-None-Match: kept\r\n\r\n',
  )
  t.equal(editRequest(message, plain), undefined)
})

t.test('X-Forwarded-For is added only where there is none', async t => {
  t.equal(
    editRequest(request('GET / HTTP/1.1', 'Host: a'), { ...plain, peer: '10.0.0.9' })?.toString(),
    'GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.9\r\n\r\n',
  )
  t.equal(
    editRequest(request('GET / HTTP/1.1', 'Host: a', 'x-forwarded-for: b'), { ...plain, peer: '10.0.0.9' }),
    undefined,
  )
})

t.test('HTML, and nothing else, says its version and is revalidated', async t => {
  const added = 'Server-Timing: spa;desc="web-1"\r\n'
  for (const type of ['text/html', 'Text/HTML;charset=utf-8', 'text/html ; charset=x']) {
    const lines = ['HTTP/1.1 404 Not Found', `Content-Type: ${type}`, 'Server-Timing: db;dur=1']
    t.equal(edited(false, ...lines), `${lines.join('\r\n')}\r\n${added}Cache-Control: no-cache\r\n\r\n`, type)
  }
  for (const line of ['Cache-Control: max-age=9', 'Expires: 0', 'Pragma: no-cache']) {
    const lines = ['HTTP/1.1 200 OK', 'Content-Type: text/html', line]
    t.equal(edited(false, ...lines), `${lines.join('\r\n')}\r\n${added}\r\n`, line)
  }
  for (const type of ['application/json', 'text/html5', 'text/plain; x="text/html"', '']) {
    t.equal(edited(false, 'HTTP/1.1 200 OK', `Content-Type: ${type}`), undefined, type)
  }
  t.equal(edited(false, 'HTTP/1.1 200 OK'), undefined)
})

t.test('a page for who wants only what is stored says no version, and nobody keeps it', async t => {
  const lines = ['HTTP/1.1 200 OK', 'Content-Type: text/html', 'Cache-Control: max-age=9', 'ETag: "e"']
  const answer = parseAnswer(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), 'GET')!
  t.equal(
    editAnswer(answer, { ...edits, serverTiming: undefined })?.toString(),
    'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nCache-Control: no-store\r\n\r\n',
  )
})

t.test('a 304 or a part keeps the version of the bytes that the browser has', async t => {
  for (const status of ['304 Not Modified', '206 Partial Content']) {
    t.equal(edited(false, `HTTP/1.1 ${status}`, 'Content-Type: text/html'), undefined, status)
  }
})

t.test('the last answer says close, once, and no longer keep-alive', async t => {
  const start = 'HTTP/1.1 200 OK\r\nA: b\r\n'
  t.equal(edited(true, 'HTTP/1.1 200 OK', 'A: b'), `${start}Connection: close\r\n\r\n`)
  t.equal(
    edited(true, 'HTTP/1.1 200 OK', 'Connection: Keep-Alive', 'A: b', 'Keep-Alive: timeout=5'),
    `${start}Connection: close\r\n\r\n`,
  )
  t.equal(
    edited(true, 'HTTP/1.1 200 OK', 'A: b', 'Connection: X, keep-alive'),
    `${start}Connection: X, keep-alive\r\nConnection: close\r\n\r\n`,
  )
  t.equal(edited(true, 'HTTP/1.1 200 OK', 'connection: Close'), undefined)
})

t.test('an answer of our own server speaks of the client’s connection', async t => {
  const answer = parseAnswer(Buffer.from('HTTP/1.1 200 OK\r\nConnection: close\r\nA: b\r\n\r\n'), 'GET')!
  t.equal(reconnect(answer, false).toString(), 'HTTP/1.1 200 OK\r\nA: b\r\n\r\n')
  t.equal(reconnect(answer, true).toString(), 'HTTP/1.1 200 OK\r\nA: b\r\nConnection: close\r\n\r\n')
  const endless = parseAnswer(Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'), 'GET')!
  t.equal(
    reconnect(endless, true, ['transfer-encoding']).toString(),
    'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n',
  )
})

t.test('where the pod says so, a page that says nothing of caching is left to say nothing', async t => {
  const answer = parseAnswer(Buffer.from('HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n'), 'GET')!
  t.equal(
    editAnswer(answer, { ...edits, revalidate: 'off' })?.toString(),
    'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nServer-Timing: spa;desc="web-1"\r\n\r\n',
  )
})

t.test('what an answer makes of an asset that is not there', async t => {
  const html = 'Content-Type: text/html; charset=utf-8'
  const cases: [kind: Kind, expected: ReturnType<typeof missingAsset>, lines: string[]][] = [
    ['asset', 'page', ['HTTP/1.1 200 OK', html]],
    ['asset', 'stored', ['HTTP/1.1 404 Not Found']],
    [
      'asset',
      'stored',
      ['HTTP/1.1 404 Not Found', html, 'Cache-Control: public, max-age=31536000, immutable'],
    ],
    ['asset', undefined, ['HTTP/1.1 404 Not Found', 'Cache-Control: no-store']],
    ['asset', undefined, ['HTTP/1.1 404 Not Found', 'Cache-Control: max-age=0, No-Cache']],
    ['asset', undefined, ['HTTP/1.1 200 OK', 'Content-Type: text/javascript']],
    ['asset', undefined, ['HTTP/1.1 200 OK']],
    ...[201, 203, 204, 206, 301, 302, 304, 400, 401, 403, 410, 500, 503].map(
      status => ['asset', undefined, [`HTTP/1.1 ${status} X`, html]] as [Kind, undefined, string[]],
    ),
    ['document', undefined, ['HTTP/1.1 200 OK', html]],
    ['document', undefined, ['HTTP/1.1 404 Not Found', html]],
    ['other', undefined, ['HTTP/1.1 200 OK', html]],
    ['other', undefined, ['HTTP/1.1 404 Not Found']],
  ]
  for (const [kind, expected, lines] of cases) {
    const answer = parseAnswer(Buffer.from([...lines, '', ''].join('\r\n')), 'GET')!
    t.equal(missingAsset(kind, answer), expected, `${kind}: ${lines.join(' | ')}`)
  }
})

t.test('a page in an asset’s place keeps nothing of its body, and what is not about it', async t => {
  const answer = parseAnswer(
    Buffer.from(
      [
        'HTTP/1.1 200 Ja',
        'Date: d',
        'Content-Type: text/html',
        'content-encoding: gzip',
        'Transfer-Encoding: chunked',
        'Set-Cookie: a=b',
        'ETag: "e"',
        'Last-Modified: l',
        'Cache-Control: max-age=9',
        'Link: </x.js>; rel=preload',
        'Access-Control-Allow-Origin: *',
        '',
        '',
      ].join('\r\n'),
    ),
    'GET',
  )!
  t.equal(
    editAnswer(answer, { ...edits, missing: 'page', isLast: true })?.toString(),
    'HTTP/1.1 404 Not Found\r\nDate: d\r\nSet-Cookie: a=b\r\nAccess-Control-Allow-Origin: *\r\n' +
      'Cache-Control: no-store\r\nX-SPA-Missing: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
  )
})

t.test('the app’s own 404 keeps its body and may not be stored', async t => {
  const answer = parseAnswer(
    Buffer.from('HTTP/1.1 404 Weg\r\nContent-Length: 4\r\nETag: "e"\r\nExpires: later\r\n\r\n'),
    'GET',
  )!
  t.equal(
    editAnswer(answer, { ...edits, missing: 'stored' })?.toString(),
    'HTTP/1.1 404 Weg\r\nContent-Length: 4\r\nCache-Control: no-store\r\nX-SPA-Missing: 1\r\n\r\n',
  )
})

t.test('of the ETags that a browser has, the app hears its own of this version', async t => {
  const conditions = ['If-None-Match: "web-1:a", W/"web-1:b", "web-2:a", "a", *', 'If-Modified-Since: x']
  const message = request('GET / HTTP/1.1', 'Host: a', ...conditions, 'Accept-Encoding: gzip')
  const asked = (page: 'etag' | 'stamp', tag: string) =>
    editRequest(message, { ...plain, isDocument: true, page, tag })?.toString()
  const start = 'GET / HTTP/1.1\r\nHost: a\r\n'
  t.equal(asked('etag', 'web-1'), `${start}Accept-Encoding: gzip\r\nIf-None-Match: "a", W/"b"\r\n\r\n`)
  t.equal(asked('etag', 'web-3'), `${start}Accept-Encoding: gzip\r\n\r\n`)
  t.equal(asked('stamp', 'web-2'), `${start}If-None-Match: "a"\r\n\r\n`, 'and is asked for plain bytes')
})

t.test('the ETag of a page, and of a 304 for one, names its version', async t => {
  const cases: [expected: string | undefined, status: number, type: string, etag: string][] = [
    ['"web-1:e"', 200, 'text/html', '"e"'],
    ['W/"web-1:e"', 200, 'text/html', 'W/"e"'],
    ['"web-1:e"', 304, 'x', '"e"'],
    ['odd', 200, 'text/html', 'odd'],
    [undefined, 200, 'image/png', '"e"'],
    [undefined, 206, 'text/html', '"e"'],
  ]
  for (const [expected, status, type, etag] of cases) {
    const lines = [`HTTP/1.1 ${status} X`, `Content-Type: ${type}`, `ETag: ${etag}`, '', '']
    const answer = parseAnswer(Buffer.from(lines.join('\r\n')), 'GET')!
    const head = editAnswer(answer, { ...edits, tag: 'web-1' })
    t.equal(head && /^ETag: (.*)$/m.exec(head.toString())?.[1]?.trim(), expected, lines.join(' | '))
  }
})
