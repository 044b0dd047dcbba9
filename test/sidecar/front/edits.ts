import t from 'tap'
import { parseAnswer } from '../../../sidecar/front/answer.ts'
import { editAnswer, editRequest, isDocumentRequest, reconnect } from '../../../sidecar/front/edits.ts'
import { parseRequest } from '../../../sidecar/front/request.ts'
import type { Request } from '../../../sidecar/front/request.ts'

function request(...lines: string[]): Request {
  const parsed = parseRequest(Buffer.from([...lines, '', ''].join('\r\n')))
  if ('status' in parsed) throw new Error(parsed.why)
  return parsed
}

function edited(isLast: boolean, ...lines: string[]): string | undefined {
  const answer = parseAnswer(Buffer.from([...lines, '', ''].join('\r\n')), 'GET')
  if (!answer) throw new Error('not an answer')
  return editAnswer(answer, { serverTiming: () => 'spa;desc="web-1"', isLast })?.toString()
}

t.test('a request for a page is known by what browsers send', async t => {
  const cases: [expected: boolean, lines: string[]][] = [
    [true, ['GET / HTTP/1.1', 'Sec-Fetch-Dest: document', 'Accept: text/html']],
    [true, ['GET / HTTP/1.1', 'Sec-Fetch-Dest: iframe']],
    [true, ['HEAD / HTTP/1.1', 'Sec-Fetch-Dest: frame']],
    [true, ['GET / HTTP/1.1', 'Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8']],
    [true, ['GET / HTTP/1.1', 'Sec-Fetch-Dest: empty', 'Accept: text/html']], // a service worker, or the client that verifies
    [false, ['GET / HTTP/1.1', 'Sec-Fetch-Dest: empty', 'Accept: */*']],
    [false, ['GET / HTTP/1.1', 'Sec-Fetch-Dest: script', 'Accept: text/html']],
    [false, ['GET / HTTP/1.1', 'Sec-Fetch-Dest: image', 'Accept: */*']],
    [false, ['GET / HTTP/1.1', 'Accept: */*']],
    [false, ['GET / HTTP/1.1']],
    [false, ['POST / HTTP/1.1', 'Sec-Fetch-Dest: document', 'Accept: text/html']],
  ]
  for (const [expected, lines] of cases) {
    t.equal(isDocumentRequest(request(...lines, 'Host: a')), expected, lines.join(' | '))
  }
})

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
    editRequest(message, true, undefined)?.toString(),
    'GET / HTTP/1.1\r\nhost: a\r\nX-If-None-Match: kept\r\n\r\n',
  )
  t.equal(editRequest(message, false, undefined), undefined)
})

t.test('X-Forwarded-For is added only where there is none', async t => {
  t.equal(
    editRequest(request('GET / HTTP/1.1', 'Host: a'), false, '10.0.0.9')?.toString(),
    'GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.9\r\n\r\n',
  )
  t.equal(
    editRequest(request('GET / HTTP/1.1', 'Host: a', 'x-forwarded-for: b'), false, '10.0.0.9'),
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
})
