import t from 'tap'
import { parseRequest, versionTarget } from '../../../sidecar/front/request.ts'
import type { Request } from '../../../sidecar/front/request.ts'

function parse(...lines: string[]) {
  return parseRequest(Buffer.from([...lines, '', ''].join('\r\n'), 'latin1'))
}

t.test('well-formed requests, odd ones too', async t => {
  const cases: [lines: string[], expected: Partial<Request>][] = [
    [['GET / HTTP/1.1', 'Host: a'], { method: 'GET', target: '/', minor: 1, body: 0, isLast: false }],
    [['', '', 'GET / HTTP/1.1', 'Host: a'], { method: 'GET' }],
    [['GET / HTTP/1.0'], { minor: 0, isLast: true }],
    [['GET / HTTP/1.0', 'Connection: Keep-Alive'], { isLast: false }],
    [['GET / HTTP/1.1', 'Host:', 'Connection: TE, close'], { isLast: true }],
    [['get-it!#$ /a#b|{}"\xe9 HTTP/1.1', 'Host: a'], { method: 'get-it!#$', target: '/a#b|{}"\xe9' }],
    [['OPTIONS * HTTP/1.1', 'Host: a'], { target: '*' }],
    [['GET http://other/x HTTP/1.1', 'Host: a'], { target: 'http://other/x' }],
    [['CONNECT a:443 HTTP/1.1', 'Host: a:443'], { isSwitching: true }],
    [['GET / HTTP/1.1', "Host: Shop_1.example%20.~!$&'()*+,;=-:8080"], { target: '/' }],
    [['GET / HTTP/1.1', 'Host: [2001:db8::1]:80'], { target: '/' }],
    [['GET / HTTP/1.1', 'Host: a:'], { target: '/' }],
    [['GET / HTTP/1.1', 'Host: a', 'Upgrade: h2c'], { isSwitching: true }],
    [['POST / HTTP/1.1', 'Host: a', 'content-LENGTH:  17 '], { body: 17 }],
    [['POST / HTTP/1.1', 'Host: a', 'Content-Length: 0'], { body: 0 }],
    [['DELETE / HTTP/1.1', 'Host: a', 'Transfer-Encoding: Chunked'], { body: 'chunked' }],
  ]
  for (const [lines, expected] of cases) t.match(parse(...lines), expected, lines.join(' | '))
})

const malformed: [status: number, lines: string[]][] = [
  [400, ['GET  / HTTP/1.1', 'Host: a']],
  [400, ['GET / HTTP/1.1 ', 'Host: a']],
  [400, ['GET / http/1.1', 'Host: a']],
  [400, ['GET / HTTP/1', 'Host: a']],
  [400, ['GET /\0 HTTP/1.1', 'Host: a']],
  [400, ['GET /\t HTTP/1.1', 'Host: a']],
  [400, ['GET /\rHTTP/1.1', 'Host: a']],
  [400, ['G(T / HTTP/1.1', 'Host: a']],
  [400, [' GET / HTTP/1.1', 'Host: a']],
  [505, ['GET / HTTP/1.2', 'Host: a']],
  [505, ['GET / HTTP/2.0', 'Host: a']],
  [505, ['GET / HTTP/0.9', 'Host: a']],
  [400, ['GET / HTTP/1.1']],
  [400, ['GET / HTTP/1.1', 'Host: a', 'Host: a']],
  [400, ['GET / HTTP/1.0', 'Host: a', 'Host: b']],
  [400, ['GET / HTTP/1.1', 'Host: a b']],
  [400, ['GET / HTTP/1.1', 'Host: a/b']],
  [400, ['GET / HTTP/1.1', 'Host:\ta']],
  [505, ['GET / HTTP/2.0', 'Host: a', 'Content-Length: 1', 'Content-Length: 1']],
  [400, ['GET / HTTP/1.1', 'Host: a@b']],
  [400, ['GET / HTTP/1.1', 'Host: a:b']],
  [400, ['GET / HTTP/1.1', 'Host: a:1:2']],
  [400, ['GET / HTTP/1.1', 'Host: [::1']],
  [400, ['GET / HTTP/1.1', 'Host: caf\xe9']],
  [400, ['GET / HTTP/1.1', 'Host: %zz']],
  [400, ['GET / HTTP/1.0', 'Host: a b']],
  [400, ['GET / HTTP/1.1', 'Host : a']],
  [400, ['GET / HTTP/1.1', 'Host: a', ' folded: b']],
  [400, ['GET / HTTP/1.1', 'Host: a', 'X: b', '\tfolded']],
  [400, ['GET / HTTP/1.1', ' Host: a']],
  [400, ['GET / HTTP/1.1', 'Host: a', 'X: b\0']],
  [400, ['GET / HTTP/1.1', 'Host: a', 'X: b\rY: c']],
  [400, ['GET / HTTP/1.1', 'Host: a', 'X: b\nY: c']],
  [400, ['GET / HTTP/1.1', 'Host: a', 'novalue']],
  [400, ['POST / HTTP/1.1', 'Host: a', 'Content-Length: 5', 'Transfer-Encoding: chunked']],
  [400, ['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked', 'Content-Length: 5']],
  [400, ['POST / HTTP/1.1', 'Host: a', 'Content-Length: 5', 'Content-Length: 5']],
  [400, ['POST / HTTP/1.1', 'Host: a', 'Content-Length: 5, 5']],
  [400, ['POST / HTTP/1.1', 'Host: a', 'Content-Length:']],
  [400, ['POST / HTTP/1.1', 'Host: a', 'Content-Length: +5']],
  [400, ['POST / HTTP/1.1', 'Host: a', 'Content-Length:\t5']],
  [400, ['POST / HTTP/1.1', 'Host: a', 'Content-Length: 5\t']],
  [400, ['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding:\tchunked']],
  [400, ['POST / HTTP/1.1', 'Host: a', 'Content-Length: -5']],
  [400, ['POST / HTTP/1.1', 'Host: a', 'Content-Length: 0x5']],
  [400, ['POST / HTTP/1.1', 'Host: a', 'Content-Length: 5 5']],
  [400, ['POST / HTTP/1.1', 'Host: a', 'Content-Length: 99999999999999999']],
  [400, ['POST / HTTP/1.1', 'Host: a', 'Content_Length: 5']],
  [400, ['POST / HTTP/1.1', 'Host: a', 'Transfer_Encoding: chunked']],
  [400, ['POST / HTTP/1.0', 'Host: a', 'Transfer-Encoding: chunked']],
  [400, ['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked, chunked']],
  [400, ['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked, identity']],
  [400, ['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked']],
  [400, ['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding:']],
  [400, ['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: \x0bchunked']],
  [400, ['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked;x=1']],
  [501, ['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: gzip, chunked']],
  [400, ['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: identity']],
  [400, ['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: xchunked']],
  [431, ['GET / HTTP/1.1', 'Host: a', ...Array.from({ length: 200 }, (_, i) => `X-${i}: y`)]],
]

t.test('what two servers could read in two ways is refused', async t => {
  for (const [status, lines] of malformed) {
    t.match(
      parse(...lines),
      { status },
      lines
        .slice(0, 4)
        .map(line => JSON.stringify(line))
        .join(' | '),
    )
  }
})

t.test('200 field lines are taken', async t => {
  t.match(parse('GET / HTTP/1.1', 'Host: a', ...Array.from({ length: 199 }, (_, i) => `X-${i}: y`)), {
    method: 'GET',
  })
})

t.test('/__spa/ is the last directory of the path, whatever is before it', async t => {
  const cases: [target: string, expected: string | undefined][] = [
    ['/__spa/ws', '/__spa/ws'],
    ['/__spa/', '/__spa/'],
    ['/__spa/ws?v=web-1/2', '/__spa/ws?v=web-1/2'],
    ['/shop/__spa/ws', '/__spa/ws'],
    ['/a/b//__spa/client.js?', '/__spa/client.js?'],
    ['//__spa/ws', '/__spa/ws'],
    ['/__spa/__spa/ws', '/__spa/ws'],
    ['http://shop.example/__spa/ws', '/__spa/ws'],
    ['http://shop.example:80/shop/__spa/version?x', '/__spa/version?x'],
    ['HTTPS://shop.example/__spa/ws#f', '/__spa/ws'],
    ['/__spa', undefined],
    ['/__spa/a/b', undefined],
    ['/__spax/ws', undefined],
    ['/x__spa/ws', undefined],
    ['/__SPA/ws', undefined],
    ['/%5f_spa/ws', undefined],
    ['/index.html?next=/__spa/ws', undefined],
    ['/index.html#/__spa/ws', undefined],
    ['http://__spa/ws', undefined],
    ['http://user@x/?/__spa/ws', undefined],
    ['*', undefined],
  ]
  for (const [target, expected] of cases) t.equal(versionTarget({ method: 'GET', target }), expected, target)
  t.equal(versionTarget({ method: 'CONNECT', target: '/__spa/ws' }), undefined)
})
