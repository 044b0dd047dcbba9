import t from 'tap'
import { kindOf } from '../../../sidecar/front/kind.ts'
import type { Kind } from '../../../sidecar/front/kind.ts'
import { parseRequest } from '../../../sidecar/front/request.ts'

function kind(...lines: string[]): Kind {
  const parsed = parseRequest(Buffer.from([...lines, 'Host: a', '', ''].join('\r\n')))
  if ('status' in parsed) throw new Error(parsed.why)
  return kindOf(parsed)
}

t.test('a request for a page is known by what browsers send', async t => {
  const pages = [
    ['GET / HTTP/1.1', 'Sec-Fetch-Dest: document', 'Accept: text/html'],
    ['GET /a.js HTTP/1.1', 'Sec-Fetch-Dest: document'],
    ['GET / HTTP/1.1', 'Sec-Fetch-Dest: iframe'],
    ['HEAD / HTTP/1.1', 'Sec-Fetch-Dest: frame'],
    ['GET /a.pdf HTTP/1.1', 'Sec-Fetch-Dest: embed'],
    ['GET /a.svg HTTP/1.1', 'Sec-Fetch-Dest: object'],
    ['GET / HTTP/1.1', 'Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8'],
    ['GET /a.js HTTP/1.1', 'Accept: text/html, */*'], // typed into the address bar of an old browser
    ['GET / HTTP/1.1', 'Sec-Fetch-Dest: empty', 'Accept: text/html'], // a service worker, or the client that verifies
  ]
  for (const lines of pages) t.equal(kind(...lines), 'document', lines.join(' | '))
})

t.test('a request for an asset is known by its destination, else by its extension', async t => {
  const assets = [
    ['GET / HTTP/1.1', 'Sec-Fetch-Dest: script', 'Accept: text/html'],
    ['HEAD /a HTTP/1.1', 'Sec-Fetch-Dest: image', 'Accept: */*'],
    ['GET /sw HTTP/1.1', 'Sec-Fetch-Dest: serviceworker'],
    ['GET /manifest.json HTTP/1.1', 'Sec-Fetch-Dest: manifest'],
    ['GET /assets/a-1b2c3d4e.JS?v=1 HTTP/1.1', 'Accept: */*'],
    ['GET /a.css HTTP/1.1'],
    ['GET /a.js.map HTTP/1.1'],
    ['GET /a.woff2#x HTTP/1.1'],
    ['GET /a.js HTTP/1.1', 'Sec-Fetch-Dest: empty', 'Sec-Purpose: prefetch'],
    ['GET /a.js HTTP/1.1', 'Sec-Fetch-Dest: empty', 'Purpose: prefetch'],
  ]
  for (const lines of assets) t.equal(kind(...lines), 'asset', lines.join(' | '))
})

t.test('everything else is the app’s own business', async t => {
  const others = [
    ['GET / HTTP/1.1'],
    ['GET / HTTP/1.1', 'Accept: */*'],
    ['POST / HTTP/1.1', 'Sec-Fetch-Dest: document', 'Accept: text/html', 'Content-Length: 1'],
    ['POST /a.js HTTP/1.1', 'Content-Length: 0'],
    ['GET /a.js HTTP/1.1', 'Content-Length: 1'],
    ['GET /a.js HTTP/1.1', 'Sec-Fetch-Dest: script', 'Transfer-Encoding: chunked'],
    ['GET /part.html HTTP/1.1', 'Sec-Fetch-Dest: empty', 'Accept: */*'],
    ['GET /a.js HTTP/1.1', 'Sec-Fetch-Dest: empty', 'Accept: */*'], // a script may fetch a preview of that name
    ['GET /a.html HTTP/1.1', 'Accept: */*'],
    ['GET /a.htm HTTP/1.1'],
    ['GET /a.json HTTP/1.1'],
    ['GET /a.pdf HTTP/1.1'],
    ['GET /view?file=a.js HTTP/1.1'],
    ['GET /a.js/ HTTP/1.1'],
    ['GET /v1.2/users HTTP/1.1'],
    ['GET / HTTP/1.1', 'Sec-Fetch-Dest: report'],
    ['GET / HTTP/1.1', 'Sec-Fetch-Dest: something-new'],
  ]
  for (const lines of others) t.equal(kind(...lines), 'other', lines.join(' | '))
})
