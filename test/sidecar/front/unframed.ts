// An answer that cannot be framed passes until the app ends it, and no other request is taken on its connection: nobody could
// tell where its answer begins, and it might be one for the version server.

import t from 'tap'
import { get, ok, openFront, rawApp } from './stage.ts'

const cgi = 'HTTP/1.1 200 OK\nContent-Length: 3\n\none'

t.test('a client that takes such an answer for whole is sent to another connection', async t => {
  const app = await rawApp(t, (socket, got) => {
    void got.until('\r\n\r\n').then(() => socket.write(cgi))
    socket.on('end', () => socket.end())
  })
  const { dial, front } = await openFront(t, app.port)
  for (const next of [get('/2'), get('/__spa/version'), 'GET / HTTP/1.1\nHost: a\n\n']) {
    const client = dial()
    client.write(get('/1'))
    await client.until('one')
    client.write(next)
    t.equal(await client.ended, 'end')
    t.equal(client.text(), cgi)
    t.equal(app.sockets.at(-1)?.text(), get('/1'))
  }
  t.match(front.counters, { unframed: 3, requests: 3, versionRequests: 0, malformed: 0 })
})

t.test('requests that wait behind such an answer are not forwarded', async t => {
  const app = await rawApp(t, (socket, got) => {
    void got.until('\r\n\r\n').then(() => socket.write(cgi))
    socket.on('end', () => socket.end())
  })
  const { dial } = await openFront(t, app.port)
  for (const waiting of [get('/__spa/version'), get('/__spa/version') + get('/3')]) {
    const client = dial()
    client.write(get('/1') + waiting)
    t.equal(await client.ended, 'end')
    t.equal(client.text(), cgi)
    t.equal(app.sockets.at(-1)?.text(), get('/1'))
  }
})

t.test('the rest of an upload still passes, as sized as before', async t => {
  const app = await rawApp(t, (socket, got) => {
    void got.until('\r\n\r\n').then(() => socket.write(cgi))
    socket.on('end', () => socket.end('later'))
  })
  const { dial } = await openFront(t, app.port)
  const client = dial()
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n'
  client.write(`${head}abc`)
  await client.until('one')
  client.write('def')
  await app.sockets[0]?.until('def')
  client.write(get('/2'))
  t.equal(await client.ended, 'end')
  t.equal(client.text(), `${cgi}later`)
  t.equal(app.sockets[0]?.text(), `${head}abcdef`)
})

t.test('a client that ends gets all of such an answer', async t => {
  const app = await rawApp(t, (socket, got) => {
    void got.until('\r\n\r\n').then(() => socket.write(cgi))
    socket.on('end', () => setTimeout(() => socket.end('two'), 50))
  })
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(get('/1'))
  await client.until('one')
  client.socket.end()
  t.equal(await client.ended, 'end')
  t.equal(client.text(), `${cgi}two`)
})

t.test('bytes behind the last request do not disturb an answer that ends with its connection', async t => {
  const app = await rawApp(t, (socket, got) => {
    void got.until('\r\n\r\n').then(() => socket.write('HTTP/1.0 200 OK\r\n\r\none'))
  })
  const { dial, front } = await openFront(t, app.port)
  const client = dial()
  client.write(get('/1'))
  await client.until('one')
  client.write(get('/2'))
  await new Promise(resolve => setTimeout(resolve, 50))
  t.equal(app.sockets[0]?.socket.readableEnded, false)
  app.sockets[0]?.socket.end('two')
  t.equal(await client.ended, 'end')
  t.match(client.text(), /\r\n\r\nonetwo$/)
  t.equal(app.sockets[0]?.text(), get('/1'))
  t.equal(front.counters.unframed, 0)
})

t.test('a 101 that was not asked for is no tunnel', async t => {
  const switched = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'
  const app = await rawApp(t, (socket, got) => {
    void got.until(/\r\n\r\n$/).then(() => socket.write(switched))
    socket.on('end', () => socket.end())
  })
  const { dial, front } = await openFront(t, app.port)
  for (const asked of [get('/1'), get('/1') + get('/chat', 'Connection: Upgrade', 'Upgrade: x')]) {
    const client = dial()
    client.write(asked)
    await client.until(switched)
    client.write('GET /2 HTTP/1.1\n\n')
    t.equal(await client.ended, 'end')
    t.equal(app.sockets.at(-1)?.text(), asked)
  }
  t.equal(front.counters.unframed, 2)
})

t.test('a 101 with bare LFs is a tunnel to browsers, and to us', async t => {
  const switched = 'HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\n\n'
  const app = await rawApp(t, (socket, got) => void got.until('\r\n\r\n').then(() => socket.write(switched)))
  const { dial, front } = await openFront(t, app.port)
  const client = dial()
  const asked = get('/chat', 'Connection: Upgrade', 'Upgrade: websocket')
  client.write(asked)
  await client.until(switched)
  client.write('\x81\x80')
  await app.sockets[0]?.until('\x80')
  t.equal(app.sockets[0]?.socket.destroyed, false)
  t.equal(front.counters.unframed, 0)
})

t.test('the counters tell such answers from whole ones', async t => {
  const app = await rawApp(t, (socket, got) => void got.until('\r\n\r\n').then(() => socket.end(ok('x'))))
  const { dial, front } = await openFront(t, app.port)
  const client = dial()
  client.write(get('/'))
  await client.ended
  t.equal(front.counters.unframed, 0)
})
