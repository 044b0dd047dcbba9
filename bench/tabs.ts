// What an idle tab costs the sidecar, at the version server itself and through the front, and how long one state takes to all.
// The clients are bare sockets in this process, so that they do not become the bottleneck.

import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import type { NetConnectOpts, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { subprotocol } from '../protocol/names.ts'
import { median, rounded } from './figures.ts'
import { proportionalBytes, until } from './processes.ts'
import { startSidecar } from './sidecar.ts'

const wanted = 10_000
const rounds = 5

export async function tabs() {
  const limit = Number(/Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 1024)
  // At the version server a tab is one file descriptor; through the front three: the browser's and both ends of the unix socket. There, the
  // sidecar keeps 1,200 for itself.
  const direct = await measure(Math.min(wanted, limit - 200), ({ versionSocket }) => ({
    path: versionSocket,
  }))
  const front = await measure(Math.min(wanted, Math.floor((limit - 1_300) / 3)), ({ frontPort }) => ({
    host: '127.0.0.1',
    port: frontPort,
  }))
  return {
    direct_tabs: direct.clients,
    direct_bytes: direct.bytes,
    front_tabs: front.clients,
    front_bytes: front.bytes,
    spread_ms: direct.spread,
    spread_front_ms: front.spread,
  }
}

async function measure(
  clients: number,
  to: (sidecar: { versionSocket: string; frontPort: number }) => NetConnectOpts,
): Promise<{ clients: number; bytes: number; spread: number }> {
  const sidecar = await startSidecar()
  await until(sidecar.isReady)
  await sleep(2_000)
  const before = proportionalBytes(sidecar.pid)
  const tabs: Tab[] = []
  for (let open = 0; open < clients; open += 200)
    tabs.push(
      ...(await Promise.all(
        Array.from({ length: Math.min(200, clients - open) }, () => openTab(to(sidecar))),
      )),
    )
  await sleep(5_000)
  const bytes = (proportionalBytes(sidecar.pid) - before) / clients
  const spreads: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    const start = performance.now()
    const told = allTold(tabs)
    sidecar.feed(2 + round)
    await told
    spreads.push(performance.now() - start)
    await sleep(500)
  }
  for (const { socket } of tabs) socket.destroy()
  await sidecar.stop()
  return { clients, bytes: rounded(bytes, 0), spread: rounded(median(spreads), 0) }
}

interface Tab {
  socket: Socket
  /** Of the frame that carries a state. */
  frameBytes: number
  /** Called with the number of bytes that came. */
  onBytes(count: number): void
}

/** Resolves when every tab has got a whole state more. */
function allTold(tabs: readonly Tab[]): Promise<void> {
  return new Promise(resolve => {
    let missing = tabs.length
    for (const tab of tabs) {
      let left = tab.frameBytes
      tab.onBytes = count => {
        left -= count
        if (left <= 0 && left + count > 0 && --missing === 0) resolve()
      }
    }
  })
}

const shared = Buffer.alloc(64 * 1024) // what comes is only counted

/** Opens a WebSocket by hand (RFC 6455 §4.1) and waits for its first frame, the snapshot. */
function openTab(to: NetConnectOpts): Promise<Tab> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect({
      ...to,
      onread: {
        buffer: shared,
        callback(count, buffer) {
          if (tab.frameBytes > 0) tab.onBytes(count)
          else open((text += Buffer.from(buffer.buffer, buffer.byteOffset, count).toString('latin1')))
          return true
        },
      },
    })
    const tab: Tab = { socket, frameBytes: 0, onBytes: () => {} }
    socket.once('error', reject)
    socket.write(
      `GET /__spa/ws?v=web-aaaa HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ${subprotocol}\r\n\r\n`,
    )

    function open(text: string): void {
      if (!text.startsWith('HTTP/1.1 101'.slice(0, text.length))) reject(new Error(text.slice(0, 100)))
      const head = text.indexOf('\r\n\r\n')
      if (head < 0 || !text.includes('"heartbeat_ms"')) return
      tab.frameBytes = text.length - head - 4
      resolve(tab)
    }
  })
}
