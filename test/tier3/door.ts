// What stands between browsers and pods (a Service, an Ingress, a CDN), in the test's hands: which pod answers a document, and which one `/__spa/`.

import http from 'node:http'
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import https from 'node:https'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Test } from 'tap'
import { path } from '../../protocol/names.ts'
import { run } from '../cluster/process.ts'
import { createCertificate } from '../tls.ts'
import type { Pod } from './pod.ts'

/**
 * Of the loopback interface, but not one that browsers take for loopback: an origin there is no secure context
 * (https://w3c.github.io/webappsec-secure-contexts/#is-origin-trustworthy).
 */
const elsewhere = '10.245.254.1'

export const origins = ['https', 'loopback', 'insecure'] as const
export type Origin = (typeof origins)[number]

export interface Door {
  url: Record<Origin, string>
  /** Who answers. May be changed at any time; connections that are open stay. */
  documents: Pod
  sockets: Pod
  /** Answers a document in a pod's place, as a cache on the way does; returns false when it has none. */
  cache: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined
  /** The connection of who asks for the client's script ends without an answer, as at a pod that is going. */
  isScriptLost: boolean
  /** How many documents were asked for, by pages that look what they would be served as well. */
  readonly documentsAsked: number
  /** Ends what is open and lets nobody in, until told otherwise. */
  setOpen(isOpen: boolean): void
}

/** Ends with the test. */
export async function openDoor(t: Test, pod: Pod): Promise<Door> {
  let isOpen = true
  let documentsAsked = 0
  const open = new Set<Duplex>()
  const answer: RequestListener = (request, response) => {
    const isDocument = !isOurs(request)
    if (isDocument && request.headers.accept?.includes('text/html')) documentsAsked += 1
    if (door.isScriptLost && request.url?.includes(path.client)) request.socket.destroy()
    else if (!isDocument || !door.cache?.(request, response))
      forward(isDocument ? door.documents : door.sockets, request, response)
  }
  const { key, cert } = createCertificate()
  const insecure = await withAddress(t)
  const servers: Record<Origin, Server> = {
    https: https.createServer({ key, cert }, answer),
    loopback: http.createServer(answer),
    insecure: http.createServer(answer),
  }
  const url: Record<Origin, string> = { https: '', loopback: '', insecure: '' }
  for (const origin of origins) {
    const server = servers[origin]
    const host = origin === 'insecure' ? insecure : '127.0.0.1'
    server.on(origin === 'https' ? 'secureConnection' : 'connection', (socket: Duplex) => {
      if (isOpen) open.add(socket.once('close', () => open.delete(socket)))
      else socket.destroy()
    })
    server.on('upgrade', (request, socket: Duplex, head) => splice(door.sockets, request, socket, head))
    await new Promise<void>(resolve => server.listen(0, host, resolve))
    url[origin] =
      `${origin === 'https' ? 'https' : 'http'}://${host}:${(server.address() as AddressInfo).port}/`
    t.teardown(() => {
      for (const socket of open) socket.destroy()
      server.close()
    })
  }
  const door: Door = {
    url,
    documents: pod,
    sockets: pod,
    cache: undefined,
    isScriptLost: false,
    get documentsAsked() {
      return documentsAsked
    },
    setOpen(wanted) {
      isOpen = wanted
      if (!isOpen) for (const socket of open) socket.destroy()
    },
  }
  return door
}

function isOurs({ url }: IncomingMessage): boolean {
  return url?.includes('/__spa/') === true
}

function forward({ port }: Pod, request: IncomingMessage, response: ServerResponse): void {
  const { method, url, headers } = request
  const asked = http.request(
    { host: '127.0.0.1', port, method, path: url, headers, agent: false },
    answer => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    },
  )
  asked.once('error', () => response.destroy())
  request.pipe(asked)
}

function splice(
  { port }: Pod,
  { method, url, rawHeaders }: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): void {
  const to = connect(port, '127.0.0.1')
  to.write(`${method} ${url} HTTP/1.1\r\n`)
  for (let index = 0; index < rawHeaders.length; index += 2)
    to.write(`${rawHeaders[index]}: ${rawHeaders[index + 1]}\r\n`)
  to.write('\r\n')
  to.write(head)
  socket.pipe(to).pipe(socket)
  for (const [one, other] of [
    [socket, to],
    [to, socket],
  ] as const)
    one.on('error', () => other.destroy()).once('close', () => other.destroy())
}

/** Several tests may have it at a time; only who added it takes it away. */
async function withAddress(t: Test): Promise<string> {
  const address = `${elsewhere}/32`
  const isAdded = await run('ip', ['address', 'add', address, 'dev', 'lo']).then(
    () => true,
    () => false,
  )
  if (isAdded) t.teardown(() => run('ip', ['address', 'del', address, 'dev', 'lo']))
  return elsewhere
}
