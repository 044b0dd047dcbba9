// What is not HTTP/1.x belongs to the app alone: whole, at once, and with its half-closes.

import t from 'tap'
import type { Client } from './stage.ts'
import { answering, get, ok, openFront, rawApp, seen } from './stage.ts'

t.test('the first bytes of another protocol reach the app as they came', async t => {
  const app = await rawApp(t, (socket, got) => socket.once('data', () => got.write('answer')))
  const { dial, front } = await openFront(t, app.port)
  const all = [
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\x04\0\0\0\0\0GET /__spa/ws HTTP/1.1\r\n\r\n',
    '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03',
    '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c',
    'PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET / HTTP/1.1\nHost: a\n\n',
    '\0\0\0\x08\x04\xd2\x16\x2f',
    '*1\r\n$4\r\nPING\r\n',
    'PING\r\n',
    'GET /old\r\n',
  ]
  for (const bytes of all) {
    const client = dial()
    client.write(Buffer.from(bytes, 'latin1'))
    t.equal(await client.until('answer'), 'answer', JSON.stringify(bytes))
    client.write('\r\nmore\n\0')
    await app.sockets.at(-1)?.until('more\n\0')
    t.equal(app.sockets.at(-1)?.text(), `${bytes}\r\nmore\n\0`)
  }
  t.match(front.counters, { opaque: all.length, requests: 0, malformed: 0 })
})

t.test('a connection without a byte, as probes make it, is nobody’s protocol', async t => {
  const app = await rawApp(t, socket => socket.on('end', () => socket.end()))
  const { dial, front } = await openFront(t, app.port)
  const client = dial()
  client.socket.end()
  t.equal(await client.ended, 'end')
  const other = dial()
  const got = await first(app, 1)
  got.socket.end()
  t.equal(await other.ended, 'end')
  t.match(front.counters, { connections: 2, opaque: 0 })
})

t.test('an HTTP/2 preface in parts reaches the app whole', async t => {
  const app = await rawApp(t, () => {})
  const { dial } = await openFront(t, app.port)
  const client = dial()
  const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
  for (const byte of preface) {
    client.write(byte)
    await new Promise(resolve => setImmediate(resolve))
  }
  await (await first(app)).until(preface)
})

t.test('an app that speaks first gets the connection whole', async t => {
  const app = await rawApp(t, socket => void socket.write('220 mail ESMTP\r\n'))
  const { dial, front } = await openFront(t, app.port)
  const client = dial()
  await client.until('220 mail ESMTP\r\n')
  const odd = `GET / HTTP/1.1\nHost: a\n\n${get('/__spa/ws')}`
  client.write(odd)
  await app.sockets[0]?.until(odd)
  t.match(front.counters, { opaque: 1, unframed: 0 })
})

t.test('an app that speaks before a head is whole gets what has come of it', async t => {
  const app = await rawApp(
    t,
    socket => void setTimeout(() => socket.end('HTTP/1.1 408 Request Timeout\r\n\r\n'), 50),
  )
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write('GET / HTTP/1.1\r\nHo')
  t.equal(await client.ended, 'end')
  t.equal(client.text(), 'HTTP/1.1 408 Request Timeout\r\n\r\n')
  await app.sockets[0]?.until('GET / HTTP/1.1\r\nHo')
})

t.test('a single word without a line end is not held for long', async t => {
  const app = await rawApp(t, (socket, got) => void got.until('hello').then(() => socket.write('world')))
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write('hello')
  await client.until('world')
})

t.test('a method of any length is one, wherever it is cut: others may share the connection', async t => {
  const app = await answering(t, head => ok(`<${head.split(' ')[1]}>`))
  const { dial, front } = await openFront(t, app.port)
  const long = `${'M'.repeat(3_000)} /1 HTTP/1.1\r\nHost: a\r\n\r\n`
  for (const cut of [long.length, 33, 3_000]) {
    const client = dial()
    client.write(long.slice(0, cut))
    await seen()
    client.write(long.slice(cut))
    await client.until('</1>')
  }
  t.match(front.counters, { opaque: 0, requests: 3 })
})

t.test('a word without an end that is longer than a head may be is no request', async t => {
  const app = await rawApp(t, (socket, got) => void got.until('z').then(() => socket.write('whole')))
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(`${'x'.repeat(70_000)}z`)
  await client.until('whole')
})

t.test('a word and an end reach the app at once', async t => {
  const app = await rawApp(t, socket => void socket.on('end', () => socket.end('bye')))
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write('quit')
  client.socket.end()
  t.equal(await client.ended, 'end')
  t.equal(client.text(), 'bye')
  t.equal(app.sockets[0]?.text(), 'quit')
})

t.test('an answer that nobody asked for passes, and its connection is not used again', async t => {
  const app = await rawApp(t, (socket, got) => void got.until('\r\n\r\n').then(() => socket.write(ok('one'))))
  const { dial, front } = await openFront(t, app.port)
  const client = dial()
  client.write(get('/'))
  await client.until('one')
  app.sockets[0]?.write('unasked')
  await client.until('unasked')
  client.write(get('/2'))
  t.equal(await app.sockets[0]?.ended, 'end')
  app.sockets[0]?.socket.end('more')
  t.equal(await client.ended, 'end')
  t.equal(client.text(), `${ok('one')}unaskedmore`)
  t.equal(app.sockets[0]?.text(), get('/'))
  t.match(front.counters, { unframed: 1, opaque: 0 })
})

t.test('half-closes pass through a splice, either side first', async t => {
  const app = await rawApp(t, socket => void socket.on('end', () => socket.end('last')))
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write('\0first')
  client.socket.end()
  t.equal(await client.ended, 'end')
  t.equal(client.text(), 'last')

  const other = dial()
  other.write('\0')
  const got = await first(app, 1)
  got.socket.end('done')
  t.equal(await other.ended, 'end')
  other.write('still')
  await got.until('still')
})

async function first(app: { sockets: Client[] }, index = 0): Promise<Client> {
  while (!app.sockets[index]) await new Promise(resolve => setImmediate(resolve))
  return app.sockets[index]
}
