import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'

import t from 'tap'
import { ApiUnreachable, createApi, patchType, refusal } from '../../release/api.ts'
import { createCertificate } from '../tls.ts'
import { json, kubeConfig, noConnections, serve } from './server.ts'

t.test('a request carries query, token and JSON body; status, headers and JSON come back', async t => {
  let seen: unknown
  const server = await serve(({ url, req: { method, headers }, body, res }) => {
    seen = { method, url: url.pathname + url.search, headers, body }
    json(res, 201, { kind: 'Pod' }, { 'X-Seen': 'yes' })
  })
  const api = createApi(() => kubeConfig(server.url, { token: 'abc' }))
  const response = await api.request({
    method: 'PATCH',
    path: '/api/v1/namespaces/shop/pods/web-1',
    query: { fieldManager: 'spa-reloader', force: true, dryRun: undefined },
    body: { metadata: { labels: { a: 'ü' } } },
    contentType: patchType.merge,
  })
  t.match(seen, {
    method: 'PATCH',
    url: '/api/v1/namespaces/shop/pods/web-1?fieldManager=spa-reloader&force=true',
    headers: { authorization: 'Bearer abc', 'content-type': 'application/merge-patch+json' },
    body: '{"metadata":{"labels":{"a":"ü"}}}',
  })
  t.match(response, { status: 201, headers: { 'x-seen': 'yes' }, body: { kind: 'Pod' } })
  api.close()
  await server.close()
})

t.test('the path of the server URL comes before that of the request', async t => {
  const server = await serve(({ url, res }) => json(res, 200, url.pathname))
  const api = createApi(() => kubeConfig(`${server.url}/k8s/clusters/c-1/`))
  t.equal((await api.request({ path: '/api/v1/pods' })).body, '/k8s/clusters/c-1/api/v1/pods')
  api.close()
  await server.close()
})

t.test('a refusal is a value, with the message of its Status', async t => {
  const server = await serve(({ res }) => json(res, 409, { kind: 'Status', message: 'object was modified' }))
  const api = createApi(() => kubeConfig(server.url))
  const response = await api.request({ method: 'PUT', path: '/x', body: {} })
  t.equal(refusal(response), '409: object was modified')
  t.equal(refusal({ status: 502, body: 'Bad Gateway' }), '502')
  api.close()
  await server.close()
})

t.test('requests share one connection, and close() leaves none', async t => {
  const server = await serve(({ res }) => json(res, 200, {}))
  const api = createApi(() => kubeConfig(server.url))
  for (let i = 0; i < 5; i++) await api.request({ path: '/x' })
  t.equal(await server.connections(), 1)
  api.close()
  await noConnections(server)
  await t.rejects(api.request({ path: '/x' }), ApiUnreachable, 'a closed client opens no connection')
  await server.close()
})

t.test('a token that was rotated is read again within the request that the old one failed', async t => {
  const tokenFile = join(t.testdir({ token: 'old\n' }), 'token')
  let valid = 'old'
  const server = await serve(({ req, res }) =>
    json(res, req.headers.authorization === `Bearer ${valid}` ? 200 : 401, {}),
  )
  const api = createApi(() => kubeConfig(server.url, { tokenFile }))
  t.equal((await api.request({ path: '/x' })).status, 200)
  valid = 'new'
  t.equal((await api.request({ path: '/x' })).status, 401, 'the file still holds the old one')
  writeFileSync(tokenFile, 'new\n')
  t.equal((await api.request({ path: '/x' })).status, 200)
  api.close()
  await server.close()
})

t.test('network errors, timeouts, aborts and unreadable credentials are ApiUnreachable', async t => {
  const server = await serve(({ url, res }) => {
    if (url.pathname === '/half') res.writeHead(200, { 'Content-Type': 'application/json' }).write('{"a":')
  })
  const api = createApi(() => kubeConfig(server.url))
  const dead = await serve(() => {})
  await dead.close()
  const nobody = createApi(() => kubeConfig(dead.url))
  const tokenless = createApi(() => kubeConfig(server.url, { tokenFile: '/nonexistent/token' }))

  await t.rejects(nobody.request({ path: '/x' }), {
    name: 'ApiUnreachable',
    message: /^GET \/x: ECONNREFUSED/,
  })
  await t.rejects(tokenless.request({ path: '/x' }), { name: 'ApiUnreachable', message: /ENOENT/ })
  await t.rejects(api.request({ path: '/silent', timeoutMs: 30 }), { message: /no answer within 30 ms/ })
  await t.rejects(api.request({ path: '/half', timeoutMs: 30 }), { message: /no answer within 30 ms/ })
  await t.rejects(api.stream({ path: '/silent', timeoutMs: 30 }), { message: /no answer within 30 ms/ })
  await t.rejects(api.request({ path: '/silent', signal: AbortSignal.timeout(30) }), {
    name: 'ApiUnreachable',
  })
  await t.rejects(api.request({ path: '/half', signal: AbortSignal.timeout(30) }), { name: 'ApiUnreachable' })
  await noConnections(server)
  await server.close()
})

t.test('a GET on a kept connection that the server had closed is repeated; a POST is not', async t => {
  let requests = 0
  const server = await serve(({ req, res }) => {
    requests++
    if (requests % 2 === 0) req.socket.resetAndDestroy()
    else json(res, 200, requests)
  })
  const api = createApi(() => kubeConfig(server.url))
  t.equal((await api.request({ path: '/x' })).body, 1)
  t.equal((await api.request({ path: '/x' })).body, 3)
  await t.rejects(api.request({ method: 'POST', path: '/x', body: {} }), ApiUnreachable)
  t.equal(requests, 4)
  api.close()
  await server.close()
})

t.test('a stream is read as it comes, and close() cuts it', async t => {
  const server = await serve(({ url, res }) => {
    if (url.pathname === '/gone') json(res, 410, { message: 'too old' })
    else res.writeHead(200).write('first\n')
  })
  const api = createApi(() => kubeConfig(server.url))
  t.match(await api.stream({ path: '/gone' }), { refused: { status: 410, body: { message: 'too old' } } })
  const opened = await api.stream({ path: '/watch' })
  if ('refused' in opened) throw new Error('refused')
  const [chunk] = (await once(opened.body, 'data')) as [Buffer]
  t.equal(chunk.toString(), 'first\n')
  const cut = once(opened.body, 'error')
  api.close()
  await cut
  await noConnections(server)
  await server.close()
})

t.test(
  'HTTPS is trusted by the CA file of the configuration, which is read again when it changes',
  async t => {
    const [ours, foreign] = [createCertificate(), createCertificate()]
    const caFile = join(t.testdir({ 'ca.crt': foreign.ca }), 'ca.crt')
    const server = https.createServer(ours, (_, res) => json(res, 200, 'over TLS')).listen(0, 'localhost')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const api = createApi(() => kubeConfig(`https://localhost:${port}`, { token: 'abc' }, caFile))
    await t.rejects(api.request({ path: '/x' }), { name: 'ApiUnreachable', message: /certificate/ })
    writeFileSync(caFile, ours.ca)
    t.match(await api.request({ path: '/x' }), { status: 200, body: 'over TLS' })
    api.close()
    server.close()
    await once(server, 'close')
  },
)

t.test('requests and streams go through the proxy that the configuration names', async t => {
  const tls = createCertificate()
  const server = https.createServer(tls, (_, res) => json(res, 200, 'over TLS')).listen(0, 'localhost')
  await once(server, 'listening')
  const target = `localhost:${(server.address() as AddressInfo).port}`
  const asked: (string | undefined)[] = []
  const tunnels: Socket[] = []
  const proxy = http.createServer().listen(0, '127.0.0.1')
  proxy.on('connect', ({ url }, client: Socket) => {
    asked.push(url)
    const onward = connect((server.address() as AddressInfo).port, 'localhost', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      onward.pipe(client).pipe(onward)
    })
    tunnels.push(client, onward)
    for (const socket of [client, onward]) socket.on('error', () => {}) // the stream is cut
  })
  await once(proxy, 'listening')
  const caFile = join(t.testdir({ 'ca.crt': tls.ca }), 'ca.crt')
  const proxyUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  const api = createApi(() => kubeConfig(`https://${target}`, { token: 'abc' }, caFile, proxyUrl))
  t.match(await api.request({ path: '/x' }), { status: 200, body: 'over TLS' })
  const opened = await api.stream({ path: '/x' })
  if ('body' in opened) opened.body.destroy()
  t.same(asked, [target, target])
  api.close()
  for (const one of [server, proxy]) one.close()
  for (const socket of tunnels) socket.destroy()
  await Promise.all([once(server, 'close'), once(proxy, 'close')])
})

t.test('a stream that is refused with a body that never ends is given up', async t => {
  const server = await serve(({ res }) => void res.writeHead(503, { 'Content-Length': '10' }).write('busy'))
  const api = createApi(() => kubeConfig(server.url))
  await t.rejects(api.stream({ path: '/api/v1/pods', timeoutMs: 50 }), ApiUnreachable)
  api.close()
  await server.close()
})
