import t from 'tap'
import type { Test } from 'tap'
import { EventEmitter, once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { Agent, request as httpsRequest } from 'node:https'
import { connect as connectPlain } from 'node:net'
import { connect } from 'node:tls'
import { openCertificate } from '../../webhook/certificate.ts'
import { createServer, maxBytes } from '../../webhook/server.ts'
import type { ServerOptions } from '../../webhook/server.ts'

const dnsName = 'spa-reloader-webhook.spa-reloader.svc'
const certificate = await openCertificate({
  secret: { read: async () => undefined, create: async () => 'created', replace: async () => 'moved' },
  dnsNames: [dnsName],
  onRenew: () => {},
  log: () => {},
})

const review = JSON.stringify({
  apiVersion: 'admission.k8s.io/v1',
  kind: 'AdmissionReview',
  request: { uid: 'a-b-c', namespace: 'shop', object: { spec: {} } },
})

t.test('a review is answered, and many on one connection', async t => {
  const { ask, ports } = await open(t)
  for (let count = 0; count < 3; count++) {
    const { status, headers, body } = await ask('/mutate', { body: review })
    t.equal(status, 200)
    t.equal(headers['content-type'], 'application/json')
    t.match(JSON.parse(body), { kind: 'AdmissionReview', response: { uid: 'a-b-c', allowed: true } })
  }
  t.equal(ports.size, 1)
  t.equal((await ask('/mutate?timeout=3s', { body: review })).status, 200, 'as the API server asks')
})

t.test('an idle connection outlives those of the API server', async t => {
  const { ask } = await open(t)
  const { headers } = await ask('/mutate', { body: review })
  t.equal(headers['keep-alive'], 'timeout=95', 'it keeps idle ones for 90 s')
})

t.test('what is not a review is refused with its reason, and the server lives on', async t => {
  const { ask, lines } = await open(t)
  const refusals: [body: unknown, reason: RegExp][] = [
    ['', /not JSON/],
    ['{"kind": "AdmissionRev', /not JSON/],
    ['\0\xff', /not JSON/],
    ['[]', /not an AdmissionReview/],
    ['null', /not an AdmissionReview/],
    [{ kind: 'Pod' }, /not an AdmissionReview/],
    [{ apiVersion: 'admission.k8s.io/v1beta1' }, /apiVersion/],
    [{ request: undefined }, /no request/],
    [{ request: { namespace: 'shop', object: {} } }, /no uid/],
    [{ request: { uid: 7, namespace: 'shop', object: {} } }, /no uid/],
    [{ request: { uid: 'a', object: {} } }, /no namespace/],
    [{ request: { uid: 'a', namespace: 'shop' } }, /no object/],
    [{ request: { uid: 'a', namespace: 'shop', object: [] } }, /no object/],
  ]
  for (const [body, reason] of refusals) {
    const text =
      typeof body === 'string' ? body : JSON.stringify({ ...JSON.parse(review), ...(body as object) })
    const answer = await ask('/mutate', { body: text })
    t.match(answer, { status: 400, body: reason }, text)
  }
  t.same(
    lines.map(({ fields }) => fields?.code),
    refusals.map(() => 'malformed_review'),
    'one line each',
  )
  t.equal((await ask('/mutate', { body: review })).status, 200)
})

t.test('other types, methods and paths are refused', async t => {
  const { ask } = await open(t)
  t.match(await ask('/mutate', { body: review, type: 'text/plain' }), {
    status: 415,
    body: /application\/json/,
  })
  t.match(await ask('/mutate', { body: review, type: 'application/json-patch+json' }), { status: 415 })
  t.match(await ask('/mutate', { body: review, type: 'application/json; charset=utf-8' }), { status: 200 })
  t.match(await ask('/mutate', { method: 'GET' }), { status: 405, headers: { allow: 'POST' } })
  t.match(await ask('/readyz', { body: review }), { status: 405, headers: { allow: 'GET, HEAD' } })
  t.match(await ask('/', { method: 'GET' }), { status: 404 })
  t.match(await ask('/mutate/', { body: review }), { status: 404 })
})

t.test('a body of 10 MiB is refused, whether it says so or not, and the server lives on', async t => {
  const { ask, lines } = await open(t)
  const size = 10 * 1024 * 1024
  t.ok(size > maxBytes)
  const declared = await ask('/mutate', { body: chunks(size), headers: { 'Content-Length': size } })
  t.match(declared, { status: 413, body: /8388608 bytes/ })
  const streamed = await ask('/mutate', { body: chunks(size) })
  t.match(streamed, { status: 413 })
  t.match(lines, [{ fields: { code: 'body_too_large' } }, { fields: { code: 'body_too_large' } }])
  t.equal(lines.length, 2)
  t.match(await ask('/mutate', { body: review }), { status: 200 })
})

t.test('a body that says how large it is need not be sent to be refused', async t => {
  const { port } = await open(t)
  const socket = connect({ host: '127.0.0.1', port, ca: certificate.ca, servername: dnsName })
  t.teardown(() => socket.destroy())
  socket.write(
    `POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${maxBytes + 1}\r\n\r\n`,
  )
  const [head] = await once(socket, 'data')
  t.match(String(head), /^HTTP\/1.1 413 /)
})

t.test('a large body below the limit is read', async t => {
  const { ask } = await open(t)
  const large = { ...JSON.parse(review), padding: 'x'.repeat(maxBytes - 1000) }
  t.match(await ask('/mutate', { body: JSON.stringify(large) }), { status: 200 })
})

t.test('a client that goes away in the middle harms nobody', async t => {
  const { ask, port, lines } = await open(t)
  const socket = connect({ host: '127.0.0.1', port, ca: certificate.ca, servername: dnsName })
  await once(socket, 'secureConnect')
  socket.write(
    'POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"ki',
  )
  t.equal((await ask('/livez', { method: 'GET' })).status, 200)
  socket.destroy()
  while (lines.length === 0) await new Promise(resolve => setTimeout(resolve, 5))
  t.match(lines, [{ message: 'admission request failed', fields: { code: 'request_failed' } }])
  t.equal((await ask('/mutate', { body: review })).status, 200)
})

t.test('a failure of ours is a 500 with one line', async t => {
  const { ask, lines } = await open(t, { admit: () => Promise.reject(new Error('ours')) })
  t.match(await ask('/mutate', { body: review }), { status: 500 })
  t.match(lines, [{ fields: { code: 'request_failed', reason: 'ours' } }])
})

t.test('health tells apart alive and ready', async t => {
  let problem: string | undefined = 'the caBundle is not written yet'
  const { ask } = await open(t, { unready: () => problem })
  t.match(await ask('/livez', { method: 'GET' }), { status: 200 })
  t.match(await ask('/healthz', { method: 'HEAD' }), { status: 200, body: '' })
  t.match(await ask('/readyz', { method: 'GET' }), { status: 503, body: `${problem}\n` })
  problem = undefined
  t.match(await ask('/readyz', { method: 'GET' }), { status: 200 })
})

t.test('a renewed certificate is shown to new connections; open ones go on', async t => {
  const { ask, server, port, ports } = await open(t)
  await ask('/mutate', { body: review })
  const before = await serialAt(port)
  const other = await openCertificate({
    secret: { read: async () => undefined, create: async () => 'created', replace: async () => 'moved' },
    dnsNames: [dnsName],
    onRenew: () => {},
    log: () => {},
  })
  server.renew(other.leaf)
  const after = await serialAt(port)
  t.not(after, before)
  t.equal(after, await serialAt(port))
  t.match(await ask('/mutate', { body: review }), { status: 200 })
  t.equal(ports.size, 1)
})

t.test('a client that does not trust our authority is logged, a scan is not', async t => {
  const { ask, port, lines } = await open(t)
  const scan = connectPlain(port)
  await once(scan, 'connect')
  scan.end('GET / HTTP/1.0\r\n\r\n')
  await once(scan.resume(), 'close')
  const client = connectPlain(port)
  client.write(clientHello)
  await once(client, 'data')
  client.end(Buffer.of(0x15, 3, 3, 0, 2, 2, 48)) // a fatal alert: unknown_ca (RFC 5246 §7.2)
  while (lines.length === 0) await ask('/livez', { method: 'GET' })
  t.match(lines, [{ message: 'certificate refused', fields: { reason: /unknown ca/ } }])
  t.equal(lines.length, 1)
})

t.test('closing answers what has come and takes nothing new', async t => {
  const reached = new EventEmitter()
  const { ask, server, port } = await open(t, {
    admit: async ({ uid }) => {
      reached.emit('review')
      await once(reached, 'go')
      return answerTo(uid)
    },
  })
  const asked = ask('/mutate', { body: review })
  await once(reached, 'review')
  const closed = server.close()
  await t.rejects(serialAt(port), { code: 'ECONNREFUSED' })
  reached.emit('go')
  t.match(await asked, { status: 200, headers: { connection: 'close' } })
  await closed
})

t.test('draining answers everybody once more, on connections that end with the answer', async t => {
  const { ask, server, port } = await open(t)
  const used = await ask('/mutate', { body: review })
  t.match(used, { status: 200, headers: { connection: 'keep-alive' } })
  const idle = connect({ host: '127.0.0.1', port, ca: certificate.ca, servername: dnsName })
  await once(idle, 'secureConnect')
  let isDrained = false
  const drained = server.drain(50, 30_000).then(() => (isDrained = true))
  t.match(await ask('/readyz', { method: 'GET' }), { status: 503, headers: { connection: 'close' } })
  t.match(
    await ask('/mutate', { body: review }),
    { status: 200, headers: { connection: 'close' } },
    'a new one',
  )
  await new Promise(resolve => setTimeout(resolve, 300))
  t.notOk(isDrained, 'somebody is still connected, and may ask')
  idle.destroy()
  await drained
})

t.test('draining ends, whoever stays', async t => {
  const { server, port } = await open(t)
  const idle = connect({ host: '127.0.0.1', port, ca: certificate.ca, servername: dnsName })
  await once(idle, 'secureConnect')
  await server.drain(0, 200)
  t.notOk(idle.destroyed)
  idle.destroy()
})

async function open(t: Test, options: Partial<ServerOptions> = {}) {
  const lines: { message: string; fields: Record<string, unknown> | undefined }[] = []
  const server = createServer({
    address: '127.0.0.1',
    port: 0,
    certificate: certificate.leaf,
    admit: async ({ uid }) => answerTo(uid),
    unready: () => undefined,
    log: (message, fields) => lines.push({ message, fields }),
    ...options,
  })
  const port = await server.open()
  const agent = new Agent({ keepAlive: true, ca: certificate.ca, servername: dnsName })
  /** Of the client's end: one for each connection. */
  const ports = new Set<number | undefined>()
  t.teardown(async () => {
    agent.destroy()
    await server.close(0)
  })
  return { server, port, lines, ports, ask }

  async function ask(
    path: string,
    { method = 'POST', body = '', type = 'application/json', headers = {} }: Asked,
  ) {
    const request = httpsRequest({
      host: '127.0.0.1',
      port,
      path,
      method,
      agent,
      headers: { 'Content-Type': type, ...headers },
    })
    const answered = once(request, 'response') as Promise<[IncomingMessage]>
    if (typeof body !== 'string') for (const chunk of body) request.write(chunk)
    request.end(typeof body === 'string' ? body : undefined)
    const [response] = await answered
    ports.add(request.socket?.localPort)
    let text = ''
    for await (const chunk of response.setEncoding('utf8')) text += chunk
    return { status: response.statusCode, headers: response.headers, body: text }
  }
}

interface Asked {
  method?: string
  body?: string | Iterable<Buffer>
  type?: string
  headers?: Record<string, string | number>
}

function answerTo(uid: string) {
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: { uid, allowed: true, auditAnnotations: {} },
  } as const
}

function* chunks(bytes: number): Generator<Buffer> {
  const chunk = Buffer.alloc(64 * 1024, ' ')
  for (let sent = 0; sent < bytes; sent += chunk.length) yield chunk
}

async function serialAt(port: number): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { serialNumber } = socket.getPeerCertificate()
  socket.destroy()
  return serialNumber
}

/** TLS 1.2 with ECDHE-ECDSA-AES128-GCM-SHA256 on P-256: just enough for a server to answer with its certificate. */
const clientHello = Buffer.from(
  [
    '16 0301 0047 01 000043 0303',
    '5a'.repeat(32),
    '00 0002 c02b 01 00 0018',
    '000a 0004 0002 0017 000b 0002 01 00 000d 0006 0004 0403 0804', // groups, point formats, signature algorithms
  ]
    .join('')
    .replaceAll(' ', ''),
  'hex',
)
