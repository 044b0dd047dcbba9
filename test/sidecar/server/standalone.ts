// The version server as the standalone mode has it: on a TCP port, with nothing before it.

import t from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import type { VersionServerOptions } from '../../../sidecar/server/server.ts'
import { createSeveralStates } from '../../../sidecar/states.ts'
import { freePort } from '../../cluster/process.ts'
import { oldId, releaseState } from '../state.ts'
import { startVersionServer } from './version-server.ts'

const third = '7'.repeat(64)

async function setUp(t: Test, change: Partial<VersionServerOptions> = {}) {
  const port = await freePort()
  const { server, current } = await startVersionServer(t, {
    listen: { port, address: '127.0.0.1' },
    standalone: { isAdmitted: () => true },
    ...change,
  })
  return { current, server, get: (path: string) => fetch(`http://127.0.0.1:${port}${path}`), tab, port }

  function tab(path: string, protocols: string[] = [], headers: Record<string, string> = {}) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, { headers })
    const frames: Record<string, unknown>[] = []
    let wake = () => {}
    socket.on('message', (data: Buffer) => {
      frames.push(JSON.parse(String(data)) as Record<string, unknown>)
      wake()
    })
    const opened = new Promise<void>((resolve, reject) => socket.on('open', resolve).on('error', reject))
    const closed = new Promise<number>(resolve => socket.on('close', resolve))
    return { socket, frames, opened, closed, next, pong }

    async function next(): Promise<Record<string, unknown>> {
      while (frames.length === 0) await new Promise<void>(resolve => (wake = resolve))
      return frames.shift()!
    }

    function pong(): Promise<void> {
      return new Promise(resolve => {
        socket.once('pong', () => resolve())
        socket.ping()
      })
    }
  }
}

const target = (id: string, name: string) => ({ id, name, hash: 'h' })

t.test('a WebSocket is opened on any path; anything else there is 400, as the original answered', async t => {
  const { tab, get } = await setUp(t)
  for (const path of ['/', '/ws', '/any/thing?x=1', '/__spa/ws', '/shop/__spa/ws']) {
    const { opened, socket } = tab(path, [], { Origin: 'https://elsewhere.example' })
    await opened
    t.equal(socket.protocol, '')
  }
  for (const path of ['/', '/ws', '/healthz']) t.equal((await get(path)).status, 400, path)
})

t.test('a client of the original hears nothing but that another version is ready', async t => {
  const { current, tab } = await setUp(t)
  current.offer(releaseState({ serial: 1 }))
  const { opened, frames, next, pong } = tab('/ws')
  await opened
  await pong()
  current.offer(releaseState({ serial: 2, phase: 'rolling', target: target(third, 'nginx:1') }))
  current.offer(releaseState({ serial: 3, target: target(third, 'nginx:1') }))
  current.offer(releaseState({ serial: 4, target: target(third, 'nginx:1'), live: [] }))
  t.match(await next(), {
    name: 'web',
    current_image: { name: 'docker.io/library/nginx:1', sha256: third },
    previous_image: { name: 'registry/web:1.14', sha256: oldId },
  })
  await pong()
  t.same(frames, [])
})

t.test('its client does not come back after a close, so it is not sent away for its age', async t => {
  const { tab } = await setUp(t, { maxAgeMs: 40 })
  const original = tab('/ws')
  const ours = tab('/__spa/ws', ['spa-reloader.v1'])
  await original.opened
  t.equal(await ours.closed, 4001)
  await original.pong()
  t.equal(original.socket.readyState, WebSocket.OPEN)
})

t.test('a client of ours gets all of the protocol, below whatever path', async t => {
  const { current, tab, get } = await setUp(t)
  t.equal((await get('/shop/__spa/version')).status, 503)
  current.offer(releaseState({ serial: 1 }))
  const { next, socket, opened } = tab('/shop/__spa/ws', ['spa-reloader.v1'])
  await opened
  t.equal(socket.protocol, 'spa-reloader.v1')
  t.match(await next(), { serial: 1 })
  t.match(await (await get('/shop/__spa/version')).json(), { serial: 1, image: 'registry/web:1.15' })
})

t.test('of several Deployments a page is told its own, and a client of the original each one', async t => {
  const states = createSeveralStates()
  const { tab, get } = await setUp(t, { current: states, heartbeatMs: 20 })
  states.offer(releaseState({ name: 'web', serial: 1 }))
  states.offer(releaseState({ name: 'my-api', serial: 1 }))
  const original = tab('/ws')
  const api = tab('/__spa/ws?v=my-api-6c487dcc49', ['spa-reloader.v1'])
  const silent = tab('/__spa/ws', ['spa-reloader.v1'])
  await Promise.all([original.opened, api.opened, silent.opened])
  t.match(await api.next(), { name: 'my-api', serial: 1 })
  t.equal((await get('/__spa/version')).status, 503, 'nobody said whose')
  t.match(await (await get('/__spa/version?v=web-6c487dcc49')).json(), { name: 'web' })

  states.offer(releaseState({ name: 'web', serial: 2, target: target(third, 'web:3') }))
  states.offer(releaseState({ name: 'my-api', serial: 2, target: target(third, 'api:3') }))
  t.match(await original.next(), { name: 'web' })
  t.match(await original.next(), { name: 'my-api' })
  let told = await api.next()
  while (told.type === 'heartbeat') told = await api.next()
  t.match(told, { name: 'my-api', serial: 2 })
  t.match(await silent.next(), { type: 'heartbeat' })
})

t.test(
  'the event stream is there too, below whatever path, for the Deployment that the page names',
  async t => {
    const states = createSeveralStates()
    const { get, port } = await setUp(t, { current: states })
    states.offer(releaseState({ name: 'web', serial: 1 }))
    states.offer(releaseState({ name: 'api', serial: 1 }))
    t.equal((await get('/shop/__spa/events')).status, 406)
    const url = `http://127.0.0.1:${port}/shop/__spa/events?v=api-6c487dcc49`
    const ending = new AbortController()
    const response = await fetch(url, { headers: { Accept: 'text/event-stream' }, signal: ending.signal })
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    t.match((await reader.read()).value, /"name":"api".*"serial":1/)
    states.offer(releaseState({ name: 'web', serial: 2 }))
    states.offer(releaseState({ name: 'api', serial: 2 }))
    t.match((await reader.read()).value, /"name":"api".*"serial":2/)
    ending.abort()
  },
)

t.test('pages of a foreign Origin are refused where that was asked for', async t => {
  const isAdmitted = (origin: string) => origin === 'https://shop.example'
  const { tab } = await setUp(t, { standalone: { isAdmitted } })
  await tab('/ws', [], { Origin: 'https://shop.example' }).opened
  await t.rejects(tab('/ws', [], { Origin: 'https://evil.example' }).opened, /403/)
})
