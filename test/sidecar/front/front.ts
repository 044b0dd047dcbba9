// The front as a whole: it listens while the app does, and leaves without an error for anyone.

import { once } from 'node:events'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { freePort } from '../../cluster/process.ts'
import { answering, dial, get, ok, openFront, rawApp } from './stage.ts'
import type { Client } from './stage.ts'

t.test('it does not listen before the app does, and then at once', async t => {
  const [appPort, port] = [await freePort(), await freePort()]
  const { front } = await openFront(t, appPort, { listen: { address: '127.0.0.1', port } })
  t.equal(front.isListening(), false)
  t.equal(await dial(t, port).ended, 'reset')
  t.equal(await front.look(), true, 'neither listens: they agree')
  await rawApp(t, () => {}, appPort)
  await settled(() => front.isListening())
  t.equal(await front.look(), true)
  t.equal(front.address()?.port, port)
})

t.test('it goes and comes with the app, and resets who comes in between', async t => {
  const appPort = await freePort()
  const port = await freePort()
  const app = await rawApp(t, () => {}, appPort)
  const { front, logged } = await openFront(t, appPort, { listen: { address: '127.0.0.1', port } })
  app.server.close()
  const client = dial(t, port)
  client.write(get('/'))
  t.equal(await client.ended, 'reset')
  t.equal(client.text(), '')
  await settled(() => !front.isListening())
  t.equal(await dial(t, port).ended, 'reset')
  t.match(front.counters, { refusedDials: 1, open: 0 })
  t.match(logged.slice(1), [
    { message: 'app refused a connection', code: 'app_refused', why: 'ECONNREFUSED' },
    { code: 'app_gone' },
  ])

  await answering(t, () => ok('back'), appPort)
  await settled(() => front.isListening())
  const next = dial(t, port)
  next.write(get('/'))
  await next.until('back')
})

t.test('a look finds that the app has gone before anyone has dialled', async t => {
  const app = await rawApp(t, () => {})
  const { front } = await openFront(t, app.port)
  t.equal(front.isListening(), true)
  app.server.close()
  t.equal(await front.look(), true)
  t.equal(front.isListening(), false)
})

t.test('answers that are running go on when the app stops listening', async t => {
  const app = await rawApp(t, () => {})
  const { dial, front } = await openFront(t, app.port)
  const client = dial()
  client.write(get('/'))
  await settled(() => app.sockets[0]?.text() === get('/'))
  app.server.close()
  await front.look()
  app.sockets[0]?.write(ok('late'))
  await client.until('late')
})

t.test('a port that is taken is logged once and taken when it is free', async t => {
  const app = await answering(t, () => ok('x'))
  const taken = net.createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  const { front, logged } = await openFront(t, app.port, { listen: { address: '127.0.0.1', port } })
  t.equal(front.isListening(), false)
  t.equal(await front.look(), false, 'the app listens and the front does not')
  t.match(logged, [{ message: 'front cannot listen', why: 'EADDRINUSE', port }])
  t.equal(logged.length, 1)
  taken.close()
  await settled(() => front.isListening())
})

t.test(
  'an app that was told to move is waited for on its new port, and then stood in for on the old one',
  async t => {
    const [appPort, port] = [await freePort(), await freePort()]
    const { front, logged } = await openFront(t, appPort, {
      listen: { address: '127.0.0.1', port },
      mayStay: true,
    })
    t.equal(await front.look(), true)
    t.equal(await dial(t, port).ended, 'reset', 'the old port is left to the app')
    const app = await answering(t, () => ok('moved'), appPort)
    await settled(() => front.isListening())
    t.equal(front.isPassive(), false)
    const client = dial(t, port)
    client.write(get('/'))
    await client.until('moved')

    app.server.close()
    await front.look()
    t.equal(await dial(t, port).ended, 'reset', 'a probe of the old port sees that the app has gone')
    await answering(t, () => ok('again'), appPort)
    await settled(() => front.isListening())
    t.match(
      logged.map(({ code }) => code),
      ['front_listens', 'app_gone', 'front_listens'],
    )
  },
)

t.test('an app that stayed where it was is left alone for good, and that is said once', async t => {
  const [appPort, port] = [await freePort(), await freePort()]
  const { front, logged } = await openFront(t, appPort, {
    listen: { address: '127.0.0.1', port },
    mayStay: true,
  })
  const app = await rawApp(t, () => {}, port)
  await settled(() => front.isPassive())
  t.equal(await front.look(), true, 'ready: all is as it is to be')
  t.equal(app.sockets.length, 0, 'found in the tables, not by a connection')
  app.server.close()
  await rawApp(t, () => {}, appPort)
  t.equal(await front.look(), true)
  t.equal(front.isListening(), false)
  t.match(logged, [{ code: 'app_stayed', port }])
  t.equal(logged.length, 1)
})

t.test('an app that is on both ports is left alone too', async t => {
  const app = await rawApp(t, () => {})
  const old = await rawApp(t, () => {})
  const { front } = await openFront(t, app.port, {
    listen: { address: '127.0.0.1', port: old.port },
    mayStay: true,
  })
  t.equal(front.isPassive(), true)
  t.equal(front.isListening(), false)
})

t.test('IPv6: an app at ::1 is found and dialled there', async t => {
  const app = net.createServer(socket => socket.once('data', () => socket.end(ok('six'))))
  t.teardown(() => app.close())
  app.listen(0, '::1')
  await once(app, 'listening')
  const { port: appPort } = app.address() as AddressInfo
  const { front } = await openFront(t, appPort, {
    listen: { address: '::1', port: 0 },
    app: { hosts: ['::1'], port: appPort },
    mayStay: true,
  })
  const socket = net.connect({ host: '::1', port: front.address()!.port })
  t.teardown(() => socket.destroy())
  socket.write(get('/'))
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  t.match(bytes.toString(), /six/)
  app.close()
  await once(app, 'close')
  await front.look()
  t.equal(front.isListening(), false)
})

t.test(
  'dual-stack: an app that listens at one of the pod’s addresses only is found there, whichever it is',
  async t => {
    for (const [at, ipv6Only] of [
      ['0.0.0.0', false],
      ['::', true],
    ] as const) {
      const app = net.createServer(socket => socket.once('data', () => socket.end(ok('found'))))
      t.teardown(() => app.close())
      app.listen({ port: 0, host: at, ipv6Only })
      await once(app, 'listening')
      const { port: appPort } = app.address() as AddressInfo
      for (const hosts of [
        ['127.0.0.1', '::1'],
        ['::1', '127.0.0.1'],
      ] as const) {
        const { front } = await openFront(t, appPort, {
          listen: { port: 0 },
          app: { hosts, port: appPort },
        })
        await settled(() => front.isListening())
        for (const host of hosts) {
          const ask = async () => {
            const socket = net.connect({ host, port: front.address()!.port })
            socket.on('error', () => {})
            socket.write(get('/'))
            return (await text(socket).catch(() => '')).includes('found')
          }
          // That it is for IPv6 alone the tables do not say: the first dial is refused.
          if (!(await ask())) await settled(() => front.isListening())
          for (let look = 0; look < 3; look++) {
            await front.look()
            t.ok(await ask(), `${at}, first ${hosts[0]}, by ${host}`)
          }
        }
      }
    }
  },
)

t.test('closing ends everything now', async t => {
  const app = await rawApp(t, () => {})
  const { dial, front } = await openFront(t, app.port)
  const clients = [dial(), dial(), dial()]
  clients[1]?.write(get('/'))
  clients[2]?.write('\0')
  await settled(() => app.sockets.length === 3)
  await front.close()
  await Promise.all(clients.map(({ ended }) => ended))
  t.equal(front.counters.open, 0)
  t.equal(front.isListening(), false)
})

t.test('draining: answers say close and end their connections', async t => {
  const app = await answering(t, () => ok('x', 'Connection: keep-alive', 'Keep-Alive: timeout=5'))
  const { dial, front } = await openFront(t, app.port)
  const client = dial()
  client.write(get('/1'))
  await client.until('\r\n\r\nx')
  front.drain()
  client.write(get('/2'))
  t.equal(await client.ended, 'end')
  t.equal(
    client.text(),
    ok('x', 'Connection: keep-alive', 'Keep-Alive: timeout=5') +
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx',
  )
})

t.test(
  'while clients are sent away, answers end their connections and idle ones end; then they stay again',
  async t => {
    const app = await answering(t, () => ok('x'))
    const { dial, front } = await openFront(t, app.port)
    const [idle, busy] = [dial(), dial()]
    for (const client of [idle, busy]) {
      client.write(get('/'))
      await client.until('\r\n\r\nx')
    }
    front.sendAway(true)
    busy.write(get('/'))
    t.equal(await busy.ended, 'end')
    t.match(busy.text(), /Connection: close\r\n\r\nx$/)
    t.equal(await idle.ended, 'end')
    front.sendAway(false)
    const staying = dial()
    for (const count of [1, 2]) {
      staying.write(get('/'))
      await settled(() => staying.text() === ok('x').repeat(count))
    }
  },
)

t.test('draining: of pipelined requests all are answered, and the last says close', async t => {
  const app = await rawApp(t, () => {})
  const { dial, front } = await openFront(t, app.port)
  const client = dial()
  client.write(get('/1') + get('/2') + get('/3'))
  await settled(() => app.sockets[0]?.text().includes('/3') === true)
  front.drain()
  app.sockets[0]?.write(ok('1'))
  await client.until('\r\n\r\n1')
  client.write(get('/4'))
  await app.sockets[0]?.until('/4')
  app.sockets[0]?.write(ok('2') + ok('3'))
  await client.until('\r\n\r\n3')
  app.sockets[0]?.write(ok('4'))
  t.equal(await client.ended, 'end')
  t.equal(client.text().match(/Connection: close/g)?.length, 1)
  t.match(client.text(), /Connection: close\r\n\r\n4$/)
})

t.test('draining: a request that comes after the last answer has begun is not taken', async t => {
  const app = await rawApp(t, () => {})
  const { dial, front } = await openFront(t, app.port)
  front.drain()
  const client = dial()
  client.write(get('/1'))
  await settled(() => app.sockets[0]?.text() === get('/1'))
  app.sockets[0]?.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na')
  await client.until('\r\n\r\na')
  client.write(get('/2'))
  await new Promise(resolve => setTimeout(resolve, 50))
  app.sockets[0]?.write('b')
  t.equal(await client.ended, 'end')
  t.match(client.text(), /\r\n\r\nab$/)
  t.equal(app.sockets[0]?.text(), get('/1'))
})

t.test('draining: idle connections end after a grace, and no connection is open then', async t => {
  const app = await answering(t, () => ok('x'))
  const { dial, front } = await openFront(t, app.port)
  const used = dial()
  used.write(get('/1'))
  await used.until('\r\n\r\nx')
  const fresh = dial()
  await settled(() => app.sockets.length === 2)
  const started = performance.now()
  front.drain()
  const idle = front.idle()
  const late = dial()
  for (const client of [used, fresh, late]) t.equal(await client.ended, 'end')
  t.ok(performance.now() - started > 900, 'not before a request on its way could have come')
  await idle
  t.equal(front.counters.open, 0)
  t.equal(front.isListening(), true, 'new connections are served as long as the app listens')
})

t.test('draining: a client that is slow to read from memory is idle once it has', async t => {
  const body = 'x'.repeat(16 * 1024 * 1024)
  const app = await answering(t, () => ok(body, 'Cache-Control: max-age=31536000, immutable'))
  const { dial, front } = await openFront(t, app.port, {
    cache: { maxBytes: 128 * 1024 * 1024, maxEntries: 9 },
  })
  const target = '/index-BpZ1z3aQ.js'
  dial().write(get(target))
  await settled(() => front.cached().entries === 1)
  const slow = dial()
  slow.socket.pause()
  slow.write(get(target))
  await settled(() => front.counters.cacheHits === 1)
  front.drain()
  slow.socket.resume()
  const late = new Promise(resolve => setTimeout(resolve, 5_000, 'late').unref())
  t.equal(await Promise.race([slow.ended, late]), 'end')
  t.equal(slow.bytes().length > body.length, true)
})

t.test('draining: it is not idle before the answers and the tunnels have ended', async t => {
  const app = await rawApp(t, () => {})
  const { dial, front } = await openFront(t, app.port)
  const [download, tunnel] = [dial(), dial()]
  download.write(get('/'))
  tunnel.write('\0')
  await settled(() => app.sockets.length === 2 && app.sockets.every(got => got.text() !== ''))
  front.drain()
  let isIdle = false
  const idle = front.idle().then(() => (isIdle = true))
  const gotBy = (text: string): Client => app.sockets.find(got => got.text() === text)!
  gotBy(get('/')).socket.end(ok('x'))
  t.equal(await download.ended, 'end')
  t.equal(isIdle, false)
  gotBy('\0').socket.end()
  t.equal(await tunnel.ended, 'end')
  tunnel.socket.end()
  await idle
})

async function settled(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => setTimeout(resolve, 5))
}

t.test('the kubelet’s probes are let in although there is no room, a few at a time', async t => {
  const app = await rawApp(t, () => {})
  const { dial, front } = await openFront(t, app.port, { maxConnections: 1 })
  const first = dial()
  await settled(() => app.sockets.length === 1)
  const probes = Array.from({ length: 9 }, () => dial())
  for (const probe of probes) probe.write(get('/healthz', 'User-Agent: kube-probe/1.34'))
  const asked = () => app.sockets.filter(socket => socket.text().includes('GET /healthz'))
  const refused = () => probes.filter(probe => probe.text().startsWith('HTTP/1.1 503 '))
  await settled(() => asked().length + refused().length === 9)
  t.equal(asked().length, 8)
  for (const socket of asked()) socket.write(ok('well'))
  const texts = await Promise.all(probes.map(probe => probe.until('\r\n\r\n')))
  t.equal(texts.filter(text => text.startsWith('HTTP/1.1 200 ')).length, 8)
  t.equal(texts.filter(text => text.startsWith('HTTP/1.1 503 ')).length, 1)
  for (const { socket } of [...probes, ...app.sockets.slice(1)]) socket.destroy()
  await settled(() => front.counters.open === 1)
  const next = dial()
  next.write(get('/healthz', 'User-Agent: kube-probe/1.34'))
  await settled(() => asked().length === 9)
  first.socket.end()
})

t.test(
  'a connection beyond the cap is told to come back, costs the app nothing, and makes room for none',
  async t => {
    const app = await answering(t, () => ok('x'))
    const { dial, front } = await openFront(t, app.port, { maxConnections: 1 })
    const first = dial()
    first.write(get('/'))
    await first.until('\r\n\r\nx')
    const second = dial()
    second.write(get('/'))
    t.match(await second.until('\r\n\r\n'), /^HTTP\/1\.1 503 Service Unavailable\r\nRetry-After: 1\r\n/)
    second.socket.end()
    await second.ended
    t.equal(app.sockets.length, 1)
    t.match(front.counters, { open: 1, turnedAway: 1 })
    first.socket.end()
    await first.ended
    const third = dial()
    third.write(get('/'))
    t.match(await third.until('\r\n\r\n'), /^HTTP\/1\.1 200 /)
  },
)
