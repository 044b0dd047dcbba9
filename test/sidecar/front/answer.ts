import t from 'tap'
import { isInterim, parseAnswer } from '../../../sidecar/front/answer.ts'
import type { Answer } from '../../../sidecar/front/answer.ts'

function parse(method: string, ...lines: string[]): Answer | undefined {
  return parseAnswer(Buffer.from([...lines, '', ''].join('\r\n'), 'latin1'), method)
}

t.test('how an answer ends', async t => {
  const cases: [method: string, lines: string[], body: Answer['body']][] = [
    ['GET', ['HTTP/1.1 200 OK', 'Content-Length: 5'], 5],
    ['GET', ['HTTP/1.1 200', 'Content-Length: 5'], 5],
    ['GET', ['HTTP/1.1 200 ', 'Content-Length: 5'], 5],
    ['GET', ['HTTP/1.0 200 \xdc\xe9', 'Content-Length: 5'], 5],
    ['GET', ['HTTP/1.1 200 OK'], 'until-close'],
    ['GET', ['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'], 'chunked'],
    ['GET', ['HTTP/1.1 200 OK', 'Transfer-Encoding: gzip, Chunked'], 'chunked'],
    ['GET', ['HTTP/1.1 200 OK', 'Transfer-Encoding: gzip'], 'until-close'],
    ['HEAD', ['HTTP/1.1 200 OK', 'Content-Length: 5'], 0],
    ['HEAD', ['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'], 0],
    ['GET', ['HTTP/1.1 204 No Content', 'Content-Length: 5'], 0],
    ['GET', ['HTTP/1.1 304 Not Modified', 'Transfer-Encoding: chunked'], 0],
    ['GET', ['HTTP/1.1 103 Early Hints', 'Link: </a>'], 0],
    ['GET', ['HTTP/1.1 101 Switching Protocols', 'Upgrade: x'], 'tunnel'],
    ['CONNECT', ['HTTP/1.1 200 OK', 'Content-Length: 5'], 'tunnel'],
    ['CONNECT', ['HTTP/1.1 407 No', 'Content-Length: 5'], 5],
    ['CONNECT', ['HTTP/1.1 204 No Content'], 'tunnel'],
    ['CONNECT', ['HTTP/1.1 100 Continue'], 0],
    ['GET', ['HTTP/1.1 200 OK', 'Transfer-Encoding: gzip', 'Transfer-Encoding: chunked'], 'chunked'],
    ['GET', ['HTTP/1.1 200 OK', 'Transfer-Encoding: x chunked'], 'until-close'],
  ]
  for (const [method, lines, body] of cases)
    t.equal(parse(method, ...lines)?.body, body, `${method} ${lines.join(' | ')}`)
})

t.test('what cannot be framed is not an answer', async t => {
  const cases: string[][] = [
    ['HTTP/1.1 99 Low'],
    ['HTTP/1.1 099 Low'],
    ['HTTP/1.1 200 O\0K'],
    ['HTTP/1.1 200 O\nK'],
    ['HTTP/1.1 200OK'],
    ['HTTP/1.2 200 OK'],
    ['http/1.1 200 OK'],
    ['HTTP/1.1 2000 High'],
    ['HTTP/1.1  200 OK'],
    ['HTTP/2 200 OK'],
    ['ICY 200 OK'],
    ['200 OK'],
    ['HTTP/1.1 200 OK', 'Content-Length: 5', 'Content-Length: 6'],
    ['HTTP/1.1 200 OK', 'Content-Length: five'],
    ['HTTP/1.1 200 OK', 'Content-Length: 5', 'Transfer-Encoding: chunked'],
    ['HTTP/1.0 200 OK', 'Transfer-Encoding: chunked'],
    ['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked, chunked'],
    ['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'],
    ['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked, gzip'],
    ['HTTP/1.1 200 OK', 'no colon'],
    ['HTTP/1.1 200 OK', 'A: b', ' folded'],
    ['HTTP/1.1 200 OK', ...Array.from({ length: 201 }, () => 'A: b')],
  ]
  for (const lines of cases) t.equal(parse('GET', ...lines), undefined, lines.slice(0, 3).join(' | '))
})

t.test('only 1xx answers but 101 are followed by another', async t => {
  for (const [status, expected] of [
    [100, true],
    [103, true],
    [199, true],
    [101, false],
    [200, false],
  ] as const) {
    t.equal(isInterim({ status } as Answer), expected, String(status))
  }
})
