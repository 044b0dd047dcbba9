// What is refused, and when: through a real front, whose app gets no head of it.

import t from 'tap'
import { refused } from './rfc9112.ts'
import { answering, get, ok, openFront, rawApp } from './stage.ts'

const chunked = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'

t.test('a malformed request is refused with its status, and its connection closed', async t => {
  const app = await rawApp(t, () => {})
  const { dial, front, logged } = await openFront(t, app.port)
  for (const [source, rule, status, bytes] of refused) {
    const what = `${source}: ${rule}`
    const client = dial()
    client.write(Buffer.from(bytes, 'latin1'))
    t.equal(await client.ended, 'end', what)
    t.match(
      client.text(),
      new RegExp(
        `^HTTP/1\\.1 ${status} [A-Z][^\\r]+\\r\\nConnection: close\\r\\nContent-Length: 0\\r\\n\\r\\n$`,
      ),
      what,
    )
  }
  t.match(front.counters, { malformed: refused.length - 3, headBytes: 2, headLines: 1, headTime: 0 })
  t.match(
    logged.filter(({ code }) => code === 'request_refused'),
    refused.map(([, , status]) => ({ message: 'request refused', status })),
  )
  t.notOk(
    app.sockets.some(got => /GET|\n\n|: a\rb/.test(got.text())),
    'no head of them has reached the app',
  )
})

t.test('the refusal comes after the answers that are awaited', async t => {
  const app = await rawApp(t, () => {})
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(get('/1') + get('/2') + 'GET / HTTP/1.1\nHost: a\n\n' + get('/never'))
  const got = await until(app, '/2')
  got.write(ok('one') + ok('two'))
  t.equal(await client.ended, 'end')
  t.equal(
    client.text(),
    `${ok('one')}${ok('two')}HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
  )
  t.equal(got.text(), get('/1') + get('/2'))
})

t.test('no refusal is written into an answer that has begun', async t => {
  const app = await rawApp(t, () => {})
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(`${chunked}1\r\nx\r\n`)
  const got = await until(app, 'x\r\n')
  got.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nrun')
  await client.until('run')
  client.write('zzz\r\n')
  t.equal(await got.ended, 'end', 'the app learns that no more is to come')
  got.write('ning!!')
  t.equal(await client.ended, 'end')
  t.equal(client.text(), 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nrunning!!')
})

t.test('a request that ends in its head is refused', async t => {
  const app = await answering(t, () => ok('x'))
  const { dial } = await openFront(t, app.port)
  const client = dial()
  client.write(`${get('/1')}GET /2 HTTP/1.1\r\nHo`)
  client.socket.end()
  t.equal(await client.ended, 'end')
  t.match(client.text(), /^HTTP\/1\.1 200 [^]*\r\n\r\nxHTTP\/1\.1 400 /)
})

/** The app's side of the latest connection, once it has got that text. */
async function until(app: Awaited<ReturnType<typeof rawApp>>, text: string) {
  while (app.sockets.length === 0) await new Promise(resolve => setImmediate(resolve))
  const got = app.sockets.at(-1)!
  await got.until(text)
  return got
}
