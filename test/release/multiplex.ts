import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createSecureServer } from 'node:http2'
import type { SecureServerOptions, ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import https from 'node:https'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import type { Api } from '../../release/api.ts'
import { createApi } from '../../release/api.ts'
import { createMultiplexer } from '../../release/multiplex.ts'
import { createCertificate } from '../tls.ts'
import { createQueue, kubeConfig } from './server.ts'

interface Asked {
  stream: ServerHttp2Stream
  path: string | undefined
  authorization: string | undefined
}

/** A server of HTTP/2 whose streams the test answers one by one, and a client of it. Both end with the test. */
async function serve(t: Test, options: SecureServerOptions = {}) {
  const tls = createCertificate()
  const sessions: ServerHttp2Session[] = []
  const asked = createQueue<Asked>()
  const server = createSecureServer({ ...tls, ...options })
  server.on('session', session => sessions.push(session))
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {}) // the client may go away
    asked.push({ stream, path: headers[':path'], authorization: headers.authorization })
  })
  server.listen(0, 'localhost')
  await once(server, 'listening')
  const dir = t.testdir({ 'ca.crt': tls.ca, token: 'old' })
  const [caFile, tokenFile] = [join(dir, 'ca.crt'), join(dir, 'token')]
  const url = `https://localhost:${(server.address() as AddressInfo).port}`
  const api = createApi(() => kubeConfig(url, { tokenFile }, caFile), createMultiplexer())
  t.teardown(() => {
    api.close()
    for (const session of sessions) session.destroy()
    server.close()
  })
  const rotate = (token: string) => writeFileSync(tokenFile, token)
  return { api, sessions, next: asked.next, rotate, url, ca: tls.ca }
}

/** Opens a stream that the server answers with 200. */
async function open(api: Api, next: () => Promise<Asked>, path = '/watch') {
  const [opened, { stream }] = await Promise.all([
    api.stream({ path }),
    next().then(asked => {
      asked.stream.respond({ ':status': 200 })
      return asked
    }),
  ])
  if (!('body' in opened)) throw new Error('refused')
  return { body: opened.body, stream }
}

async function line(body: Readable): Promise<string> {
  const [chunk] = (await once(body, 'data')) as [Buffer]
  return chunk.toString()
}

async function bringLines(t: Test, opened: Awaited<ReturnType<typeof open>>[]): Promise<void> {
  for (const { stream, body } of opened) {
    stream.write('{}\n')
    t.equal(await line(body), '{}\n')
  }
}

t.test('streams share a connection, up to what the server takes of them at once', async t => {
  const { api, sessions, next } = await serve(t, { settings: { maxConcurrentStreams: 3 } })
  const opened = await Promise.all(Array.from({ length: 7 }, (_, n) => open(api, next, `/watch/${n}`)))
  t.equal(sessions.length, 3)
  const lines = opened.map(({ body }) => line(body))
  for (const [n, { stream }] of opened.entries()) stream.write(`{"n":${n}}\n`)
  t.same(
    (await Promise.all(lines)).toSorted(),
    Array.from({ length: 7 }, (_, n) => `{"n":${n}}\n`),
  )
  opened[0]?.body.destroy()
  await once(opened[0]!.stream, 'close')
  await open(api, next)
  t.equal(sessions.length, 3, 'the place of one that ended is taken')
})

t.test('method, path and headers are those of any request', async t => {
  const { api, next } = await serve(t)
  const opening = api.stream({ path: '/api/v1/pods', query: { watch: true } })
  const { stream, path, authorization } = await next()
  t.match({ path, authorization }, { path: '/api/v1/pods?watch=true', authorization: 'Bearer old' })
  stream.respond({ ':status': 200 })
  await opening
})

t.test('a stream whose reader is slow does not stop the others', async t => {
  const { api, next } = await serve(t)
  const slow = await open(api, next)
  slow.stream.write(Buffer.alloc(1024 * 1024))
  const quick = await open(api, next)
  quick.stream.write('{}\n')
  t.equal(await line(quick.body), '{}\n')
})

t.test(
  'a stream that the server ends or resets, or whose connection is cut, has ended; the next connects again',
  async t => {
    const { api, sessions, next } = await serve(t)
    const [ended, reset, cut] = [await open(api, next), await open(api, next), await open(api, next)]
    ended.stream.end('{}\n')
    t.same(await ended.body.toArray(), [Buffer.from('{}\n')])
    reset.stream.close(2)
    await once(reset.body.resume(), 'close')
    for (const session of sessions) session.destroy()
    await once(cut.body.resume(), 'close')
    await open(api, next)
    t.equal(sessions.length, 2)
  },
)

t.test('a connection that is to go away keeps its streams, and gets no new one', async t => {
  const { api, sessions, next } = await serve(t)
  const old = await open(api, next)
  sessions[0]?.goaway(0)
  old.stream.write('{}\n')
  await line(old.body) // behind the word that it goes
  const young = await open(api, next)
  t.equal(sessions.length, 2)
  await bringLines(t, [old, young])
})

t.test('a refusal is read whole, and a new token goes over the same connection', async t => {
  const { api, sessions, next, rotate } = await serve(t)
  await open(api, next)
  const refused = api.stream({ path: '/watch' })
  const gone = await next()
  gone.stream.respond({ ':status': 410, 'content-type': 'application/json' })
  gone.stream.end('{"message":"too old"}')
  t.match(await refused, { refused: { status: 410, body: { message: 'too old' } } })
  const renewed = api.stream({ path: '/watch' })
  const first = await next()
  rotate('new')
  first.stream.respond({ ':status': 401 })
  first.stream.end()
  const second = await next()
  t.same([first.authorization, second.authorization], ['Bearer old', 'Bearer new'])
  t.equal(sessions.length, 1)
  second.stream.respond({ ':status': 200 })
  t.match(await renewed, { body: Object })
})

t.test('a connection ends with its last stream, and carries those of one client certificate', async t => {
  const { sessions, next, url, ca } = await serve(t)
  const multiplexer = createMultiplexer()
  t.teardown(multiplexer.close)
  const { hostname, port } = new URL(url)
  const [old, young] = [createCertificate(), createCertificate()]
  const get = async ({ cert, key }: typeof old) => {
    const opening = multiplexer.get({ hostname, port, path: '/', ca, cert, key }, { timeoutMs: 10_000 })
    ;(await next()).stream.respond({ ':status': 200 })
    return (await opening)?.body
  }
  const bodies = [await get(old), await get(old), await get(young), await get(old)]
  t.equal(sessions.length, 2)
  const ended = once(sessions[0]!, 'close')
  for (const n of [0, 1, 3]) bodies[n]?.destroy()
  await ended
  await get(old)
  t.equal(sessions.length, 3)
})

t.test('what does not answer in time, or is not waited for any more, has failed', async t => {
  const { api, next } = await serve(t)
  await t.rejects(api.stream({ path: '/silent', timeoutMs: 30 }), { message: /no answer within 30 ms/ })
  const waiting = new AbortController()
  const stopped = api.stream({ path: '/silent', signal: waiting.signal })
  await next()
  await next()
  waiting.abort()
  await t.rejects(stopped)
  const { body } = await open(api, next)
  const cut = once(body.resume(), 'close')
  api.close()
  await cut
  await t.rejects(api.stream({ path: '/x' }), { message: /closed/ })
})

t.test(
  'a connection on which a stream had no answer in time keeps its others, and gets no new one',
  async t => {
    const { api, sessions, next } = await serve(t)
    const old = await open(api, next)
    const late = api.stream({ path: '/silent', timeoutMs: 30 })
    await next()
    await t.rejects(late, { message: /no answer within 30 ms/ })
    const young = await open(api, next)
    t.equal(sessions.length, 2)
    await bringLines(t, [old, young])
  },
)

t.test('a server that takes everything and answers nothing any more is left, with every stream', async t => {
  const { get, answered, next, sessions, line } = await serveOverLine(t)
  const streams = [await answered(), await answered()]
  await sleep(3 * pingMs)
  t.equal(sessions.length, 1, 'that it brings nothing is no reason while it answers')
  line.mute()
  const waiting = get()
  await next()
  for (const { body } of streams) await t.rejects(body.toArray(), { message: /no answer to a ping/ })
  await t.rejects(waiting, { message: /no answer to a ping/ })
  await line.cut()
  await answered()
  t.equal(sessions.length, 2)
})

t.test('a mute server is left also where its connection was to end with its last stream', async t => {
  const { get, answered, line } = await serveOverLine(t)
  const { body } = await answered()
  await t.rejects(get(10), { message: /no answer within 10 ms/ })
  line.mute()
  await t.rejects(body.toArray(), { message: /no answer to a ping/ })
  await line.cut()
})

t.test('a server that says that it goes is left when it answers nothing any more, and no sooner', async t => {
  const { answered, sessions, line: way } = await serveOverLine(t)
  const { body, stream } = await answered()
  sessions[0]?.goaway(0)
  stream.write('{}\n')
  await line(body) // behind the word that it goes
  await sleep(3 * pingMs)
  t.notOk(body.destroyed, 'it answers')
  way.mute()
  await t.rejects(body.toArray(), { message: /no answer to a ping/ })
  await way.cut()
  await answered()
  t.equal(sessions.length, 2)
})

const pingMs = 100

/** A client that asks its server by a line that can be made mute. */
async function serveOverLine(t: Test) {
  const { next, sessions, url, ca } = await serve(t)
  const line = await openLine(t, Number(new URL(url).port))
  const multiplexer = createMultiplexer({ pingMs })
  t.teardown(multiplexer.close)
  const options = { hostname: 'localhost', port: line.port, path: '/watch', ca }
  const get = (timeoutMs = 10_000) => multiplexer.get(options, { timeoutMs })
  const answered = async () => {
    const [answer, { stream }] = await Promise.all([
      get(),
      next().then(asked => {
        asked.stream.respond({ ':status': 200 })
        return asked
      }),
    ])
    return { body: answer!.body, stream }
  }
  return { get, answered, next, sessions, line }
}

/** Leads to a server. Mute, it takes all and gives nothing back on the connections that are there. */
async function openLine(t: Test, to: number) {
  const open = new Map<Socket, { isMute: boolean }>()
  const server = createServer(client => {
    const state = { isMute: false }
    const upstream = connect(to, 'localhost')
    open.set(client, state)
    client.pipe(upstream)
    upstream.on('data', chunk => state.isMute || client.write(chunk))
    for (const socket of [client, upstream]) socket.on('error', () => {})
    client.on('close', () => (open.delete(client), upstream.destroy()))
  })
  t.teardown(() => server.close())
  server.listen(0, 'localhost')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    mute: () => open.forEach(state => (state.isMute = true)),
    /** Resolves when the client has let go of every connection that is mute. */
    async cut() {
      for (const [socket, { isMute }] of open) if (isMute) await once(socket, 'close')
    },
  }
}

t.test('a server that never gets to TLS holds up neither an abort nor the end', async t => {
  const server = createServer(socket => socket.on('error', () => {})).listen(0, 'localhost')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const url = `https://localhost:${(server.address() as AddressInfo).port}`
  const api = createApi(() => kubeConfig(url), createMultiplexer())
  const waiting = new AbortController()
  const opening = [api.stream({ path: '/a', signal: waiting.signal }), api.stream({ path: '/b' })]
  await once(server, 'connection')
  waiting.abort()
  await t.rejects(opening[0]!)
  api.close()
  await t.rejects(opening[1]!, { message: /closed/ })
})

t.test(
  'where the server speaks HTTP/1.1 alone each stream has a connection, and requests share a few',
  async t => {
    const tls = createCertificate()
    let connections = 0
    const server = https.createServer(tls, ({ url }, res) => {
      res.writeHead(200)
      if (url === '/watch') res.write('{}\n')
      else setTimeout(() => res.end('{}'), 10)
    })
    server.on('secureConnection', () => connections++)
    server.listen(0, 'localhost')
    await once(server, 'listening')
    const caFile = join(t.testdir({ 'ca.crt': tls.ca }), 'ca.crt')
    const url = `https://localhost:${(server.address() as AddressInfo).port}`
    const api = createApi(() => kubeConfig(url, {}, caFile), createMultiplexer())
    t.teardown(() => {
      api.close()
      server.close()
    })
    for (let n = 0; n < 40; n++) {
      const opened = await api.stream({ path: '/watch' })
      if (!('body' in opened)) throw new Error('refused')
      t.equal(await line(opened.body), '{}\n')
    }
    connections = 0
    await Promise.all(Array.from({ length: 200 }, () => api.request({ path: '/x' })))
    t.equal(connections, 32)
  },
)
