import t from 'tap'
import { sniff } from '../../../sidecar/front/sniff.ts'
import type { Guess } from '../../../sidecar/front/sniff.ts'

t.test('what the first bytes are', async t => {
  const cases: [bytes: string, expected: Guess][] = [
    ['', 'method'],
    ['G', 'method'],
    ['\r', 'method'],
    ['\r\n', 'method'],
    ['\r\nGET', 'method'],
    ['GET ', 'line'],
    ['GET /index.html HT', 'line'],
    ['GET / HTTP/1.1\r\n', 'http'],
    ['\r\n\r\nGET / HTTP/1.0\r\n', 'http'],
    ['GET / HTTP/1.1\n', 'http'],
    ['GET / HTTP/3.0\r\n', 'http'],
    ['GET / http/1.1 \r\n', 'http'],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'opaque'],
    ['\x16\x03\x01\x02\x00', 'opaque'], // TLS
    ['\r\n\r\n\0\r\nQUIT\n', 'opaque'], // PROXY protocol v2
    ['PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n', 'opaque'],
    ['GET /\r\n', 'opaque'], // HTTP/0.9
    ['PING\r\n', 'opaque'],
    ['EHLO there\r\n', 'opaque'],
    ['*1\r\n$4\r\nPING\r\n', 'opaque'], // Redis
    ['\0\0\0\x08', 'opaque'], // PostgreSQL
    ['x'.repeat(100_000), 'method'],
    [' GET / HTTP/1.1\r\n', 'opaque'],
  ]
  for (const [bytes, expected] of cases)
    t.equal(sniff(Buffer.from(bytes, 'latin1')), expected, JSON.stringify(bytes))
})
