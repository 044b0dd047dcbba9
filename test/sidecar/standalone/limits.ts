// The standalone mode as a process, from dist/: what it does when it is short of memory or of file descriptors. No cluster answers it.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { freePort } from '../../cluster/process.ts'

async function start(t: Test, env: Record<string, string>, openFiles = 20_000) {
  const [port, adminPort, nobody] = [await freePort(), await freePort(), await freePort()]
  const kubeconfig = join(t.testdir(), 'config')
  const cluster = { name: 'c', cluster: { server: `http://127.0.0.1:${nobody}` } }
  const context = { name: 'c', context: { cluster: 'c', user: 'u' } }
  const user = { name: 'u', user: {} }
  writeFileSync(
    kubeconfig,
    JSON.stringify({ clusters: [cluster], contexts: [context], users: [user], 'current-context': 'c' }),
  )
  const child = spawn('sh', ['-c', `ulimit -n ${openFiles}; exec "$0" dist/sidecar.js`, process.execPath], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      KUBECONFIG: kubeconfig,
      SPA_LISTEN_ADDRESS: '127.0.0.1',
      SPA_WEBSOCKET_PORT: `${port}`,
      SPA_ADMIN_PORT: `${adminPort}`,
      ...env,
    },
  })
  t.teardown(() => void child.kill('SIGKILL'))
  const lines: Record<string, unknown>[] = []
  createInterface(child.stdout).on('line', line => lines.push(JSON.parse(line) as Record<string, unknown>))
  await says('standalone started')
  return { lines, says, metrics, tab }

  async function says(message: string): Promise<Record<string, unknown>> {
    for (;;) {
      const line = lines.find(line => line.message === message)
      if (line) return line
      if (child.exitCode !== null)
        throw new Error(`ended without saying ${message}: ${JSON.stringify(lines)}`)
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }

  async function metrics(): Promise<string> {
    return (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text()
  }

  function tab(): WebSocket {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/__spa/ws`, ['spa-reloader.v1'])
    t.teardown(() => socket.terminate())
    socket.on('error', () => {})
    return socket
  }
}

t.test('near the end of its memory it lets nobody in, says so, and tells its metrics', async t => {
  const { says, metrics, tab } = await start(t, { SPA_MEMORY_MIB: '20' })
  t.match(await says('memory pressure'), { pressure: 'critical', limitMib: 20 })
  const [code] = (await once(tab(), 'close')) as [number]
  t.equal(code, 1013)
  const text = await metrics()
  t.match(text, /^spa_reloader_memory_pressure 2$/m)
  t.match(text, /^spa_reloader_memory_limit_bytes 20971520$/m)
  t.match(text, /^spa_reloader_tabs_closed_total\{why="full"\} 1$/m)
})

t.test('with enough memory it says nothing, and a tab stays', async t => {
  const { lines, tab, metrics } = await start(t, { SPA_MEMORY_MIB: '2000', SPA_MAX_TABS: '100' })
  const socket = tab()
  await once(socket, 'open')
  await new Promise(resolve => setTimeout(resolve, 1_500)) // longer than from one look at the memory to the next
  t.equal(socket.readyState, WebSocket.OPEN)
  t.notOk(lines.some(({ message }) => message === 'memory pressure' || message === 'tab cap lowered'))
  t.match(await metrics(), /^spa_reloader_memory_pressure 0$/m)
})

t.test('where it may open few files it takes as many tabs as fit, and says so', async t => {
  const { lines, tab, metrics } = await start(t, {}, 256)
  const cap = { from: 20_000, to: 192, openFiles: 256 }
  t.match(
    lines.filter(({ message }) => message === 'tab cap lowered'),
    [{ code: 'tabs_lowered', ...cap }],
  )
  const tabs = Array.from({ length: 192 }, tab)
  await Promise.all(tabs.map(socket => once(socket, 'open')))
  const [code] = (await once(tab(), 'close')) as [number]
  t.equal(code, 1013, 'one more is told to come back')
  t.match(await metrics(), /^spa_reloader_tabs_opened_total 192$/m)
})
