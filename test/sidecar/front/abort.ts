// When one side goes without a word, or stops reading, the other side learns it as it would have without us.

import { once } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import type { Client } from './stage.ts'
import { get, openFront, rawApp } from './stage.ts'

const host = 'Host: a\r\n'

t.test('a client that resets its connection resets the app’s', async t => {
  for (const request of [
    '',
    get('/'),
    `POST / HTTP/1.1\r\n${host}Content-Length: 9\r\n\r\nabc`,
    '\0opaque',
    get('/', 'Upgrade: x'),
  ]) {
    const app = await rawApp(t, () => {})
    const { dial, front } = await openFront(t, app.port)
    const client = dial()
    client.write(Buffer.from(request, 'latin1'))
    const got = await first(app.sockets)
    await got.until(request)
    client.socket.resetAndDestroy()
    t.equal(await got.ended, 'reset', JSON.stringify(request))
    await settled(() => front.counters.open === 0)
  }
})

t.test('a client that resets while its answer streams resets the app’s connection', async t => {
  for (const length of ['Content-Length: 1000', 'Transfer-Encoding: chunked', 'X: until close']) {
    const app = await rawApp(t, (socket, got) => {
      void got
        .until('\r\n\r\n')
        .then(() => socket.write(`HTTP/1.1 200 OK\r\n${length}\r\n\r\n5\r\nhello\r\n`))
    })
    const { dial } = await openFront(t, app.port)
    const client = dial()
    client.write(get('/'))
    await client.until('hello')
    client.socket.resetAndDestroy()
    t.equal(await app.sockets[0]?.ended, 'reset', length)
  }
})

t.test('an app that resets in an answer resets the client, so that it is not taken for whole', async t => {
  for (const length of ['Content-Length: 1000', 'Transfer-Encoding: chunked', 'X: until close']) {
    const app = await rawApp(t, (socket, got) => {
      void got
        .until('\r\n\r\n')
        .then(() => socket.write(`HTTP/1.1 200 OK\r\n${length}\r\n\r\n5\r\nhello\r\n`))
    })
    const { dial } = await openFront(t, app.port)
    const client = dial()
    client.write(get('/'))
    await client.until('hello')
    app.sockets[0]?.socket.resetAndDestroy()
    t.equal(await client.ended, 'reset', length)
  }
})

t.test('an app that resets before it answers resets the client, which may try again', async t => {
  const app = await rawApp(
    t,
    (socket, got) => void got.until('\r\n\r\n').then(() => socket.resetAndDestroy()),
  )
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(get('/'))
  t.equal(await client.ended, 'reset')
  t.equal(client.text(), '')
})

t.test('an app that ends in an answer ends the client’s, and what came of it comes', async t => {
  for (const answer of ['HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart', 'HTTP/1.1 200 OK\r\nConte', '']) {
    const app = await rawApp(t, (socket, got) => void got.until('\r\n\r\n').then(() => socket.end(answer)))
    const { dial, front } = await openFront(t, app.port)
    const client = dial()
    client.write(get('/'))
    t.equal(await client.ended, 'end')
    t.equal(client.text(), answer)
    await app.sockets[0]?.ended
    client.socket.destroy()
    await once(client.socket, 'close')
    await settled(() => front.counters.open === 0)
  }
})

t.test('an app that answers an upload early and closes is heard', async t => {
  const answer = 'HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno'
  const app = await rawApp(t, (socket, got) => void got.until('\r\n\r\n').then(() => socket.end(answer)))
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(`POST / HTTP/1.1\r\n${host}Content-Length: 1000000\r\n\r\n${'x'.repeat(1000)}`)
  t.equal(await client.ended, 'end')
  t.equal(client.text(), answer)
  client.write('y'.repeat(1000))
  await app.sockets[0]?.until('y'.repeat(1000))
})

t.test('a client that ends after its request still gets the answer', async t => {
  const app = await rawApp(
    t,
    socket => void socket.on('end', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')),
  )
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(get('/'))
  client.socket.end()
  t.equal(await client.ended, 'end')
  t.match(client.text(), /\r\n\r\nok$/)
})

t.test('a client that ends within a body ends the app’s there', async t => {
  const app = await rawApp(
    t,
    socket => void socket.on('end', () => socket.end('HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n')),
  )
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(`POST / HTTP/1.1\r\n${host}Content-Length: 9\r\n\r\nabc`)
  client.socket.end()
  t.equal(await client.ended, 'end')
  t.match(app.sockets[0]?.text(), /abc$/)
  t.match(client.text(), /^HTTP\/1\.1 400 Bad/)
})

t.test('a client that does not end does not keep what the app has ended', async t => {
  const app = await rawApp(t, (socket, got) => {
    void got.until('\r\n\r\n').then(() => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
  })
  const { dial, front } = await openFront(t, app.port)
  const client = dial()
  client.write(get('/'))
  t.equal(await client.ended, 'end')
  await settled(() => front.counters.open === 0)
  t.match(client.text(), /\r\n\r\nok$/)
})

const size = 64 * 1024 * 1024
/** Two hops of kernel buffers, which grow to some megabytes each, and a little of ours. */
const most = 32 * 1024 * 1024

t.test('a slow reader slows the app down: 64 MiB are not kept', async t => {
  for (const head of [
    `HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`,
    'HTTP/1.1 200 OK\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\n\r\n',
  ]) {
    const app = await rawApp(
      t,
      (socket, got) => void got.until('\r\n\r\n').then(() => pour(socket, head, size)),
    )
    const { dial } = await openFront(t, app.port)
    const client = dial()
    client.write(get('/'))
    await client.until('\r\n\r\n')
    client.socket.removeAllListeners('data').pause()
    const source = app.sockets[0]!.socket
    await stalled(source)
    t.ok(source.bytesWritten - source.writableLength < most, `${source.bytesWritten} bytes went off`)
    t.equal(
      await drained(client.socket, size + head.length - client.bytes().length),
      true,
      'and all of them arrive',
    )
  }
})

t.test('a slow app slows an upload down, and gets all of it', async t => {
  for (const head of [`POST / HTTP/1.1\r\n${host}Content-Length: ${size}\r\n\r\n`, '\0']) {
    const app = await rawApp(t, socket => void socket.removeAllListeners('data').pause())
    const { dial } = await openFront(t, app.port)
    const { socket } = dial()
    pour(socket, head, size)
    await stalled(socket)
    t.ok(socket.bytesWritten - socket.writableLength < most, `${socket.bytesWritten} bytes went off`)
    t.equal(await drained(app.sockets[0]!.socket, size + head.length), true, 'and all of them arrive')
  }
})

/** Writes the head and then zeros, as the socket takes them. */
function pour(socket: Socket, head: string, bytes: number): void {
  const chunk = Buffer.alloc(256 * 1024)
  let left = bytes
  socket.write(head)
  const more = (): void => {
    while (left > 0) {
      left -= chunk.length
      if (!socket.write(chunk)) return
    }
  }
  socket.on('drain', more)
  more()
}

/** Resolves when nothing has left the socket for a while. */
async function stalled(socket: Socket): Promise<void> {
  for (let before = -1; before !== sent(socket);) {
    before = sent(socket)
    await new Promise(resolve => setTimeout(resolve, 150))
  }
}

function sent(socket: Socket): number {
  return socket.bytesWritten - socket.writableLength
}

/** Reads on; whether that many bytes more come. */
function drained(socket: Socket, bytes: number): Promise<boolean> {
  return new Promise(resolve => {
    let left = bytes
    socket.on('data', (chunk: Buffer) => {
      left -= chunk.length
      if (left <= 0) resolve(left === 0)
    })
    socket.resume()
  })
}

async function first(sockets: Client[]): Promise<Client> {
  await settled(() => sockets.length > 0)
  return sockets[0]!
}

async function settled(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => setTimeout(resolve, 5))
}
