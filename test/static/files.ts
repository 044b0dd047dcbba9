// What the origin of a single-page app answers, as tables from RFC 9110.

import { createHash } from 'node:crypto'
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib'
import t from 'tap'
import { createFiles } from '../../static/files.ts'
import type { FilesOptions } from '../../static/files.ts'

const page = '<!doctype html><title>shop</title>'
const script = `console.log(${JSON.stringify('tab '.repeat(1_000))})`
const digits = '0123456789'

const contents = {
  'index.html': page,
  'about.html': `<!doctype html><title>about</title>${'<p>about</p>'.repeat(200)}`,
  'docs/index.html': '<!doctype html><title>docs</title>',
  'a b/é.txt': digits,
  '100%25.txt': 'a percent sign in its name, and digits',
  'digits.txt': digits,
  'empty.txt': '',
  'app.js': script,
  'assets/index-BpZ1z3aQ.js': script,
  '_app/immutable/entry.js': 'start()',
  'assets/logo-1024x1024.png': 'PNG',
  'sw.js': 'self',
  data: 'bytes',
  '.well-known/security.txt': 'Contact: mailto:security@shop.example',
  'lib/lib.css': `body{${'color:red;'.repeat(300)}}`,
  'lib/lib.css.br': brotliCompressSync('shipped by the build, br'),
  'lib/lib.css.gz': gzipSync('shipped by the build, gz'),
  'archive.tar.gz': gzipSync('an archive'),
}

function setUp(options: FilesOptions = {}, files: Record<string, string | Buffer> = contents) {
  const map = new Map(Object.entries(files).map(([path, body]) => [path, Buffer.from(body)]))
  const { answer, settled } = createFiles(map, options)
  const ask = (target: string, headers: Record<string, string> = {}, method = 'GET') =>
    answer({ method, target, headers })
  return { ask, settled }
}

const navigation = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }
const etagOf = (body: string | Buffer) =>
  `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`

t.test('files, folders and pages of the app', async t => {
  const { ask } = setUp()
  const cases: [target: string, headers: Record<string, string>, status: number, body?: string][] = [
    ['/', {}, 200, page],
    ['/?utm=1', {}, 200, page],
    ['/index.html', {}, 200, page],
    ['/digits.txt', {}, 200, digits],
    ['/digits.txt?v=2#x', {}, 200, digits],
    ['/a%20b/%C3%A9.txt', {}, 200, digits],
    ['/100%2525.txt', {}, 200],
    ['/docs/', {}, 200, contents['docs/index.html']],
    ['/.well-known/security.txt', {}, 200],
    ['http://shop.example/digits.txt', {}, 200, digits],
    ['http://shop.example', {}, 200, page],
    ['http://shop.example?x', {}, 200, page],
    // Pages of the app
    ['/orders/17', navigation, 200, page],
    ['/orders/17', { accept: '*/*', 'sec-fetch-mode': 'navigate' }, 200, page],
    ['/users/john.doe', navigation, 200, page],
    [
      '/tree/main.js',
      { ...navigation, 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
      200,
      page,
    ],
    [
      '/orders/17',
      { accept: 'text/html', 'sec-fetch-mode': 'same-origin', 'sec-fetch-dest': 'empty' },
      200,
      page,
    ],
    ['/apis', navigation, 200, page],
    ['//orders', navigation, 200, page],
    // Missing
    ['/orders/17', {}, 404],
    ['/orders/17', { accept: '*/*' }, 404],
    ['/orders/17', { accept: 'text/html;q=0, */*' }, 404],
    ['/missing.js', navigation, 404],
    ['/missing.js', { accept: '*/*', 'sec-fetch-dest': 'script' }, 404],
    ['/missing', { accept: 'text/html', 'sec-fetch-dest': 'script' }, 404],
    ['/assets/index-CqZ1z3aR.js', { ...navigation, 'sec-fetch-mode': 'navigate' }, 404],
    ['/_app/immutable/gone', { ...navigation, 'sec-fetch-mode': 'navigate' }, 404],
    ['/api/orders', navigation, 404],
    ['/api', { 'sec-fetch-mode': 'navigate' }, 404],
    ['/assets/', {}, 404],
    ['/Digits.txt', {}, 404],
    ['/digits.txt/', {}, 404],
    ['/lib/lib.css.br', {}, 404],
    ['/lib/lib.css.gz', {}, 404],
    ['/archive.tar.gz', {}, 200],
  ]
  for (const [target, headers, status, body] of cases) {
    const answer = ask(target, headers)
    const name = `${target} ${JSON.stringify(headers)}`
    t.equal(answer.status, status, name)
    if (body !== undefined) t.equal(answer.body?.toString(), body, name)
    if (status === 404)
      t.match(
        answer,
        { headers: { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' } },
        name,
      )
    t.equal(answer.headers['X-Content-Type-Options'], 'nosniff')
    if (answer.body) t.equal(Number(answer.headers['Content-Length']), answer.body.length)
  }
})

t.test('whatever the path tries, it names a file that was loaded, or none', async t => {
  const { ask } = setUp({}, { ...contents, '.env': 'SECRET', '../secret': 'SECRET', 'a/..': 'SECRET' })
  const odd = [
    '/../secret',
    '/..%2fsecret',
    '/%2e%2e/secret',
    '/%2E%2E%2Fsecret',
    '/a/../digits.txt',
    '/a/..',
    '/./digits.txt',
    '/a%2f..%2fdigits.txt',
    '/docs%2Findex.html',
    '/docs%5cindex.html',
    '/docs\\index.html',
    '/..\\secret',
    '/%5c..%5csecret',
    '/.env',
    '/%2eenv',
    '/.git/config',
    '/digits.txt%00',
    '/digits.txt%00.png',
    '/digits.txt%0d%0aX: y',
    '/.well-known/../secret',
    '/.well-known/.env',
    'http://shop.example/../secret',
    'file:///etc/passwd',
  ]
  // Decoded once only, so these are plain names that no file has.
  const plain = ['/%252e%252e%252fsecret', '/%252e%252e/secret', '/%25%32%65/secret', '/etc/passwd']
  const malformed = [
    '/%c0%ae%c0%ae/secret',
    '/%c0%afetc',
    '/%ff',
    '/%',
    '/%zz',
    '/%u002e',
    '/%ed%a0%80',
    '*',
    '',
    'x',
    'http://',
  ]
  for (const target of odd.filter(target => !target.startsWith('file:'))) {
    t.match(ask(target), { status: 404 }, target)
    t.match(ask(target, { ...navigation, 'sec-fetch-mode': 'navigate' }), { status: 404 }, target)
  }
  for (const target of plain) t.match(ask(target), { status: 404 }, target)
  for (const target of [...malformed, 'file:///etc/passwd'])
    t.match(ask(target, navigation), { status: 400 }, target)
})

t.test('a folder is redirected to its page, from wherever it is mounted', async t => {
  const { ask } = setUp({}, { 'docs/index.html': page, 'a/b c:d/index.html': page })
  t.match(ask('/docs?x=1&y=2'), {
    status: 301,
    headers: { Location: './docs/?x=1&y=2', 'Cache-Control': 'no-cache' },
  })
  t.match(ask('/a/b%20c:d'), { status: 301, headers: { Location: './b%20c%3Ad/' } })
  t.equal(ask('/a').status, 404)
  t.equal(ask('/', navigation).status, 404, 'there is no page for the app')
})

t.test('mounted below a prefix', async t => {
  const { ask } = setUp({ prefix: '/ops/console/' })
  t.match(ask('/ops/console'), { status: 301, headers: { Location: './console/' } })
  t.equal(ask('/ops/console/').body?.toString(), page)
  t.equal(ask('/ops/console/digits.txt').body?.toString(), digits)
  t.equal(ask('/ops/console/apps/1', navigation).body?.toString(), page)
  t.match(ask('/ops/console/docs'), { status: 301, headers: { Location: './docs/' } })
  for (const path of ['/', '/ops', '/ops/', '/digits.txt', '/ops/consoles', '/ops/console/api/apps'])
    t.equal(ask(path, navigation).status, 404, path)
})

t.test('only pages carry the headers of pages', async t => {
  const csp = "default-src 'self'"
  const { ask } = setUp({ pageHeaders: { 'Content-Security-Policy': csp } })
  for (const path of ['/', '/about.html', '/docs/'])
    t.equal(ask(path).headers['Content-Security-Policy'], csp, path)
  t.equal(ask('/orders', navigation).headers['Content-Security-Policy'], csp)
  t.equal(ask('/', { 'if-none-match': etagOf(page) }).headers['Content-Security-Policy'], csp)
  for (const path of ['/app.js', '/gone']) t.notOk('Content-Security-Policy' in ask(path).headers, path)
})

t.test('how long a browser may keep it', async t => {
  const { ask } = setUp()
  const year = 'public, max-age=31536000, immutable'
  for (const path of ['/assets/index-BpZ1z3aQ.js', '/_app/immutable/entry.js'])
    t.equal(ask(path).headers['Cache-Control'], year, path)
  for (const path of ['/', '/about.html', '/app.js', '/sw.js', '/assets/logo-1024x1024.png', '/digits.txt'])
    t.equal(ask(path).headers['Cache-Control'], 'no-cache', path)
})

t.test('methods (RFC 9110 §9, §15.5.6)', async t => {
  const { ask } = setUp()
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'get', '']) {
    for (const path of ['/', '/gone', '*'])
      t.match(ask(path, {}, method), { status: 405, headers: { Allow: 'GET, HEAD' } }, `${method} ${path}`)
  }
  for (const [target, headers] of [
    ['/', {}],
    ['/app.js', { 'accept-encoding': 'gzip' }],
    ['/gone', {}],
    ['/docs', {}],
    ['/digits.txt', { 'if-none-match': etagOf(digits) }],
    ['/digits.txt', { 'if-match': '"x"' }],
  ] as const) {
    const { status, headers: sent } = ask(target, headers)
    t.same(ask(target, headers, 'HEAD'), { status, headers: sent, body: undefined }, target)
  }
  t.match(
    ask('/digits.txt', { range: 'bytes=0-1' }, 'HEAD'),
    { status: 200, headers: { 'Content-Length': '10' } },
    '§14.2',
  )
})

t.test('conditions, in their order (RFC 9110 §13.2.2)', async t => {
  const { ask } = setUp()
  const etag = etagOf(digits)
  const past = 'Thu, 01 Jan 1998 00:00:00 GMT'
  const future = 'Thu, 01 Jan 2099 00:00:00 GMT'
  const cases: [headers: Record<string, string>, status: number][] = [
    [{ 'if-none-match': etag }, 304],
    [{ 'if-none-match': `W/${etag}` }, 304],
    [{ 'if-none-match': '*' }, 304],
    [{ 'if-none-match': `"a", W/"b" , ${etag}` }, 304],
    [{ 'if-none-match': '"a,b"' }, 200],
    [{ 'if-none-match': etag.replaceAll('"', '') }, 200],
    [{ 'if-none-match': '"other"' }, 200],
    [{ 'if-match': etag }, 200],
    [{ 'if-match': '*' }, 200],
    [{ 'if-match': `"a", ${etag}` }, 200],
    [{ 'if-match': `W/${etag}` }, 412],
    [{ 'if-match': '"other"' }, 412],
    [{ 'if-match': '"other"', 'if-none-match': etag }, 412],
    [{ 'if-match': etag, 'if-none-match': etag }, 304],
    [{ 'if-none-match': etag, range: 'bytes=0-1' }, 304],
    [{ 'if-match': '"other"', range: 'bytes=0-1' }, 412],
    [{ 'if-match': etag, range: 'bytes=0-1' }, 206],
    // It has no date, so these do not count.
    [{ 'if-modified-since': future }, 200],
    [{ 'if-unmodified-since': past }, 200],
    [{ 'if-none-match': '"other"', 'if-modified-since': future }, 200],
    [{ 'if-range': future, range: 'bytes=0-1' }, 200],
  ]
  for (const [headers, status] of cases)
    t.equal(ask('/digits.txt', headers).status, status, JSON.stringify(headers))
  t.equal(ask('/gone', { 'if-match': '"x"' }).status, 404, 'there is nothing to compare with (§13.2.1)')
  const { headers, body } = ask('/app.js', { 'if-none-match': etagOf(script) })
  t.same(Object.keys(headers).sort(), [
    'Accept-Ranges',
    'Cache-Control',
    'ETag',
    'Vary',
    'X-Content-Type-Options',
  ])
  t.equal(body, undefined)
})

t.test('ranges (RFC 9110 §14)', async t => {
  const { ask } = setUp()
  const etag = etagOf(digits)
  const cases: [headers: Record<string, string>, status: number, range: string | undefined, body: string][] =
    [
      [{ range: 'bytes=0-0' }, 206, 'bytes 0-0/10', '0'],
      [{ range: 'bytes=2-4' }, 206, 'bytes 2-4/10', '234'],
      [{ range: 'bytes=7-' }, 206, 'bytes 7-9/10', '789'],
      [{ range: 'bytes=7-99' }, 206, 'bytes 7-9/10', '789'],
      [{ range: 'bytes=-3' }, 206, 'bytes 7-9/10', '789'],
      [{ range: 'bytes=-99' }, 206, 'bytes 0-9/10', digits],
      [{ range: 'bytes=2-4', 'if-range': etag }, 206, 'bytes 2-4/10', '234'],
      [{ range: 'bytes=2-4', 'if-range': '"other"' }, 200, undefined, digits],
      [{ range: 'bytes=2-4', 'if-range': `W/${etag}` }, 200, undefined, digits],
      [{ range: 'bytes=2-4', 'if-range': etag.replaceAll('"', '') }, 200, undefined, digits],
      [{ range: 'bytes=10-' }, 416, 'bytes */10', 'no such range\n'],
      [{ range: 'bytes=-0' }, 416, 'bytes */10', 'no such range\n'],
      [{ range: 'bytes=99-', 'if-range': '"other"' }, 200, undefined, digits],
      [{ range: 'bytes=0-1,4-5' }, 200, undefined, digits],
      [{ range: `bytes=${'0-,'.repeat(500)}0-` }, 200, undefined, digits],
      [{ range: 'bytes=4-2' }, 200, undefined, digits],
      [{ range: 'items=0-1' }, 200, undefined, digits],
      [{ range: 'bytes=x' }, 200, undefined, digits],
    ]
  for (const [headers, status, range, body] of cases) {
    const answer = ask('/digits.txt', headers)
    const name = JSON.stringify(headers).slice(0, 80)
    t.equal(answer.status, status, name)
    t.equal(answer.headers['Content-Range'], range, name)
    t.equal(answer.body?.toString(), body, name)
    t.equal(answer.headers['Content-Length'], `${body.length}`, name)
    if (status === 206) t.match(answer.headers, { ETag: etag, 'Content-Type': 'text/plain; charset=utf-8' })
  }
  t.equal(ask('/empty.txt', { range: 'bytes=0-' }).status, 416)
  t.equal(ask('/').headers['Accept-Ranges'], 'bytes')
})

t.test('codings (RFC 9110 §12.5.3): what was shipped', async t => {
  const { ask } = setUp()
  const cases: [accept: string | undefined, coding: string | undefined][] = [
    [undefined, undefined],
    ['', undefined],
    ['gzip, deflate, br, zstd', 'br'],
    ['gzip', 'gzip'],
    ['GZip', 'gzip'],
    ['x-gzip', 'gzip'],
    ['br;q=0.5, gzip;q=0.8', 'gzip'],
    ['br;q=0, *', 'gzip'],
    ['*', 'br'],
    ['identity', undefined],
    ['identity, gzip;q=0.5', undefined],
    ['deflate', undefined],
    ['gzip;q=0, br;q=0.0', undefined],
    ['identity;q=0, gzip', 'gzip'],
    ['*;q=0, gzip', 'gzip'],
  ]
  const etags = new Set<string>()
  for (const [accept, coding] of cases) {
    const asked = accept === undefined ? {} : { 'accept-encoding': accept }
    const { status, headers, body = Buffer.alloc(0) } = ask('/lib/lib.css', asked)
    const name = String(accept)
    t.equal(status, 200, name)
    t.equal(headers['Content-Encoding'], coding, name)
    t.match(headers, { Vary: 'Accept-Encoding', 'Content-Type': 'text/css; charset=utf-8' })
    t.equal(headers.ETag, etagOf(body), 'strong: of these bytes')
    etags.add(headers.ETag ?? '')
    if (coding === 'br') t.equal(brotliDecompressSync(body).toString(), 'shipped by the build, br')
    if (coding === 'gzip') t.equal(gunzipSync(body).toString(), 'shipped by the build, gz')
  }
  t.equal(etags.size, 3)
  for (const accept of ['identity;q=0', '*;q=0', 'deflate, *;q=0']) {
    const answer = ask('/lib/lib.css', { 'accept-encoding': accept })
    t.match(
      answer,
      { status: 406, headers: { 'Cache-Control': 'no-store', Vary: 'Accept-Encoding' } },
      accept,
    )
  }
})

t.test('codings that nobody shipped are made once somebody asks, and not while he waits', async t => {
  const { ask, settled } = setUp()
  for (const coding of ['br', 'gzip']) {
    const first = ask('/app.js', { 'accept-encoding': coding })
    t.same([first.headers['Content-Encoding'], first.body?.toString()], [undefined, script], coding)
    t.equal(first.headers.Vary, 'Accept-Encoding')
    await settled()
    const { headers, body = Buffer.alloc(0) } = ask('/app.js', { 'accept-encoding': coding })
    t.equal(headers['Content-Encoding'], coding)
    t.equal((coding === 'br' ? brotliDecompressSync : gunzipSync)(body).toString(), script)
    t.equal(headers.ETag, etagOf(body))
    t.match(ask('/app.js', { 'accept-encoding': coding, 'if-none-match': etagOf(body) }), { status: 304 })
    t.match(ask('/app.js', { 'accept-encoding': coding, 'if-none-match': etagOf(script) }), { status: 200 })
    const part = ask('/app.js', { 'accept-encoding': coding, range: 'bytes=5-9', 'if-range': etagOf(body) })
    t.match(part, {
      status: 206,
      headers: { 'Content-Encoding': coding, 'Content-Range': `bytes 5-9/${body.length}` },
    })
    t.same(part.body, body.subarray(5, 10))
  }
  t.equal(ask('/app.js').body?.toString(), script, 'who does not ask gets it plain')
})

t.test(
  'what is small, or does not become smaller, stays plain; who rules that out gets what can be made',
  async t => {
    const noise = Buffer.from(
      Array.from({ length: 4_000 }, (_, i) => createHash('sha256').update(`${i}`).digest()[0]!),
    )
    const { ask, settled } = setUp({}, { 'small.js': 'x()', 'noise.js': noise, 'photo.jpg': noise })
    for (let i = 0; i < 2; i++) {
      for (const path of ['/small.js', '/noise.js', '/photo.jpg'])
        t.notOk('Content-Encoding' in ask(path, { 'accept-encoding': 'gzip, br' }).headers, path)
      await settled()
    }
    t.notOk('Vary' in ask('/photo.jpg').headers)
    t.match(ask('/small.js', { 'accept-encoding': 'gzip, identity;q=0' }), {
      status: 200,
      headers: { 'Content-Encoding': 'gzip' },
    })
    t.match(ask('/small.js', { 'accept-encoding': 'br, *;q=0' }), {
      status: 200,
      headers: { 'Content-Encoding': 'br' },
    })
    t.equal(ask('/photo.jpg', { 'accept-encoding': 'gzip, identity;q=0' }).status, 406)
  },
)

t.test('media types', async t => {
  const { ask } = setUp(
    {},
    Object.fromEntries(
      ['a.html', 'a.mjs', 'a.json', 'a.SVG', 'a.wasm', 'a.woff2', 'a.constructor', 'a', 'js'].map(name => [
        name,
        'x',
      ]),
    ),
  )
  const typeOf = (name: string) => ask(`/${name}`).headers['Content-Type']
  t.equal(typeOf('a.html'), 'text/html; charset=utf-8')
  t.equal(typeOf('a.mjs'), 'text/javascript; charset=utf-8')
  t.equal(typeOf('a.json'), 'application/json')
  t.equal(typeOf('a.SVG'), 'image/svg+xml')
  t.equal(typeOf('a.wasm'), 'application/wasm')
  t.equal(typeOf('a.woff2'), 'font/woff2')
  for (const name of ['a.constructor', 'a', 'js']) t.equal(typeOf(name), 'application/octet-stream', name)
})
