// Bytes that are lent. All sockets to the app read into one buffer, and what goes out of it goes by way of another: a new one for each read
// costs a sixth of the CPU time of a large asset, and memory until it is collected (bench/README.md).
// So a chunk of such a socket is gone when its handler returns, and whoever keeps bytes copies them.

import { connect } from 'node:net'
import type { Socket, TcpNetConnectOpts } from 'node:net'

const readBytes = 64 * 1024 // as much as libuv reads by itself
const readBuffer = Buffer.allocUnsafeSlow(readBytes)
/** Room for a head that was changed before a chunk that is full. */
const writeBytes = readBytes + 8 * 1024
let writeBuffer = Buffer.allocUnsafeSlow(writeBytes)

/** Takes what `net.connect` does; returns a socket whose chunks are lent. */
export function connectLending(options: TcpNetConnectOpts): Socket {
  const socket = connect({ ...options, onread: { buffer: readBuffer, callback } })
  return socket

  function callback(length: number): boolean {
    socket.emit('data', readBuffer.subarray(0, length))
    return true
  }
}

/** Writes bytes that the caller does not own, all in one go if they are not too many. Returns whether the socket takes more. */
export function writeLent(to: Socket, ...pieces: readonly Buffer[]): boolean {
  const length = lengthOf(pieces)
  // What is behind other bytes waits for long: then it gets its own size.
  if (to.writableLength > 0 || length > writeBytes) {
    for (const piece of pieces) to.write(Buffer.from(piece))
    return !to.writableNeedDrain
  }
  let at = 0
  for (const piece of pieces) at += piece.copy(writeBuffer, at)
  to.write(writeBuffer.subarray(0, length))
  // Node writes at once if the kernel takes it all. Otherwise the buffer stays with this socket until it has.
  if (to.writableLength > 0) writeBuffer = Buffer.allocUnsafeSlow(writeBytes)
  return !to.writableNeedDrain
}

/** Of all of them, in bytes. */
export function lengthOf(pieces: readonly Buffer[]): number {
  let length = 0
  for (const piece of pieces) length += piece.length
  return length
}
