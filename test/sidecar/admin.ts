import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import t from 'tap'
import { createAdmin } from '../../sidecar/admin.ts'
import type { IncomingHttpHeaders } from 'node:http'
import type { PodTabs } from '../../protocol/tabs.ts'
import type { Test } from 'tap'

async function setUp(t: Test, unready: () => Promise<string | undefined> = async () => undefined) {
  const metrics = { text: async () => 'up 1\n', contentType: 'text/plain; version=0.0.4' }
  const tabs = (): PodTabs => ({ total: 1, unnamed: 0, pages: [['web-6c487dcc49', 1]], history: null })
  const admin = createAdmin({ address: '127.0.0.1', port: 0, unready, metrics, tabs })
  const port = await admin.open()
  t.teardown(admin.close)
  return { port, get }

  function get(path: string, method = 'GET') {
    return new Promise<{ status: number; headers: IncomingHttpHeaders; body: string }>((resolve, reject) => {
      request({ host: '127.0.0.1', port, path, method }, response => {
        let body = ''
        response.setEncoding('utf8').on('data', (text: string) => (body += text))
        response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }))
      })
        .on('error', reject)
        .end()
    })
  }
}

t.test('it answers for life, readiness, metrics and tabs', async t => {
  let why: string | undefined = 'the app listens and the front does not'
  const { get } = await setUp(t, async () => why)
  t.match(await get('/livez'), { status: 200, body: 'ok\n', headers: { connection: 'close' } })
  t.match(await get('/readyz'), { status: 503, body: 'the app listens and the front does not\n' })
  why = undefined
  t.match(await get('/readyz?verbose'), { status: 200, body: 'ok\n' })
  t.match(await get('/metrics'), {
    status: 200,
    body: 'up 1\n',
    headers: { 'content-type': /version=0\.0\.4/ },
  })
  t.match(await get('/tabs'), {
    status: 200,
    body: '{"total":1,"unnamed":0,"pages":[["web-6c487dcc49",1]],"history":null}',
    headers: { 'content-type': 'application/json' },
  })
  t.match(await get('/livez', 'HEAD'), { status: 200, body: '', headers: { 'content-length': '3' } })
})

t.test('it changes nothing: other methods are refused, other paths are not there', async t => {
  const { get } = await setUp(t)
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    t.match(await get('/readyz', method), { status: 405, headers: { allow: 'GET, HEAD' } }, method)
  }
  for (const path of ['/', '/drain', '/quitquitquit', '/livez/']) t.equal((await get(path)).status, 404, path)
})

t.test('an error while answering is a 500, and the next answer is as ever', async t => {
  const { get } = await setUp(t, () => Promise.reject(new Error('broken')))
  t.match(await get('/readyz'), { status: 500, body: 'internal error\n' })
  t.equal((await get('/livez')).status, 200)
})

t.test(
  'whoever holds as many connections as there may be keeps the kubelet out with none of them',
  async t => {
    const { port, get } = await setUp(t)
    const sockets = await Promise.all(
      Array.from({ length: 64 }, async () => {
        const socket = connect(port, '127.0.0.1').on('error', () => {})
        t.teardown(() => socket.destroy())
        await once(socket, 'connect')
        socket.write('G')
        return socket
      }),
    )
    for (let asked = 0; asked < 3; asked++) t.equal((await get('/livez')).status, 200)
    await new Promise(resolve => setTimeout(resolve, 50))
    t.ok(sockets.filter(({ destroyed }) => destroyed).length <= 3, 'only the oldest make room')
  },
)

t.test('a body that never ends and a head that is too large are cut off', async t => {
  const { port, get } = await setUp(t)
  for (const text of [
    'POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\nx',
    'GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\nx',
    `GET /livez HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
  ]) {
    await new Promise<void>(resolve => {
      const socket = connect(port, '127.0.0.1', () => socket.write(text))
      socket.on('error', () => {}).resume()
      socket.on('close', () => resolve())
    })
  }
  t.equal((await get('/livez')).status, 200)
})
