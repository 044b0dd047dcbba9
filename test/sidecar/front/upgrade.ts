import { once } from 'node:events'
import http from 'node:http'
import t from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { answering, get, httpApp, ok, openFront, rawApp } from './stage.ts'

const upgrade = get('/chat', 'Connection: Upgrade', 'Upgrade: x')
const switched = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'

t.test('the app’s own WebSockets work, extensions and close codes included', async t => {
  const { port: appPort, server } = await httpApp(t, (_, res) => res.end())
  const sockets = new WebSocketServer({ server, perMessageDeflate: { threshold: 0 } })
  sockets.on('connection', (socket, request) => {
    socket.send(`hello ${request.url}`)
    socket.on('message', (data: Buffer) =>
      data.length === 3 ? socket.close(4321, 'because') : socket.send(data),
    )
  })
  const { port, front } = await openFront(t, appPort)
  const socket = new WebSocket(`ws://127.0.0.1:${port}/app/ws`, 'chat')
  t.equal(String((await once(socket, 'message'))[0]), 'hello /app/ws')
  t.equal(socket.extensions, 'permessage-deflate')
  const large = Buffer.alloc(1_000_000, 'x')
  socket.send(large)
  t.ok(large.equals((await once(socket, 'message'))[0] as Buffer))
  socket.send('end')
  t.same((await once(socket, 'close')).map(String), ['4321', 'because'])
  t.match(front.counters, { requests: 1, opaque: 0, unframed: 0 })
})

t.test('bytes behind an upgrade wait for the 101', async t => {
  const app = await rawApp(t, (socket, got) => {
    void got.until('\r\n\r\n').then(() => setTimeout(() => socket.write(`${switched}from the app`), 100))
  })
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(`${upgrade}early`)
  await client.until('HTTP/1.1 101')
  await app.sockets[0]?.until('early')
  t.equal(await client.until('from the app'), `${switched}from the app`)
  const nonsense = 'GET / HTTP/1.1\n\0\n'
  client.write(nonsense)
  await app.sockets[0]?.until(nonsense)
  t.equal(app.sockets[0]?.text(), `${upgrade}early${nonsense}`)
})

t.test('nothing behind an upgrade has reached the app when it answers', async t => {
  let early = ''
  const app = await rawApp(t, (socket, got) => {
    void got.until('\r\n\r\n').then(() =>
      setTimeout(() => {
        early = got.text()
        socket.write(switched)
      }, 100),
    )
  })
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(`${upgrade}${get('/smuggled')}`)
  await client.until('101')
  t.equal(early, upgrade)
})

t.test('an upgrade that the app refuses is a request like any other', async t => {
  const app = await answering(t, head => ok(/GET \S+/.exec(head)![0]))
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(upgrade + get('/2') + upgrade)
  t.equal(await client.until(/chat[^]*chat/), ok('GET /chat') + ok('GET /2') + ok('GET /chat'))
  client.write('GET / HTTP/1.1\n\n')
  t.equal(await client.ended, 'end')
  t.match(client.text(), /400 Bad Request/)
})

t.test('an upgrade with a body passes it on before the answer', async t => {
  const app = await rawApp(t, (socket, got) => void got.until('body').then(() => socket.write(switched)))
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(get('/', 'Upgrade: x', 'Content-Length: 4'))
  client.write('bo')
  await new Promise(resolve => setTimeout(resolve, 20))
  client.write('dy')
  await client.until('101')
})

t.test('CONNECT is a tunnel when the app says so, and only then', async t => {
  const app = await rawApp(t, (socket, got) => {
    void got.until('\r\n\r\n').then(() => socket.write('HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n'))
    void got.until(/(CONNECT[^]*){2}\r\n\r\n/).then(() => socket.write('HTTP/1.1 200 Fine\r\n\r\n'))
  })
  const { dial } = await openFront(t, app.port)
  const client = dial()
  const request = 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n'
  client.write(`${request}${request}\0raw`)
  await client.until('200 Fine')
  await app.sockets[0]?.until('\0raw')
})

t.test('an upgrade of node:http works through it', async t => {
  const { port: appPort, server } = await httpApp(t, (_, res) => res.end())
  server.on('upgrade', (_, socket) => {
    socket.write(switched)
    socket.pipe(socket)
  })
  const { port } = await openFront(t, appPort)
  const request = http.get({ port, host: '127.0.0.1', headers: { Connection: 'Upgrade', Upgrade: 'x' } })
  const [, socket] = (await once(request, 'upgrade')) as [unknown, import('node:net').Socket]
  socket.write('echo')
  t.equal(String((await once(socket, 'data'))[0]), 'echo')
  socket.destroy()
})
