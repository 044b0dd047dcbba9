// The cache in memory, through the front, over real sockets: what is stored, what is served from there, and what is not (RFC 9111).

import { once } from 'node:events'
import { createHash } from 'node:crypto'
import http from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import t from 'tap'
import type { Test } from 'tap'
import type { Stage } from '../stage.ts'
import { answering, get, httpApp, ok, openFront, rawApp, seen } from '../stage.ts'

const asset = '/assets/index-BpZ1z3aQ.js'
const year = 'Cache-Control: max-age=31536000'
const immutable = `${year}, immutable`

const types = [
  [true, asset, 'text/javascript; charset=utf-8'],
  [true, asset, 'application/javascript'],
  [true, '/main.3f2a91bc.css', 'text/css'],
  [true, '/main.3f2a91bc.js.map', 'application/json'],
  [true, '/core.3f2a91bc.wasm', 'application/wasm'],
  [true, '/inter-3f2a91bc0d.woff2', 'font/woff2'],
  [true, '/inter-3f2a91bc0d.woff', 'application/font-woff'],
  [false, asset, 'application/json'],
  [false, asset, 'text/plain'],
  [false, '/main.3f2a91bc.css', 'image/png'],
] as const

/** An app that answers with the number of the request, and counts. */
async function counting(t: Test, ...lines: string[]) {
  let count = 0
  const app = await answering(t, head => {
    const body = `<${++count}>`
    return head.startsWith('HEAD') ? ok('', ...lines).replace(': 0', `: ${body.length}`) : ok(body, ...lines)
  })
  const stage = await openFront(t, app.port)
  return { ...stage, app, count: () => count, ask: (request: string) => ask(stage, request) }
}

/** Asks on a connection of its own; returns the whole answer. */
async function ask({ dial }: Stage, request: string): Promise<string> {
  const client = dial()
  client.write(request.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
  client.socket.end()
  await client.ended
  return client.text()
}

function age(text: string): string {
  return /\r\nAge: (\d+) *\r\n/.exec(text)?.[1] ?? 'none'
}

t.test('what may be stored, and what may not', async t => {
  const cases: [hit: boolean, target: string, answer: string[], request?: string[]][] = [
    [true, asset, [immutable]],
    [true, asset, [year]],
    [true, asset, [`Cache-Control: public, s-maxage=60`]],
    [
      true,
      asset,
      [`Expires: ${new Date(Date.now() + 3_600_000).toUTCString()}`, `Date: ${new Date().toUTCString()}`],
    ],
    [true, '/logo.png', [immutable]],
    [true, '/logo.png', ['Cache-Control: immutable']],
    [true, asset, [immutable, 'Vary: Accept-Encoding']],
    [true, asset, [immutable, 'Connection: X-Hop, keep-alive', 'X-Hop: 1']],
    [true, asset, [year], ['Cookie: a=b']],
    ...types.map(
      ([hit, target, type]) =>
        [hit, target, [year, `Content-Type: ${type}`]] satisfies [boolean, string, string[]],
    ),
    [true, '/logo.png', [`Cache-Control: public, immutable, max-age=9`], ['Cookie: a=b']],
    [false, '/logo.png', [immutable], ['Cookie: a=b']],
    [false, '/logo.png', [`${year}, public`], ['Cookie: a=b']],
    [false, '/logo.png', [year]],
    [false, asset, []],
    [false, asset, ['ETag: "e"', 'Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT']],
    [false, asset, ['Cache-Control: max-age=0']],
    [false, asset, [`Cache-Control: no-store, max-age=9`]],
    [false, asset, [`Cache-Control: no-cache, max-age=9`]],
    [false, asset, [`Cache-Control: private, max-age=9`]],
    [false, asset, [`Cache-Control: max-age=9, s-maxage=0`]],
    [false, asset, [year, 'Age: 31536000']],
    [false, asset, [immutable, 'Set-Cookie: a=b']],
    [false, asset, [immutable, 'Vary: *']],
    [false, asset, [immutable, 'Vary: Accept-Encoding, Cookie']],
    [false, asset, [immutable, 'Content-Type: text/html'], ['Sec-Fetch-Dest: empty']],
    [false, asset, [immutable], ['Authorization: Basic x']],
    [false, asset, [immutable], ['Cache-Control: no-store']],
    [false, asset, [immutable], ['X-Original-URL: /admin']],
    [false, asset, [immutable, 'Content-Encoding: gzip']], // to a client that did not ask for it
    [false, asset, [immutable, 'Content-Encoding: gzip, br'], ['Accept-Encoding: gzip, br']],
  ]
  for (const [hit, target, answer, request = []] of cases) {
    const { ask, front, count } = await counting(t, ...answer)
    const first = await ask(get(target, ...request))
    const second = await ask(get(target, ...request))
    const name = [target, ...answer, '<', ...request].join(' | ')
    t.match(first, /<1>$/, name)
    t.equal(count(), hit ? 1 : 2, name)
    t.match(front.counters, { cacheHits: hit ? 1 : 0, cacheMisses: hit ? 1 : 0 }, name)
    t.match(second, hit ? /<1>$/ : /<2>$/, name)
    t.equal(age(second), hit ? '0' : (age(answer.join('\r\n') + '\r\n') ?? 'none'), name)
    t.notMatch(hit ? second : '', 'X-Hop')
    await front.close()
  }
})

t.test('what an app answers by a session is no other session’s, whatever its name', async t => {
  for (const target of [
    '/api/currentUser.json',
    '/listOrders.do',
    '/avatar_7.png',
    '/report_1.csv',
    '/IMG_20240131.jpg',
    '/photo.3f2a91bc.jpg',
    '/api/me/x-BpZ1z3aQ.js',
    '/api/me/x.3f2a91bc.woff2',
  ]) {
    const { ask, front } = await counting(t, 'Cache-Control: max-age=30', 'Content-Type: application/json')
    t.match(await ask(get(target, 'Cookie: sid=alice')), /<1>$/, target)
    t.match(await ask(get(target, 'Cookie: sid=bob')), /<2>$/, target)
    t.match(await ask(get(target)), /<3>$/, target)
    t.match(front.counters, { cacheHits: 0, cacheFills: 0 })
    await front.close()
  }
})

t.test('other statuses than 200 are not stored', async t => {
  for (const status of [203, 204, 206, 301, 404, 410, 500]) {
    let count = 0
    const app = await answering(t, () => {
      count++
      return `HTTP/1.1 ${status} X\r\n${immutable}\r\nContent-Length: 0\r\n\r\n`
    })
    const stage = await openFront(t, app.port)
    await ask(stage, get(asset))
    await ask(stage, get(asset))
    t.equal(count, 2, String(status))
  }
})

t.test('a request has the last word on freshness', async t => {
  const { ask, count } = await counting(t, immutable)
  await ask(get(asset))
  for (const [line, hit] of [
    ['Cache-Control: no-cache', false],
    ['Pragma: no-cache', false],
    ['Cache-Control: max-age=0', false],
    ['Cache-Control: max-age=60', true],
    ['Cache-Control: min-fresh=31536001', false],
    ['Cache-Control: only-if-cached', true],
  ] as const) {
    const before = count()
    await sleep(2) // what was stored in this very millisecond is fresh enough for max-age=0
    await ask(get(asset, line))
    t.equal(count() === before, hit, line)
  }
})

t.test(
  'no two resources share an entry, however their parts are put together (CVE-2026-2836, GHSA-v574-6498-x57v)',
  async t => {
    const { ask, count } = await counting(t, immutable)
    const site = (host: string, ...lines: string[]): string =>
      get(asset, ...lines).replace('Host: spa', `Host: ${host}`)
    const others = [
      site('a'),
      site('b'),
      site('a:80'),
      site('a', 'X-Forwarded-Proto: http'),
      site('a', 'X-Forwarded-Proto: https'),
      site('a', 'X-Forwarded-Host: b'),
      site('a', 'X-Forwarded-Host: https'),
      site('a', 'X-Forwarded-Host: b', 'X-Forwarded-Proto: https'),
      site('a', 'X-Forwarded-Host: b","https'),
      site('a', 'X-Forwarded-Host: b https'),
      site('b', 'X-Forwarded-Host: a'),
    ]
    for (const request of others) await ask(request)
    t.equal(count(), others.length)
    for (const [index, request] of others.entries()) t.match(await ask(request), `<${index + 1}>`)
    t.equal(count(), others.length, 'each is there')
  },
)

t.test('what goes another way than a plain GET or HEAD goes to the app', async t => {
  const { ask, count } = await counting(t, immutable)
  await ask(get(asset))
  const others = [
    get(asset, 'Authorization: x'),
    get(asset, 'If-Match: "e"'),
    get(asset, 'Sec-Fetch-Dest: document'),
    get(asset, 'X-Forwarded-Host: other.example'),
    get(asset).replace('Host: spa', 'Host: other'),
    get(`${asset}?`),
    get(asset.toLowerCase()),
    get(asset).replace('HTTP/1.1', 'HTTP/1.0'),
    `GET http://spa${asset} HTTP/1.1\r\nHost: spa\r\n\r\n`,
  ]
  for (const request of others) {
    const before = count()
    await ask(request)
    t.equal(count(), before + 1, request)
  }
  const before = count()
  await ask(get(asset).replace('Host: spa', 'hOST:  SPA'))
  t.equal(count(), before)
})

t.test('a body behind a request is never taken for the next request (CVE-2025-4366)', async t => {
  const app = await rawApp(t, (socket, got) => {
    void got.until('\r\n\r\n').then(() => socket.write(ok('<1>', immutable)))
  })
  const { dial, front } = await openFront(t, app.port)
  const first = dial()
  first.write(get(asset))
  await first.until('<1>')
  const client = dial()
  const smuggled = get('/admin')
  client.write(`GET ${asset} HTTP/1.1\r\nHost: spa\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`)
  await client.until('<1>')
  t.equal(front.counters.cacheHits, 0)
  t.equal(front.counters.requests, 2)
  t.equal(app.sockets[1]?.text().includes('Content-Length'), true)
})

t.test('a hit is the app’s answer but for its connection, and says its age', async t => {
  const { dial, app, front } = await counting(
    t,
    'date: d',
    'X-Odd:\t caf\xe9',
    'Connection: keep-alive',
    'Keep-Alive: timeout=5',
    immutable,
    'Age: 7',
  )
  const client = dial()
  client.write(get(asset))
  await client.until('<1>')
  const before = client.text().length
  client.write(get(asset) + get(asset, 'x: y') + get('/2'))
  const text = (await client.until('<2>')).slice(before)
  const hit = `HTTP/1.1 200 OK\r\ndate: d\r\nX-Odd:\t caf\xe9\r\n${immutable}\r\nContent-Length: 3\r\nAge: 7         \r\n\r\n<1>`
  t.match(text, hit + hit)
  t.equal(front.counters.cacheHits, 2)
  t.equal(app.sockets.length, 1)
})

t.test('the age grows, and what is no longer fresh is asked for again', async t => {
  const { ask, count } = await counting(t, 'Cache-Control: max-age=100')
  await ask(get(asset))
  const now = Date.now()
  t.intercept(Date, 'now', { value: () => now + 99_000 })
  t.equal(age(await ask(get(asset))), '99')
  t.equal(count(), 1)
  t.intercept(Date, 'now', { value: () => now + 101_000 })
  t.match(await ask(get(asset)), /<2>$/)
})

t.test('HEAD is answered from a GET, and a HEAD fills nothing', async t => {
  const { ask, count } = await counting(t, immutable)
  const head = get(asset).replace('GET', 'HEAD')
  await ask(head)
  await ask(head)
  t.equal(count(), 2)
  await ask(get(asset))
  const answer = await ask(head)
  t.equal(count(), 3)
  t.match(answer, /^HTTP\/1\.1 200 OK\r\n[^]*Content-Length: 3\r\n[^]*\r\n\r\n$/)
})

t.test('its own 304s', async t => {
  const date = 'Mon, 01 Jan 2024 00:00:00 GMT'
  const { ask, count } = await counting(
    t,
    immutable,
    'ETag: "e"',
    `Last-Modified: ${date}`,
    'Content-Type: text/css',
  )
  await ask(get(asset))
  const cases: [is304: boolean, lines: string[]][] = [
    [true, ['If-None-Match: "e"']],
    [true, ['If-None-Match: W/"e"']],
    [true, ['If-None-Match: "a", "e"']],
    [true, ['If-None-Match: *']],
    [false, ['If-None-Match: "a"']],
    [false, ['If-None-Match: e']],
    [true, [`If-Modified-Since: ${date}`]],
    [false, ['If-Modified-Since: Sun, 31 Dec 2023 00:00:00 GMT']],
    [false, ['If-Modified-Since: yesterday']],
    [false, ['If-None-Match: "a"', `If-Modified-Since: ${date}`]],
  ]
  for (const [is304, lines] of cases) {
    const answer = await ask(get(asset, ...lines))
    const expected = `HTTP/1.1 304 Not Modified\r\n${immutable}\r\nETag: "e"\r\nAge: 0         \r\nConnection: close\r\n\r\n`
    if (is304) t.equal(answer, expected, lines.join(' | '))
    else t.match(answer, /^HTTP\/1\.1 200 OK[^]*<1>$/, lines.join(' | '))
  }
  t.equal(count(), 1)
})

t.test('parts of a complete body', async t => {
  const date = 'Mon, 01 Jan 2024 00:00:00 GMT'
  const { ask, count, front } = await counting(t, immutable, 'ETag: "e"', `Last-Modified: ${date}`)
  await ask(get(asset))
  const cases: [status: number, body: string, lines: string[]][] = [
    [206, '1', ['Range: bytes=1-1']],
    [206, '1>', ['Range: bytes=-2', 'Accept-Encoding: identity;q=1, *;q=0']],
    [416, '', ['Range: bytes=3-']],
    [200, '<1>', ['Range: bytes=0-0,2-2']],
    [206, '<', ['Range: bytes=0-0', 'If-Range: "e"']],
    [200, '<1>', ['Range: bytes=0-0', 'If-Range: W/"e"']],
    [200, '<1>', ['Range: bytes=0-0', 'If-Range: "a"']],
    [206, '<', ['Range: bytes=0-0', `If-Range: ${date}`]],
    [200, '<1>', ['Range: bytes=0-0', 'If-Range: Tue, 02 Jan 2024 00:00:00 GMT']],
    [304, '', ['Range: bytes=0-0', 'If-None-Match: "e"']],
  ]
  for (const [status, body, lines] of cases) {
    const answer = await ask(get(asset, ...lines))
    t.match(answer, new RegExp(`^HTTP/1.1 ${status} [^]*\r\n\r\n${body}$`), lines.join(' | '))
    if (status === 206) t.match(answer, `Content-Length: ${body.length}\r\n`)
  }
  t.match(await ask(get(asset, 'Range: bytes=1-')), 'Content-Range: bytes 1-2/3\r\n')
  t.match(await ask(get(asset, 'Range: bytes=9-')), 'Content-Range: bytes */3\r\n')
  t.equal(count(), 1)
  t.equal(front.counters.cacheHits, cases.length + 2)
})

t.test('Vary: each value of what it lists has its own answer', async t => {
  const { ask, count } = await counting(t, immutable, 'Vary: Origin, Accept-Encoding')
  t.match(await ask(get(asset, 'Origin: https://a')), /<1>$/)
  t.match(await ask(get(asset, 'Origin: https://b')), /<2>$/)
  t.match(await ask(get(asset)), /<3>$/)
  t.match(await ask(get(asset, 'Origin: https://a')), /<1>$/)
  t.match(await ask(get(asset, 'Origin: https://b')), /<2>$/)
  t.match(await ask(get(asset)), /<3>$/)
  t.equal(count(), 3)
})

t.test('an answer for one origin is not another’s, whether or not it says Vary', async t => {
  const app = await answering(t, head => {
    const origin = /Origin: (.*)\r/.exec(head)?.[1]
    return ok('x', immutable, ...(origin === undefined ? [] : [`Access-Control-Allow-Origin: ${origin}`]))
  })
  const stage = await openFront(t, app.port)
  const allowed = async (...lines: string[]) =>
    /Allow-Origin: (.*)\r/.exec(await ask(stage, get(asset, ...lines)))?.[1]
  for (let round = 0; round < 2; round++) {
    t.equal(await allowed(), undefined)
    t.equal(await allowed('Origin: https://a'), 'https://a')
    t.equal(await allowed('Origin: https://b'), 'https://b')
  }
  t.match(stage.front.counters, { cacheFills: 3, cacheHits: 3 })
  const now = Date.now()
  for (let n = 0; n < 20; n++) {
    await allowed(`Origin: https://${n}`)
    t.intercept(Date, 'now', { value: () => now + n * 2_000 })
    await allowed()
  }
  t.match(
    stage.front.counters,
    { cacheFills: 23, cacheHits: 23 },
    'those that are made up do not drive it out',
  )
  t.equal(stage.front.cached().entries, 8)
  await ask(stage, get(asset, 'Origin: https://a').replace('GET', 'DELETE'))
  t.equal(stage.front.cached().entries, 0, 'a change drops those of all origins')
})

t.test('an answer for every origin is there for all of them', async t => {
  const { ask, count } = await counting(t, immutable, 'Access-Control-Allow-Origin: *')
  for (const lines of [[], ['Origin: https://a'], ['Origin: https://b']]) await ask(get(asset, ...lines))
  t.equal(count(), 1)
})

t.test('a coding of the app’s goes to those who take it, whether or not it says Vary', async t => {
  let count = 0
  const app = await answering(t, head => {
    count++
    return /gzip/.test(head) ? ok('zipped', immutable, 'Content-Encoding: gzip') : ok('plain', immutable)
  })
  const stage = await openFront(t, app.port)
  const body = async (...lines: string[]) => (await ask(stage, get(asset, ...lines))).split('\r\n\r\n')[1]
  t.equal(await body('Accept-Encoding: gzip, br'), 'zipped')
  t.equal(await body('Accept-Encoding: gzip;q=0.5, br'), 'zipped')
  t.equal(await body('Accept-Encoding: gzip'), 'zipped')
  t.equal(count, 1)
  t.equal(await body(), 'plain')
  t.equal(await body('Accept-Encoding: identity'), 'plain')
  t.equal(await body('Accept-Encoding: br'), 'plain')
  t.equal(count, 3)
  t.equal(await body('Accept-Encoding: gzip, br'), 'zipped')
  t.equal(count, 3)
})

t.test('codings that the app leaves out are made, and each client gets the best that it takes', async t => {
  const text = 'const answer = 42;\n'.repeat(500)
  let count = 0
  const app = await answering(t, () => {
    count++
    return ok(text, immutable, 'Content-Type: text/javascript', 'ETag: "e"', 'Accept-Ranges: bytes')
  })
  const stage = await openFront(t, app.port, { cache: { maxBytes: 1_000_000, maxEntries: 10 } })
  const all = 'Accept-Encoding: gzip, br'
  await ask(stage, get(asset, all))
  const plain = stage.front.cached().bytes
  t.match(await ask(stage, get(asset, all)), 'Vary: Accept-Encoding\r\n', 'said before there is another')
  while (!/Content-Encoding: gzip/.test(await ask(stage, get(asset, 'Accept-Encoding: gzip')))) await seen()
  t.ok(stage.front.cached().bytes > plain + 100, 'they count')
  const cases: [coding: string, accept: string][] = [
    ['br', 'gzip, br'],
    ['gzip', 'gzip'],
    ['gzip', 'br;q=0.5, gzip'],
    ['identity', 'identity'],
    ['identity', 'gzip;q=0.1, identity'],
  ]
  for (const [coding, accept] of cases) {
    const client = stage.dial()
    client.write(get(asset, `Accept-Encoding: ${accept}`, 'Connection: close'))
    await client.ended
    const [head = ''] = client.text().split('\r\n\r\n')
    const body = client.bytes().subarray(head.length + 4)
    const decoded = coding === 'br' ? brotliDecompressSync(body) : coding === 'gzip' ? gunzipSync(body) : body
    t.equal(decoded.toString(), text, accept)
    t.equal(/Content-Encoding: (.*)/.exec(head)?.[1] ?? 'identity', coding, accept)
    t.match(head, `ETag: ${coding === 'identity' ? '' : 'W/'}"e"\r\n`)
    t.match(head, 'Vary: Accept-Encoding\r\n')
    t.match(head, `Content-Length: ${body.length}\r\n`)
    t.equal(/Accept-Ranges/.test(head), coding === 'identity', accept)
  }
  t.match(await ask(stage, get(asset, all, 'If-None-Match: W/"e"')), /^HTTP\/1\.1 304 /)
  t.match(await ask(stage, get(asset, all, 'Range: bytes=0-4')), /^HTTP\/1\.1 200 /)
  t.equal(count, 1)
})

t.test('what does not gain, is small, or may not be changed, is not compressed', async t => {
  const noise = Array.from({ length: 64 }, (_, i) =>
    createHash('sha512').update(`${i}`).digest().toString('latin1'),
  ).join('')
  for (const [body, ...lines] of [
    ['a'.repeat(1_000), 'Content-Type: text/css'],
    ['a'.repeat(9_000), 'Content-Type: image/png'],
    ['a'.repeat(9_000), 'Content-Type: text/css', 'Cache-Control: no-transform'],
    [noise, 'Content-Type: text/css'],
  ] as const) {
    const app = await answering(t, () => ok(body, immutable, ...lines))
    const stage = await openFront(t, app.port)
    for (let i = 0; i < 3; i++) await ask(stage, get(asset, 'Accept-Encoding: gzip'))
    const { bytes } = stage.front.cached()
    await new Promise(resolve => setTimeout(resolve, 50))
    t.notMatch(await ask(stage, get(asset, 'Accept-Encoding: gzip')), 'Content-Encoding')
    t.equal(stage.front.cached().bytes, bytes)
  }
})

t.test('only a complete body is stored', async t => {
  const ends: [name: string, isStored: boolean, answer: string, end?: boolean][] = [
    ['its length', true, ok('hello', immutable)],
    [
      'its chunks',
      true,
      `HTTP/1.1 200 OK\r\n${immutable}\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nhe\r\n3\r\nllo\r\n0\r\nT: u\r\n\r\n`,
    ],
    ['the end of the connection', false, `HTTP/1.1 200 OK\r\n${immutable}\r\n\r\nhello`, true],
    ['too early', false, `HTTP/1.1 200 OK\r\n${immutable}\r\nContent-Length: 9\r\n\r\nhello`, true],
    [
      'before the last chunk',
      false,
      `HTTP/1.1 200 OK\r\n${immutable}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`,
      true,
    ],
    [
      'in nonsense',
      false,
      `HTTP/1.1 200 OK\r\n${immutable}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz`,
      true,
    ],
  ]
  for (const [name, isStored, answer, hasEnd] of ends) {
    const app = await rawApp(t, (socket, got) => {
      const send = () => void (hasEnd ? socket.end(answer) : socket.write(answer))
      got.until('\r\n\r\n').then(send, () => {}) // a hit asks nothing of it
    })
    const stage = await openFront(t, app.port)
    const client = stage.dial()
    client.write(get(asset))
    if (hasEnd) await client.ended
    else while (stage.front.cached().entries === 0) await seen()
    t.equal(stage.front.cached().entries, isStored ? 1 : 0, name)
    if (isStored)
      t.match(
        await ask(stage, get(asset)),
        /Content-Length: 5\r\nAge: 0 +\r\nConnection: close\r\n\r\nhello$/,
      )
    await stage.front.close()
  }
})

t.test('a client that goes in the middle leaves nothing behind, and who waits is not forgotten', async t => {
  let count = 0
  const app = await rawApp(t, (socket, got) => {
    const mine = ++count
    void got.until('\r\n\r\n').then(() => {
      socket.write(`HTTP/1.1 200 OK\r\n${immutable}\r\nContent-Length: 3\r\n\r\n${mine}`)
      if (mine > 1) socket.write('ab')
    })
  })
  const stage = await openFront(t, app.port)
  const first = stage.dial()
  first.write(get(asset))
  await first.until('\r\n\r\n1')
  const second = stage.dial()
  second.write(get(asset))
  await seen()
  t.equal(app.sockets[1]?.text() ?? '', '', 'it waits')
  first.socket.resetAndDestroy()
  t.match(await second.until('2ab'), /^HTTP\/1\.1 200 OK/)
  t.equal(stage.front.cached().entries, 1)
})

t.test('for a client that has gone while it waited nothing is looked up and nothing asked', async t => {
  const app = await rawApp(t, () => {})
  const { front, dial } = await openFront(t, app.port)
  const first = dial()
  first.write(get(asset))
  while (front.counters.requests < 1) await seen()
  await app.sockets[0]!.until('\r\n\r\n')
  const second = dial()
  second.write(get(asset))
  while (app.sockets.length < 2) await seen()
  await seen()
  second.socket.resetAndDestroy()
  while (front.counters.open > 1) await seen()
  app.sockets[0]!.write(ok('abc', immutable))
  await first.until('abc')
  await seen()
  t.match(front.counters, { requests: 1, cacheHits: 0, cacheFills: 1 })
})

t.test('a hundred clients at once are one request to the app', async t => {
  const { port: appPort, server } = await httpApp(t, (_, res) => {
    setTimeout(() => res.setHeader('Cache-Control', 'max-age=99').end('x'.repeat(5_000)), 50)
  })
  let count = 0
  server.on('request', () => count++)
  const { front, port } = await openFront(t, appPort)
  const bodies = Array.from({ length: 100 }, async () => {
    const [res] = (await once(http.get({ port, host: '127.0.0.1', path: asset }), 'response')) as [
      http.IncomingMessage,
    ]
    return Buffer.concat(await res.toArray()).length
  })
  t.same(new Set(await Promise.all(bodies)), new Set([5_000]))
  t.equal(count, 1)
  t.match(front.counters, { cacheHits: 99, cacheFills: 1, requests: 1 })
})

t.test('an app that is slow to answer holds nobody up', async t => {
  const app = await rawApp(t, () => {})
  const { dial } = await openFront(t, app.port)
  dial().write(get(asset))
  dial().write(get(asset))
  while (app.sockets.length < 2) await seen()
  await app.sockets[1]!.until(asset)
})

t.test('what turns out not to be stored is not waited for again', async t => {
  let count = 0
  const app = await rawApp(t, (socket, got) => {
    void got.until('\r\n\r\n').then(() => ++count === 1 && socket.write(ok('x')))
  })
  const { dial } = await openFront(t, app.port)
  const first = dial()
  first.write(get(asset))
  await first.until('\r\n\r\nx')
  dial().write(get(asset))
  dial().write(get(asset))
  await seen()
  await seen()
  t.equal(app.sockets.filter(({ text }) => text() !== '').length, 3)
})

t.test('hits, misses and the version server keep their order on one connection', async t => {
  const { dial, front } = await counting(t, immutable)
  const client = dial()
  client.write(get(asset))
  await client.until('<1>')
  client.write(get('/2') + get(asset) + get('/3') + get(asset) + get(asset) + get('/4'))
  client.socket.end()
  t.equal(await client.ended, 'end')
  t.same(client.text().match(/<\d>/g), ['<1>', '<2>', '<1>', '<3>', '<1>', '<1>', '<4>'])
  t.equal(front.counters.cacheHits, 3)
})

t.test('a hit that needs no connection to the app keeps none of the pod’s ports busy', async t => {
  const { dial, app } = await counting(t, immutable)
  const first = dial()
  first.write(get(asset))
  await first.until('<1>')
  for (let hit = 0; hit < 20; hit++) {
    const client = dial()
    client.write(get(asset, 'Connection: close'))
    t.equal(await client.ended, 'end')
    t.match(client.text(), /<1>$/)
  }
  // Whoever ends a connection in order, and first, keeps its port for a minute: TIME_WAIT, 06 (RFC 9293 §3.6.1).
  for (const each of app.sockets.slice(1)) t.equal(await each.ended, 'reset')
})

t.test('hits behind each other, and then the client’s end, are all answered', async t => {
  const { dial } = await counting(t, immutable)
  const first = dial()
  first.write(get(asset))
  await first.until('<1>')
  const client = dial()
  client.write(get(asset).repeat(50))
  client.socket.end()
  t.equal(await client.ended, 'end')
  t.equal(client.text().match(/<1>/g)?.length, 50)
})

t.test('a client that asks on and on and reads nothing is not answered without end', async t => {
  const body = 'x'.repeat(100_000)
  const app = await answering(t, () => ok(body, immutable))
  const { dial, front } = await openFront(t, app.port)
  const first = dial()
  first.write(get(asset))
  await first.until('xxx')
  while (front.cached().entries === 0) await seen()
  const client = dial()
  client.socket.pause()
  client.write(get(asset).repeat(2_000))
  for (let turn = 0; turn < 20; turn++) await seen()
  t.ok(front.counters.cacheHits < 200, `${front.counters.cacheHits}`)
  client.socket.resume()
  while (front.counters.cacheHits < 2_000) await seen()
})

t.test(
  'the end of an app’s idle connection is not the end of a client’s that is answered from memory',
  async t => {
    const { dial, app, count } = await counting(t, immutable)
    const client = dial()
    client.write(get(asset) + get(asset))
    await client.until(/<1>[^]*<1>/)
    app.sockets[0]?.socket.end()
    await seen()
    client.write(get(asset))
    await client.until(/(<1>[^]*){3}/)
    client.write(get('/2'))
    await client.until('<2>')
    t.equal(app.sockets.length, 2)
    t.equal(count(), 2)
  },
)

t.test('a change by POST or DELETE drops what was stored, unless it failed', async t => {
  for (const [status, isDropped] of [
    [200, true],
    [204, true],
    [303, true],
    [403, false],
    [500, false],
  ] as const) {
    const app = await answering(t, head =>
      head.startsWith('GET') ? ok('x', immutable) : `HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`,
    )
    const stage = await openFront(t, app.port)
    await ask(stage, get(asset))
    t.equal(stage.front.cached().entries, 1)
    await ask(stage, get(asset).replace('GET', 'DELETE'))
    t.equal(stage.front.cached().entries, isDropped ? 0 : 1, String(status))
  }
})

t.test('it is emptied when the app goes, and what is on its way is not put in', async t => {
  const { ask, front, app } = await counting(t, immutable)
  await ask(get(asset))
  t.equal(front.cached().entries, 1)
  app.server.close()
  for (const { socket } of app.sockets) socket.destroy()
  await ask(get('/'))
  t.same(front.cached(), { entries: 0, bytes: 0 })
})

t.test('an address that is too long for an asset’s is not kept, nor waited for', async t => {
  const long = 'x'.repeat(3_000)
  const requests = [get(`${asset}?${long}`), get(asset, `X-Forwarded-Host: ${long}`)]
  const { ask, front } = await counting(t, immutable)
  for (const request of [...requests, ...requests]) await ask(request)
  t.match(front.counters, { cacheFills: 0, cacheHits: 0, requests: 4 })
  const silent = await openFront(t, (await rawApp(t, () => {})).port)
  for (const request of [...requests, ...requests]) silent.dial().write(request)
  const begun = Date.now()
  while (silent.front.counters.requests < 4 && Date.now() - begun < 200) await seen()
  t.equal(silent.front.counters.requests, 4)
})

t.test('what is kept beside a body counts', async t => {
  const app = await answering(t, () => ok('x', immutable, `X: ${'y'.repeat(1_000)}`))
  const stage = await openFront(t, app.port)
  const target = `${asset}?${'x'.repeat(1_500)}`
  await ask(stage, get(target))
  const { bytes } = stage.front.cached()
  t.ok(bytes >= 2 * (target.length + 1_000), `${bytes}`)
})

t.test('bytes, entries and the size of each are capped; what was used last stays', async t => {
  const app = await answering(t, head =>
    head.includes('huge')
      ? `HTTP/1.1 200 OK\r\n${immutable}\r\nTransfer-Encoding: chunked\r\n\r\n1389\r\n${'x'.repeat(5_001)}\r\n0\r\n\r\n`
      : ok('x'.repeat(head.includes('big') ? 5_001 : 4_000), immutable),
  )
  const stage = await openFront(t, app.port, { cache: { maxBytes: 20_000, maxEntries: 3 } })
  const name = (i: number) => `/a-${i}b2c3d4e5.js`
  await ask(stage, get('/big-1b2c3d4e.js'))
  await ask(stage, get('/huge-1b2c3d4e.js'))
  t.equal(stage.front.cached().entries, 0)
  for (const i of [1, 2, 3]) await ask(stage, get(name(i)))
  t.equal(stage.front.cached().entries, 3)
  const now = Date.now()
  t.intercept(Date, 'now', { value: () => now + 2_000 })
  await ask(stage, get(name(1)))
  await ask(stage, get(name(4)))
  t.match(stage.front.counters, { cacheEvictions: 1, cacheHits: 1 })
  await ask(stage, get(name(1)))
  t.equal(stage.front.counters.cacheHits, 2)
  await ask(stage, get(name(2)))
  t.equal(stage.front.counters.cacheHits, 2)
  t.ok(stage.front.cached().bytes <= 20_000)
})

t.test(
  'chunked assets are stored though six are on their way at a time, within what memory holds',
  async t => {
    const waiting: Socket[] = []
    const app = await rawApp(t, socket => {
      socket.once('data', () => {
        if (waiting.push(socket) === 6) void answer(waiting.splice(0))
      })
    })
    async function answer(sockets: Socket[]): Promise<void> {
      for (const socket of sockets)
        socket.write(`HTTP/1.1 200 OK\r\n${immutable}\r\nTransfer-Encoding: chunked\r\n\r\n`)
      for (const socket of sockets) socket.write(`3e8\r\n${'x'.repeat(1_000)}\r\n`)
      await seen()
      for (const socket of sockets) socket.end('0\r\n\r\n')
    }
    for (const [maxBytes, fills] of [
      [20_000, 6],
      [5_000, 4],
    ] as const) {
      const stage = await openFront(t, app.port, { cache: { maxBytes, maxEntries: 9 } })
      for (let round = 0; round < 2; round++) {
        await Promise.all([1, 2, 3, 4, 5, 6].map(i => ask(stage, get(`/a-${round}${i}b2c3d4.js`))))
        t.equal(stage.front.counters.cacheFills, fills * (round + 1))
      }
    }
  },
)

t.test('a miss is what memory could have had, and nothing else', async t => {
  const { front, ...stage } = await counting(t, immutable)
  front.press('high')
  await stage.ask(get(asset))
  t.equal(front.counters.cacheMisses, 1, 'short of memory too')
  front.press('none')
  await stage.ask(get('/api/carts'))
  await stage.ask(get('/'))
  t.equal(front.counters.cacheMisses, 3, 'what is immutable, by whatever name')
  const app = await answering(t, head =>
    head.includes('none-match')
      ? 'HTTP/1.1 304 Not Modified\r\n\r\n'
      : head.includes('range')
        ? 'HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\n\r\nx'
        : 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n',
  )
  const other = await openFront(t, app.port)
  for (const target of [asset, '/logo.png'])
    for (const line of ['range: bytes=0-0', 'if-none-match: "e"', 'x: y']) await ask(other, get(target, line))
  t.match(other.front.counters, { cacheMisses: 2, cacheHits: 0, requests: 6 })
})

t.test('switched off, nothing is stored', async t => {
  const app = await answering(t, () => ok('x', immutable))
  const stage = await openFront(t, app.port, { cache: { maxBytes: 0, maxEntries: 9 } })
  await ask(stage, get(asset))
  await ask(stage, get(asset))
  t.equal(stage.front.counters.cacheHits, 0)
})
