// Whether the app listens, read from the kernel's tables (proc_pid_net(5)): asking does not cost the app a connection.
// The containers of a pod share one network namespace, so its listeners are in ours.

import { closeSync, openSync, readSync } from 'node:fs'
import { connect, isIPv6 } from 'node:net'
import { endianness } from 'node:os'

const tables = ['/proc/net/tcp', '/proc/net/tcp6']
const listenState = '0A'

/** Takes where the app is reached; returns whether something listens there. Where /proc cannot be read, by a connection. */
export async function isListening(host: string, port: number): Promise<boolean> {
  const texts = tables.map(readListeners)
  if (texts.every(text => text === undefined)) return accepts(host, port)
  return texts.some(text => text !== undefined && hasListener(text, host, port))
}

/** Whether something listens on that port, at whichever address. Where /proc cannot be read, by a connection to the host. */
export async function isTaken(host: string, port: number): Promise<boolean> {
  const texts = tables.map(readListeners)
  if (texts.every(text => text === undefined)) return accepts(host, port)
  return texts.some(text => text !== undefined && hasListener(text, undefined, port))
}

/** Takes the text of a table; returns whether it has a listener on that port for that address or for all addresses; without an address, any listener. */
export function hasListener(
  table: string,
  host: string | undefined,
  port: number,
  isLittle = endianness() === 'LE',
): boolean {
  const wanted =
    host !== undefined &&
    // A listener for all IPv4 addresses takes no IPv6; one for all IPv6 addresses mostly takes both.
    new Set([
      '0'.repeat(32),
      ...(isIPv6(host) ? [] : ['00000000']),
      ...addressesOf(host).map(bytes => toHex(bytes, isLittle)),
    ])
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0')
  for (const line of table.split('\n')) {
    const [, local = '', , state] = line.trim().split(/\s+/, 4)
    const [address = '', localPort] = local.split(':')
    if (state === listenState && localPort === hexPort && (!wanted || wanted.has(address))) return true
  }
  return false
}

/** Whether a connection is accepted there. */
export function accepts(host: string, port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host, port })
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

/**
 * The kernel lists listeners before connections, a page at a time, so that a pod with 10,000 tabs costs no more than an idle one.
 * Returns undefined when the table cannot be read.
 */
function readListeners(path: string): string | undefined {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return undefined
  }
  try {
    const page = Buffer.alloc(16 * 1024)
    let text = ''
    for (;;) {
      const length = readSync(file, page)
      text += page.toString('latin1', 0, length)
      if (length === 0 || /^\s*\d+: \S+ \S+ (?!0A)\w\w /m.test(text)) return text
    }
  } catch {
    return undefined
  } finally {
    closeSync(file)
  }
}

/** The bytes of an address, and of the form in which a dual-stack listener has an IPv4 one. */
function addressesOf(host: string): number[][] {
  if (isIPv6(host)) return [ipv6Bytes(host)]
  const bytes = host.split('.').map(Number)
  return [bytes, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...bytes]]
}

function ipv6Bytes(host: string): number[] {
  // A URL spells every address in one way: shortened, and in hex to the end.
  const [left = '', right] = new URL(`http://[${host}]`).hostname.slice(1, -1).split('::')
  const head = groups(left)
  const tail = groups(right ?? '')
  return [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail].flatMap(group => [
    group >> 8,
    group & 0xff,
  ])
}

function groups(text: string): number[] {
  return text === '' ? [] : text.split(':').map(group => parseInt(group, 16))
}

/** The tables print addresses as words of 32 bits in the machine's own order. */
function toHex(bytes: number[], isLittle: boolean): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 4) {
    const word = bytes.slice(at, at + 4)
    for (const byte of isLittle ? word.toReversed() : word)
      text += byte.toString(16).toUpperCase().padStart(2, '0')
  }
  return text
}
