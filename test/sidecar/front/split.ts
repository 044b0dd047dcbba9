// Messages cut at every place: what comes out must not depend on how the bytes arrived.

import t from 'tap'
import { parts, readAnswers, readRequests, splits } from './reader.ts'

const requests: Record<string, string> = {
  'a plain request': 'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'empty lines before it': '\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'a body with a length':
    'POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /2 HTTP/1.1\r\nHost: a\r\n\r\n',
  chunks:
    'PUT /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a="b"\r\nhello\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n',
  'an upgrade and bytes behind it': 'GET /1 HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\n\r\nearly bytes',
  'a version request between':
    'GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /__spa/ws HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n',
  'a bare LF': 'GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\nHost: a\r\n\r\n',
  'an unknown version and a bare LF': 'GET / HTTP/2.0\r\nX: y\nHost: a\r\n\r\n',
  'a bad chunk': 'PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n',
  'HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0',
  'a line protocol': 'HELO there\r\nMAIL FROM a@b\r\n',
  'after the last':
    'GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n',
}

const answers: Record<string, [methods: string[], text: string]> = {
  'two lengths': [
    ['GET', 'GET'],
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  ],
  'chunks with trailers': [
    ['GET'],
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n00\r\nT: u\r\n\r\n',
  ],
  'hints, then HEAD': [
    ['HEAD', 'GET'],
    'HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP/1.1 204 No\r\n\r\n',
  ],
  'until close': [['GET'], 'HTTP/1.0 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n'],
  'a tunnel': [['GET'], 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n'],
  'an answer that nobody asked for': [['GET'], 'HTTP/1.1 204 No\r\n\r\nHTTP/1.1 408 Slow\r\n\r\n'],
  'no HTTP': [['GET'], 'HTTP/1.1 200 OK\nContent-Length: 0\n\n'],
  'no chunks': [['GET'], 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz'],
}

t.test('requests come out the same wherever they are split', async t => {
  for (const [name, text] of Object.entries(requests)) {
    const bytes = Buffer.from(text, 'latin1')
    const whole = parts(readRequests([bytes]))
    let different = 0
    for (const chunks of splits(bytes)) if (String(parts(readRequests(chunks))) !== String(whole)) different++
    t.equal(different, 0, name)
  }
})

t.test('what those requests are', async t => {
  const of = (name: string): string => readRequests([Buffer.from(requests[name]!, 'latin1')])
  t.match(of('chunks'), /^<PUT \/1>.*0\r\nX: y\r\n\r\n<end of body><GET \/2>.*<end><rest >$/s)
  t.match(of('an upgrade and bytes behind it'), /<rest early bytes>$/)
  t.match(of('a version request between'), /^<GET \/1><GET \/__spa\/ws>GET \/1 .*<rest GET \/2 .*>$/s)
  t.match(of('a bare LF'), /^<GET \/>.*<400 head>$/s)
  t.match(of('a bad chunk'), /5\r\nhello<400 body>$/)
  t.match(of('HTTP/2'), /^<leave><rest PRI .*\0\0\0>$/s)
  t.match(of('a line protocol'), /^<leave><rest HELO .*\r\n>$/s)
  t.match(of('after the last'), /^<GET \/1>GET \/1 [^<]*close\r\n\r\n<end><rest >$/)
})

t.test('answers come out the same, and all of their bytes, wherever they are split', async t => {
  for (const [name, [methods, text]] of Object.entries(answers)) {
    const bytes = Buffer.from(text, 'latin1')
    const whole = parts(readAnswers(methods, [bytes]))
    t.equal(whole[1], text, name)
    let different = 0
    for (const chunks of splits(bytes))
      if (String(parts(readAnswers(methods, chunks))) !== String(whole)) different++
    t.equal(different, 0, name)
  }
})

t.test('what those answers are', async t => {
  const of = (name: string): string =>
    parts(readAnswers(answers[name]![0], [Buffer.from(answers[name]![1], 'latin1')]))[0]
  t.equal(of('two lengths'), '<200><end><200><end>')
  t.equal(of('chunks with trailers'), '<200><end>')
  t.equal(of('hints, then HEAD'), '<200><end><204><end>')
  t.equal(of('until close'), '<200><until-close>')
  t.equal(of('a tunnel'), '<tunnel>')
  t.equal(of('an answer that nobody asked for'), '<204><end><unasked>')
  t.equal(of('no HTTP'), '<unframed>')
  t.equal(of('no chunks'), '<200><unframed>')
})
