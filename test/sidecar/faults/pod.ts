// The sidecar as a process that may have so many files open, bundled as the image has it, before an app of bad habits.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import { bundle } from '../bundle.ts'
import { podAddress, podEnvironment } from '../pod-environment.ts'
import { runDir } from '../run-dir.ts'
import { releaseState } from '../state.ts'
import { createVolume } from '../volume.ts'

export const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`
export const okay = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const large = 64 * 1024 * 1024
let pods = 0

/**
 * A pod with the sidecar as a process, which may have so many files open, before an app in this one. `take` gets the connections that ask for
 * `/taken`, with what has come on them.
 */
export async function startPod(
  t: Test,
  files = 20_000,
  take: (socket: Socket, chunk: Buffer) => void = () => {},
  env: Record<string, string> = {},
) {
  const dist = t.testdir({ 'client.js': 'export {}\n' })
  await bundle(dist, { sidecar: 'sidecar/main.ts' })
  const address = podAddress(++pods)
  const dir = runDir(t)
  createVolume(join(dir, 'pod')).write(JSON.stringify(releaseState({ serial: 1 })))
  const sockets = new Set<Socket>()
  const app = createServer({ noDelay: true }, serve)
  app.listen({ port: 0, host: address, backlog: 4096 })
  await once(app, 'listening')
  t.teardown(kill)
  const { port } = app.address() as AddressInfo
  // It is not to outlive a test that is killed because it took too long.
  const withUs = '$(command -v setpriv && echo --pdeathsig KILL --)'
  const command = `ulimit -n ${files}; exec ${withUs} "${process.execPath}" "${join(dist, 'sidecar.js')}"`
  const child = spawn('sh', ['-c', command], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...podEnvironment(dir, address, port), ...env },
  })
  t.teardown(() => void child.kill('SIGKILL'))
  const lines: string[] = []
  createInterface(child.stdout).on('line', line => lines.push(line))
  await settled(() => lines.some(line => line.includes('sidecar started')))
  await isServed()
  const files0 = openFiles()
  return { lines, sockets, dial, isServed, metric, kill, app, port, address, isBackToNormal, residentBytes }

  function serve(socket: Socket): void {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => {})
    socket.on('data', chunk => {
      const text = chunk.toString('latin1')
      if (/^\w+ \/taken/.test(text)) take(socket.removeAllListeners('data'), chunk)
      else if (text.startsWith('GET /large')) pour(socket)
      else if (text.startsWith('GET /nonsense')) socket.end(nonsense)
      else if (!text.startsWith('GET /slow')) socket.write(okay)
    })
  }

  function dial(text = ''): Socket {
    const socket = connect(14020, address)
    t.teardown(() => socket.destroy())
    socket.on('error', () => {})
    if (text) socket.write(text)
    return socket
  }

  /** One more client gets its answer. */
  async function isServed(): Promise<boolean> {
    const socket = dial(get('/'))
    let text = ''
    socket.on('data', chunk => (text += chunk.toString('latin1')))
    await settled(() => text.endsWith('ok') || socket.destroyed)
    socket.destroy()
    return text.endsWith('ok')
  }

  async function metric(name: string): Promise<number> {
    const text = await (await fetch(`http://${address}:14021/metrics`)).text()
    return Number(new RegExp(`^\\w*${name}(?:{[^}]*})? (\\S+)$`, 'm').exec(text)?.[1])
  }

  function kill(): void {
    app.close()
    for (const socket of sockets) socket.resetAndDestroy()
  }

  function openFiles(): number {
    return readdirSync(`/proc/${child.pid}/fd`).length
  }

  function residentBytes(): number {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) * 1024
  }

  /** Its own kept-alive connection to the metrics may be open; nothing else is. */
  async function isBackToNormal(): Promise<void> {
    await settled(async () => openFiles() <= files0 + 2 && (await metric('front_open')) === 0)
  }
}

export const nonsense = Buffer.from(Array.from({ length: 3_000 }, (_, i) => (i * 7919) % 256))

function pour(socket: Socket): void {
  const part = Buffer.alloc(64 * 1024)
  let left = large
  socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${large}\r\n\r\n`)
  const more = (): void => {
    while (left > 0 && !socket.destroyed) {
      left -= part.length
      if (!socket.write(part)) return
    }
  }
  socket.on('drain', more)
  more()
}

export async function settled(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise(resolve => setTimeout(resolve, 20))
}
