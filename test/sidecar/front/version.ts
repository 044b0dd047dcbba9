// Requests for /__spa/ on a connection that is otherwise the app's.

import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mock } from 'node:test'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { parseRequest } from '../../../sidecar/front/request.ts'
import type { Request } from '../../../sidecar/front/request.ts'
import { askVersion } from '../../../sidecar/front/version.ts'
import { answering, get, ok, openFront, rawApp, seen, versionServer } from './stage.ts'
import type { Stage } from './stage.ts'

/** Answers with the request as it came, and keeps each. */
async function echo(t: Test): Promise<{ path: string; seen: string[]; server: http.Server }> {
  const seen: string[] = []
  const server = http.createServer((req, res) => {
    let head = `${req.method} ${req.url} HTTP/${req.httpVersion}\n`
    for (let i = 0; i < req.rawHeaders.length; i += 2)
      head += `${req.rawHeaders[i]}: ${req.rawHeaders[i + 1]}\n`
    seen.push(head)
    res.sendDate = false
    res.setHeader('Content-Length', 7)
    res.end('version')
  })
  return { path: await versionServer(t, server), seen, server }
}

async function both(t: Test, answer = (head: string): string => ok(`<${head.split(' ')[1]}>`)) {
  const version = await echo(t)
  const app = await answering(t, answer)
  const stage: Stage = await openFront(t, app.port, { versionSocket: version.path })
  return { version, app, ...stage }
}

const versionAnswer = 'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nversion'

t.test('a version request gets a head of our own, with what it needs', async t => {
  const { dial, version, app } = await both(t)
  const client = dial()
  client.write(
    get(
      '/shop/__spa/version?v=web-1',
      'Cookie: secret',
      'Authorization: secret',
      'Origin: https://shop.example',
      'x-forwarded-host: shop.example',
      'X-Forwarded-Proto: https',
      'X-Forwarded-For: 1.2.3.4',
      'Accept: application/json',
      'IF-NONE-MATCH: "e"',
      'Sec-Fetch-Site: same-origin',
      'Last-Event-ID: web/1',
    ),
  )
  t.equal(await client.until(/version$/), versionAnswer)
  t.same(version.seen, [
    'GET /__spa/version?v=web-1 HTTP/1.1\nHost: spa\nOrigin: https://shop.example\nSec-Fetch-Site: same-origin\n' +
      'X-Forwarded-Host: shop.example\nX-Forwarded-Proto: https\nAccept: application/json\nIf-None-Match: "e"\nLast-Event-ID: web/1\n' +
      'Connection: close\n',
  ])
  t.equal(app.sockets[0]?.text() ?? '', '')
})

t.test('a version request takes its turn among pipelined requests', async t => {
  const { dial, front, app } = await both(t)
  const client = dial()
  client.write(
    get('/1') +
      get('/2') +
      get('/__spa/version') +
      get('/__spa/x') +
      get('/3') +
      get('/a/__spa/y') +
      get('/4'),
  )
  const text = await client.until('</4>')
  t.equal(text.match(/<.*?>|version/g)?.join(' '), '</1> </2> version version </3> version </4>')
  t.equal(app.sockets.length, 1)
  t.match(front.counters, { requests: 4, versionRequests: 3 })
})

t.test('a version request waits for a slow answer, and what is behind it waits too', async t => {
  const version = await echo(t)
  const app = await rawApp(t, () => {})
  const { dial } = await openFront(t, app.port, { versionSocket: version.path })
  const client = dial()
  client.write(
    `POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab${get('/__spa/version')}${get('/2')}`,
  )
  while (!app.sockets[0]?.text().endsWith('ab')) await new Promise(resolve => setImmediate(resolve))
  app.sockets[0]?.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na')
  await client.until('\r\n\r\na')
  t.same(version.seen, [])
  app.sockets[0]?.write('b')
  await client.until('version')
  await app.sockets[0]?.until('GET /2')
})

t.test(
  'a connection that begins with a version request leaves the app’s, and dials again for the app',
  async t => {
    const { dial, app } = await both(t)
    const client = dial()
    client.write(get('/__spa/version'))
    await client.until(/version$/)
    t.equal(await app.sockets[0]?.ended, 'reset')
    t.equal(app.sockets[0]?.text(), '')
    client.write(get('/1'))
    await client.until('</1>')
    client.write(get('/__spa/version') + get('/2'))
    await client.until('</2>')
    t.equal(app.sockets.length, 2)
  },
)

t.test('an app that ends its idle connection meanwhile does not end the client’s', async t => {
  const app = await answering(t, () => ok('one'))
  const server = net.createServer(socket => {
    app.sockets[0]?.socket.end()
    socket.on('data', () => setTimeout(() => socket.end(versionAnswer), 100))
  })
  const path = await versionServer(t, server)
  const { dial } = await openFront(t, app.port, { versionSocket: path })
  const client = dial()
  client.write(get('/1') + get('/__spa/version'))
  await client.until('version')
  client.write(get('/2'))
  await client.until(/one[^]*one/)
  t.equal(app.sockets.length, 2)
})

t.test('Connection: close and HTTP/1.0 end the connection after the answer', async t => {
  const { dial } = await both(t)
  for (const request of [get('/__spa/version', 'Connection: close'), 'GET /__spa/version HTTP/1.0\r\n\r\n']) {
    const client = dial()
    client.write(request)
    t.equal(await client.ended, 'end')
    t.equal(client.text(), 'HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\nversion')
  }
})

t.test(
  'HTTP/1.0 gets what chunks carry, wherever they are cut, and then the end of its connection',
  async t => {
    const text = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n'
    for (let at = 1; at < text.length; at++) {
      const server = net.createServer({ noDelay: true }, socket => {
        socket.on('data', () => {
          socket.write(text.slice(0, at))
          setImmediate(() => socket.write(text.slice(at)))
        })
      })
      const path = await versionServer(t, server)
      let got = ''
      const request = parseRequest(Buffer.from('GET /__spa/events HTTP/1.0\r\n\r\n')) as Request
      const isUntilClose = await new Promise<boolean>((resolve, reject) => {
        askVersion(path, request, '/__spa/events', {
          isLast: () => false,
          begin: () => {},
          write: bytes => ((got += bytes.toString('latin1')), true),
          end: resolve,
          upgrade: reject,
          stream: reject,
          fail: reject,
        })
      })
      t.equal(isUntilClose, true)
      t.equal(got, 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc', `cut at ${at}`)
    }
  },
)

t.test('a HEAD request has no body', async t => {
  const { dial } = await both(t)
  const client = dial()
  client.write(`HEAD /__spa/version HTTP/1.1\r\nHost: a\r\n\r\n${get('/1')}`)
  t.equal(await client.until('</1>'), 'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n' + ok('</1>'))
})

t.test('what does not belong there is refused', async t => {
  const { dial, version } = await both(t)
  const cases: [status: number, request: string][] = [
    [413, 'POST /__spa/version HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx'],
    [413, 'POST /__spa/version HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    [431, get(`/__spa/version?${'x'.repeat(5000)}`)],
  ]
  for (const [status, request] of cases) {
    const client = dial()
    client.write(request + get('/never'))
    t.equal(await client.ended, 'end')
    t.match(client.text(), new RegExp(`^HTTP/1.1 ${status} [^]*\r\n\r\n$`))
  }
  t.same(version.seen, [])
})

t.test('a version server that is not there is a 503', async t => {
  const app = await answering(t, () => ok('x'))
  const { dial, logged } = await openFront(t, app.port)
  const client = dial()
  client.write(get('/__spa/version'))
  t.equal(await client.ended, 'end')
  t.match(client.text(), /^HTTP\/1\.1 503 [^]*Retry-After: 1\r\n/)
  t.match(logged, [{ message: 'front listens' }, { code: 'version_failed', why: 'ENOENT' }])
})

t.test('a version answer that is cut off is not taken for a whole one', async t => {
  const server = net.createServer(socket => {
    socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart'))
  })
  const path = await versionServer(t, server)
  const app = await answering(t, () => ok('x'))
  const { dial } = await openFront(t, app.port, { versionSocket: path })
  const client = dial()
  client.write(get('/__spa/version'))
  t.equal(await client.ended, 'reset')
})

t.test('a tab’s WebSocket, early frames and all', async t => {
  const server = http.createServer()
  const sockets = new WebSocketServer({ server })
  let head: http.IncomingMessage | undefined
  sockets.on('connection', (socket, request) => {
    head = request
    socket.send('snapshot')
    socket.on('message', (data: Buffer) => socket.send(`you said ${data.toString()}`))
  })
  const path = await versionServer(t, server)
  const app = await answering(t, () => ok('x'))
  const { port, front } = await openFront(t, app.port, { versionSocket: path })
  const tab = new WebSocket(`ws://127.0.0.1:${port}/shop/__spa/ws?v=web-1`, 'spa-reloader.v1', {
    headers: { Cookie: 'secret' },
    origin: 'http://127.0.0.1',
  })
  t.equal(String((await once(tab, 'message'))[0]), 'snapshot')
  t.equal(tab.protocol, 'spa-reloader.v1')
  t.match(head, {
    url: '/__spa/ws?v=web-1',
    headers: {
      origin: 'http://127.0.0.1',
      host: `127.0.0.1:${port}`,
      cookie: undefined,
      'sec-websocket-extensions': undefined,
    },
  })
  t.equal(await app.sockets[0]?.ended, 'reset', 'the app’s connection is not kept for it')
  tab.send('p')
  t.equal(String((await once(tab, 'message'))[0]), 'you said p')
  for (const socket of sockets.clients) socket.close(1012, '{"d":500}')
  t.same((await once(tab, 'close')).map(String), ['1012', '{"d":500}'])
  t.match(front.counters, { versionRequests: 1, opaque: 0 })
})

t.test('a tab after requests on the same connection, with its first frame in the same packet', async t => {
  const server = net.createServer(socket => {
    socket.once('data', head => {
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n${head.includes('early') ? 'too early' : 'first'}`,
      )
      socket.on('data', data => socket.write(data))
    })
  })
  const path = await versionServer(t, server)
  const app = await answering(t, () => ok('x'))
  const { dial } = await openFront(t, app.port, { versionSocket: path })
  const client = dial()
  client.write(`${get('/1')}${get('/__spa/ws', 'Connection: Upgrade', 'Upgrade: WebSocket')}early`)
  await client.until(/101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nfirst[^]*early$/)
  t.equal(await app.sockets[0]?.ended, 'end')
})

t.test('what a client sends behind its request for the event stream reaches nobody', async t => {
  let got = ''
  let stream: Socket | undefined
  const server = net.createServer(socket => {
    stream = socket
    socket.on('data', chunk => {
      got += chunk.toString('latin1')
      if (got.endsWith('\r\n\r\n'))
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n')
    })
  })
  const app = await answering(t, () => ok('app'))
  const { dial } = await openFront(t, app.port, { versionSocket: await versionServer(t, server) })
  const client = dial()
  client.write(`${get('/__spa/events')}at once`)
  await client.until(/a\r\n$/)
  client.write(get('/__spa/version', 'Cookie: secret'))
  client.write('\0'.repeat(200_000))
  await seen()
  stream?.write('1\r\nb\r\n')
  await client.until(/b\r\n$/)
  t.equal(got, 'GET /__spa/events HTTP/1.1\r\nHost: spa\r\nConnection: close\r\n\r\n')
  client.socket.end()
  t.equal(await client.ended, 'end', 'the end of the client is heard')
  t.equal(app.sockets.filter(({ text }) => text() !== '').length, 0)
})

t.test('an upgrade that the version server refuses is an answer', async t => {
  const { dial } = await both(t)
  const client = dial()
  client.write(get('/__spa/ws', 'Connection: Upgrade', 'Upgrade: websocket') + get('/1'))
  t.equal(await client.until('</1>'), versionAnswer + ok('</1>'))
})

/** Asks; resolves with the answer, or with why there is none. */
function ask(path: string) {
  const request = parseRequest(Buffer.from(get('/__spa/version'))) as Request
  let text = ''
  let abort = (): void => {}
  const over = new Promise<string>(resolve => {
    ;({ abort } = askVersion(path, request, '/__spa/version', {
      isLast: () => false,
      begin: () => {},
      write: bytes => ((text += bytes.toString('latin1')), true),
      end: () => resolve(text),
      upgrade: () => resolve('upgrade'),
      stream: () => resolve('stream'),
      fail: why => resolve(why),
    }))
  })
  return { over, abort }
}

t.test('tabs that come all at once outnumber the backlog, and all are answered', async t => {
  const server = net.createServer(socket => socket.on('data', () => socket.end(versionAnswer)))
  const path = await versionServer(t, server, 1)
  const asked = Array.from({ length: 20 }, () => ask(path))
  for (const { over } of asked) t.equal(await over, versionAnswer)
})

t.test('a client that goes while the backlog is full is not asked for again', async t => {
  let connections = 0
  const server = net.createServer(socket => {
    connections++
    socket.on('data', () => socket.end(versionAnswer))
  })
  const path = await versionServer(t, server, 1)
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const [first, second, refused] = [ask(path), ask(path), ask(path)]
  await Promise.all([first.over, second.over])
  t.equal(connections, 2)
  refused.abort()
  mock.timers.tick(10_000)
  await ask(path).over
  t.equal(connections, 3)
})

t.test('a version server that never accepts is given up', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'front-'))
  const path = join(folder, 'version.sock')
  const stuck = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads')
     require('node:net').createServer().listen({ path: workerData, backlog: 1 }, () => {
       parentPort.postMessage('listening')
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
     })`,
    { eval: true, workerData: path },
  )
  t.teardown(async () => {
    await stuck.terminate()
    rmSync(folder, { recursive: true })
  })
  await once(stuck, 'message')
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const waiting = [ask(path), ask(path)]
  const { over } = ask(path)
  let why = ''
  void over.then(text => (why = text))
  for (let tick = 0; why === '' && tick < 200; tick++) {
    mock.timers.tick(200)
    await new Promise(resolve => setImmediate(resolve))
  }
  t.equal(why, 'EAGAIN')
  for (const { abort } of waiting) abort()
})
