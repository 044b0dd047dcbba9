// What 1,000 readers cost the console, and how soon the last of them hears what happened, at 100 events a second; and what is left of such who come and
// vanish for a minute. The console runs in a process of its own, over apps that are made up: what changes is told with the time of the change in it.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { openMadeUp, tenTimesASecond } from './console.ts'
import { createWorld, deployment } from '../test/console/fixtures/cluster.ts'
import { median, rounded } from './figures.ts'
import { proportionalBytes } from './processes.ts'

const clients = 1_000
const apps = 100
const appsPerTick = 10
const seconds = 10
const churnMs = 60_000
const wrap = 1_000_000_000 // a time that fits where a number of replicas goes

export async function sse() {
  const server = spawn(process.execPath, [process.argv[1]!, 'sse-server'], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  try {
    const [port] = (await once(server, 'message')) as [number]
    const first = await Promise.all(Array.from({ length: 10 }, () => read(port, () => {}))) // what the first ones cost is not theirs
    await sleep(2_000)
    const before = proportionalBytes(server.pid!)
    const heard = new Map<string, { count: number; lastMs: number }>()
    const sockets: Socket[] = []
    while (sockets.length < clients)
      sockets.push(...(await Promise.all(Array.from({ length: 50 }, () => read(port, note)))))
    await sleep(5_000)
    const after = proportionalBytes(server.pid!)
    server.send('start')
    await once(server, 'message') // all is changed
    await sleep(2_000)
    const whole = [...heard.values()].filter(({ count }) => count === clients)
    for (const socket of sockets) socket.destroy()
    const churned = await churn(port, server.pid!)
    for (const socket of first) socket.destroy()
    return {
      clients,
      events_per_s: rounded(whole.length / seconds),
      last_ms: rounded(median(whole.map(({ lastMs }) => lastMs)), 0),
      max_ms: rounded(Math.max(...whole.map(({ lastMs }) => lastMs)), 0),
      missed: heard.size - whole.length,
      bytes_per_client: Math.round((after - before) / clients),
      ...churned,
      node: process.version,
    }

    function note(id: string, at: number): void {
      const event = heard.get(id) ?? { count: 0, lastMs: 0 }
      event.count += 1
      event.lastMs = Math.max(event.lastMs, (Date.now() % wrap) - at)
      heard.set(id, event)
    }
  } finally {
    server.kill('SIGKILL')
  }
}

/** 1,000 readers at a time, without a word at their end, again and again; twice, since what the first ones need stays with the heap. */
async function churn(port: number, pid: number) {
  await vanish(port, performance.now() + churnMs / 4)
  await settled(pid)
  const [bytes, files] = [proportionalBytes(pid), openFiles(pid)]
  const churned = await vanish(port, performance.now() + churnMs)
  await settled(pid)
  return {
    churned,
    left_bytes: proportionalBytes(pid) - bytes,
    left_files: openFiles(pid) - files,
  }
}

/** Returns how many came. */
async function vanish(port: number, until: number): Promise<number> {
  let came = 0
  while (performance.now() < until) {
    const sockets = await Promise.all(Array.from({ length: clients }, () => read(port, () => {})))
    came += sockets.length
    for (const socket of sockets) socket.resetAndDestroy()
  }
  return came
}

/** Until no connection has gone for a second, and the heap has had its time. */
async function settled(pid: number): Promise<void> {
  for (let last = NaN; last !== openFiles(pid); await sleep(1_000)) last = openFiles(pid)
  await sleep(10_000)
}

function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

/** The other process: tells its port, and begins to change apps when it is told to. */
export async function serveSse(): Promise<void> {
  const world = createWorld()
  const names = Array.from({ length: apps }, (_, index) => `app-${index}`)
  for (const name of names) world.deployments.set(name, deployment({ name }))
  const console = await openMadeUp(world)
  process.send?.(console.port)
  await once(process, 'message')
  await tenTimesASecond(seconds, tick => {
    for (let i = 0; i < appsPerTick; i++) {
      const name = names[(tick * appsPerTick + i) % apps]!
      world.deployments.set(name, deployment({ name, replicas: Date.now() % wrap }))
      console.moved('shop', name)
    }
  })
  process.send?.('changed')
  await once(process, 'disconnect')
}

/** Resolves when the snapshot is there; each event of an app is noted, by what it says, with the time in it. */
function read(port: number, note: (id: string, at: number) => void): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let rest = ''
    socket.setEncoding('utf8').on('data', (text: string) => {
      const frames = (rest + text).split('\n\n')
      rest = frames.pop() ?? ''
      for (const frame of frames) {
        if (frame.includes('"type":"ready"')) resolve(socket)
        const [, app, at] =
          /"type":"app_status","payload":\{"id":"([^"]*)".*"desired":(\d+)/.exec(frame) ?? []
        if (app) note(`${app} ${at}`, Number(at))
      }
    })
    socket.on('error', reject)
    socket.write('GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n')
  })
}
