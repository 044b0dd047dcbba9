// The access log: one line for each answer, whoever gave it, with what went out and no query.

import net from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import type { Fields } from '../../../protocol/log.ts'
import { answering, get, httpApp, ok, openFront, rawApp, versionServer } from './stage.ts'

async function logged(t: Test, appPort: number, options: Parameters<typeof openFront>[2] = {}) {
  const lines: ({ message: string } & Fields)[] = []
  const accessLog = (message: string, fields?: Fields) => void lines.push({ message, ...fields })
  const stage = await openFront(t, appPort, { ...options, accessLog })
  return { ...stage, lines, told }

  async function told(count: number) {
    while (lines.length < count) await new Promise(resolve => setImmediate(resolve))
    return lines
  }
}

t.test('each answer is one line, in order, with what went out for it', async t => {
  const app = await answering(t, head => ok(head.slice(4, head.indexOf(' ', 4))))
  const { dial, told } = await logged(t, app.port)
  const client = dial()
  client.write(get('/one?token=secret') + get('/two#part') + get('http://user:word@shop.example/three?x'))
  await client.until(/three\?x$/)
  const lines = await told(3)
  t.match(lines, [
    { message: 'answer', code: 'access', client: '127.0.0.1', method: 'GET', path: '/one', from: 'app' },
    { path: '/two', status: 200 },
    { path: '/three', status: 200 },
  ])
  t.notMatch(JSON.stringify(lines), /secret|part|word|cut/)
  t.equal(
    lines.reduce((sum, { bytes }) => sum + Number(bytes), 0),
    client.bytes().length,
  )
  t.equal(lines[0]!.bytes, ok('/one?token=secret').length)
  for (const { ms } of lines) t.ok(Number(ms) >= 0 && Number(ms) < 60_000, String(ms))
})

t.test('off, it costs no line', async t => {
  const app = await answering(t, () => ok('x'))
  const { dial, logged } = await openFront(t, app.port)
  const client = dial()
  client.write(get('/'))
  await client.until('\r\n\r\nx')
  t.same(
    logged.map(({ code }) => code),
    ['front_listens'],
  )
})

t.test('it says who answered: the app, memory, the version server or the front', async t => {
  const asset = ok('asset', 'Cache-Control: max-age=31536000, immutable')
  const app = await answering(t, () => asset)
  const server = net.createServer(socket => {
    socket.on('data', data => {
      if (String(data).includes('Upgrade'))
        socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n')
      else socket.end(ok('{}', 'Connection: close'))
    })
  })
  const { dial, told } = await logged(t, app.port, { versionSocket: await versionServer(t, server) })
  const client = dial()
  client.write(get('/index-BpZ1z3aQ.js'))
  await client.until('asset')
  client.write(get('/index-BpZ1z3aQ.js', 'Range: bytes=0-1') + get('/shop/__spa/version?v=web-1') + 'GET /\n')
  await client.ended
  const tab = dial()
  tab.write(get('/__spa/ws', 'Upgrade: websocket', 'Connection: Upgrade'))
  await tab.until('101')
  const lines = await told(5)
  t.match(lines, [
    { path: '/index-BpZ1z3aQ.js', from: 'app', status: 200, bytes: asset.length },
    { path: '/index-BpZ1z3aQ.js', from: 'memory', status: 206 },
    { path: '/shop/__spa/version', from: 'version', status: 200 },
    { path: undefined, method: undefined, from: 'front', status: 400, ms: undefined },
    { path: '/__spa/ws', from: 'version', status: 101 },
  ])
  t.equal(
    lines.slice(0, 4).reduce((sum, { bytes }) => sum + Number(bytes), 0),
    client.bytes().length,
  )
})

t.test('a version server that is away is an answer of the front', async t => {
  const app = await answering(t, () => ok('x'))
  const { dial, told } = await logged(t, app.port)
  dial().write(get('/__spa/version'))
  t.match(await told(1), [{ path: '/__spa/version', from: 'front', status: 503 }])
})

t.test('a page in the place of an asset is told as the 404 that the client got', async t => {
  const { port } = await httpApp(t, (_, response) =>
    response.setHeader('Content-Type', 'text/html').end('<h1>'.repeat(1_000)),
  )
  const { dial, told } = await logged(t, port)
  const client = dial()
  client.write(get('/gone-BpZ1z3aQ.js', 'Sec-Fetch-Dest: script'))
  await client.until('\r\n\r\n')
  const [line] = await told(1)
  t.match(line, { status: 404, from: 'app', bytes: client.bytes().length })
  t.notOk(line?.cut)
})

t.test(
  'interim answers are part of the line of the final one, and an upgrade is told when it begins',
  async t => {
    const early = 'HTTP/1.1 103 Early Hints\r\n\r\n'
    const switched = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'
    const app = await rawApp(t, (_, got) => {
      void got.until('/1').then(() => got.write(early + ok('x')))
      void got.until('/2').then(() => got.write(switched))
    })
    const { dial, told } = await logged(t, app.port)
    const client = dial()
    client.write(get('/1'))
    await told(1)
    client.write(get('/2', 'Upgrade: x', 'Connection: Upgrade'))
    t.match(await told(2), [
      { status: 200, bytes: (early + ok('x')).length },
      { status: 101, bytes: switched.length, from: 'app' },
    ])
  },
)

t.test('an answer to the end of its connection is whole, and one that was cut says so', async t => {
  const app = await rawApp(t, (socket, got) => {
    void got.until('/whole').then(
      () => socket.end('HTTP/1.1 200 OK\r\n\r\nhi'),
      () => {},
    )
    void got.until('/cut').then(
      () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi'),
      () => {},
    )
    void got.until('/none').then(
      () => socket.end(),
      () => {},
    )
  })
  const { dial, told } = await logged(t, app.port)
  for (const [n, path] of ['/whole', '/cut', '/none'].entries()) {
    const client = dial()
    client.write(get(path))
    await client.ended
    client.socket.end()
    await told(n + 1)
  }
  const waiting = dial()
  waiting.write(get('/slow'))
  while (!app.sockets[3]?.text().includes('/slow')) await new Promise(resolve => setImmediate(resolve))
  waiting.socket.resetAndDestroy()
  const lines = await told(4)
  t.match(lines, [
    { path: '/whole', status: 200, bytes: 'HTTP/1.1 200 OK\r\n\r\nhi'.length },
    { path: '/cut', status: 200, cut: true },
    { path: '/none', status: undefined, bytes: 0, cut: true },
    { path: '/slow', status: undefined, bytes: 0, cut: true },
  ])
  t.notOk(lines[0]!.cut)
})

t.test('a long path is cut off', async t => {
  const app = await answering(t, () => ok('x'))
  const { dial, told } = await logged(t, app.port)
  dial().write(get(`/${'x'.repeat(50_000)}`))
  t.equal(String((await told(1))[0]!.path).length, 1_024)
})
