// Real sockets for the tests of the front: an app, a version server, a front between them and clients that keep what they get.

import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import http from 'node:http'
import type { RequestListener } from 'node:http'
import net from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Fields } from '../../../protocol/log.ts'
import type { EditOptions } from '../../../sidecar/front/edits.ts'
import { createFront } from '../../../sidecar/front/front.ts'
import type { Front, FrontOptions } from '../../../sidecar/front/front.ts'
import { defaultLimits } from '../../../sidecar/front/limits.ts'
import type { Limits } from '../../../sidecar/front/limits.ts'

export const serverTiming = 'spa;desc="web-6c487dcc49", spa-id;desc="9f2c"'

export interface Stage {
  front: Front
  port: number
  logged: ({ message: string } & Fields)[]
  dial(): Client
}

type StageOptions = Partial<Omit<FrontOptions, 'edits' | 'limits'>> & {
  edits?: Partial<EditOptions>
  limits?: Partial<Limits>
}

/** Opens a front before the app on that port. */
export async function openFront(
  t: Test,
  appPort: number,
  { edits, limits, ...options }: StageOptions = {},
): Promise<Stage> {
  const logged: Stage['logged'] = []
  const front = createFront({
    listen: { address: '127.0.0.1', port: 0 },
    app: { hosts: ['127.0.0.1'], port: appPort },
    cache: { maxBytes: 1024 * 1024, maxEntries: 100 },
    maxConnections: 1_000,
    limits: { ...defaultLimits, ...limits },
    versionSocket: '/nowhere/version.sock',
    serverTiming: () => serverTiming,
    stamp: () => '<meta name="spa-version" content="web-6c487dcc49">',
    tag: () => 'web-6c487dcc49',
    edits: { forwarded: 'off', revalidate: 'add', missing: 'refuse', page: 'plain', ...edits },
    log: (message, fields) => void logged.push({ message, ...fields }),
    ...options,
  })
  t.teardown(() => front.close())
  await front.open()
  const port = front.address()?.port ?? 0
  return { front, port, logged, dial: () => dial(t, port) }
}

/** An app that is only a socket. Returns its port, and every connection it gets, as a client keeps them. */
export async function rawApp(
  t: Test,
  serve: (socket: Socket, got: Client) => void,
  port = 0,
): Promise<RawApp> {
  const sockets: Client[] = []
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, socket => {
    const got = keep(t, socket)
    sockets.push(got)
    serve(socket, got)
  })
  t.teardown(() => server.close())
  return { port: await listen(server, port), sockets, server }
}

export interface RawApp {
  port: number
  sockets: Client[]
  server: Server
}

/** A raw app that answers, once it has got `awaited`, with these bytes in two pieces. */
export function cutting(t: Test, awaited: string, bytes: Buffer, cut: number): Promise<RawApp> {
  return rawApp(t, (socket, got) => {
    void got.until(awaited).then(async () => {
      socket.write(bytes.subarray(0, cut))
      await seen()
      socket.write(bytes.subarray(cut))
    })
  })
}

/** A raw app that answers every request it has in whole, which must have no body, by that function. */
export function answering(t: Test, answer: (head: string) => string, port = 0): Promise<RawApp> {
  return rawApp(
    t,
    socket => {
      let text = ''
      socket.on('data', chunk => {
        text += chunk.toString('latin1')
        for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
          socket.write(answer(text.slice(0, end + 4)), 'latin1')
          text = text.slice(end + 4)
        }
      })
      socket.on('end', () => socket.end())
    },
    port,
  )
}

export async function httpApp(
  t: Test,
  listener: RequestListener,
): Promise<{ port: number; server: http.Server }> {
  const server = http.createServer(listener)
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return { port: await listen(server, 0), server }
}

/** A version server on a unix socket. Returns its path. */
export async function versionServer(t: Test, server: Server, backlog = 511): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'front-'))
  const path = join(folder, 'version.sock')
  t.teardown(() => {
    server.close()
    rmSync(folder, { recursive: true })
  })
  server.listen({ path, backlog })
  await once(server, 'listening')
  return path
}

export interface Client {
  socket: Socket
  write(data: string | Buffer): void
  /** What has come so far. */
  text(): string
  bytes(): Buffer
  /** Resolves once that text has come, with all of it. Rejects when the connection closes before. */
  until(text: string | RegExp): Promise<string>
  /** How it ended: by the other side's end, or by a reset. */
  ended: Promise<'end' | 'reset'>
}

export function dial(t: Test, port: number): Client {
  return keep(t, net.connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true }))
}

function keep(t: Test, socket: Socket): Client {
  const chunks: Buffer[] = []
  t.teardown(() => socket.destroy())
  socket.on('data', chunk => void chunks.push(chunk))
  const bytes = (): Buffer => Buffer.concat(chunks)
  const text = (): string => bytes().toString('latin1')
  const ended = new Promise<'end' | 'reset'>(resolve => {
    socket.on('end', () => resolve('end'))
    socket.on('error', () => resolve('reset'))
    socket.on('close', () => resolve('end'))
  })
  return { socket, write: data => void socket.write(data), text, bytes, until, ended }

  function until(wanted: string | RegExp): Promise<string> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const all = text()
        if (typeof wanted === 'string' ? all.includes(wanted) : wanted.test(all)) resolve(all)
      }
      socket.on('data', look)
      const fail = (): void => reject(new Error(`closed before ${String(wanted)}: ${text()}`))
      socket.on('close', fail)
      socket.on('end', () => setImmediate(fail))
      look()
      if (socket.destroyed || socket.readableEnded) fail()
    })
  }
}

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

export function get(target: string, ...lines: string[]): string {
  return [`GET ${target} HTTP/1.1`, 'Host: spa', ...lines, '', ''].join('\r\n')
}

export function ok(body: string, ...lines: string[]): string {
  return ['HTTP/1.1 200 OK', `Content-Length: ${body.length}`, ...lines, '', body].join('\r\n')
}

/** Resolves when what was written to a socket has been read at its other end, in this very process: a few turns of the loop. */
export async function seen(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
}
