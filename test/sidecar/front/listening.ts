import net from 'node:net'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import t from 'tap'
import { accepts, hasListener, isListening, isTaken } from '../../../sidecar/front/listening.ts'

const header =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n'

function table(...rows: [local: string, state: string][]): string {
  return (
    header +
    rows
      .map(([local, state], i) => `   ${i}: ${local} 00000000:0000 ${state} 0:0 00:0 0 0 0 1 1 0\n`)
      .join('')
  )
}

t.test('a listener counts on the app’s port, for its address or all of them', async t => {
  const host = '10.244.1.7'
  const v6 = 'fd00:10:244::1:7'
  const cases: [expected: boolean, host: string, local: string, state: string][] = [
    [true, host, '00000000:1F90', '0A'],
    [true, host, '0701F40A:1F90', '0A'],
    [true, host, '00000000000000000000000000000000:1F90', '0A'],
    [true, host, '0000000000000000FFFF00000701F40A:1F90', '0A'],
    [true, v6, '00000000000000000000000000000000:1F90', '0A'],
    [true, v6, '100000FD000044020000000007000100:1F90', '0A'], // each word of 32 bits in little-endian order
    [false, v6, '00000000:1F90', '0A'], // 0.0.0.0
    [false, host, '0100007F:1F90', '0A'],
    [false, host, '00000000:1F91', '0A'],
    [false, host, '00000000:1F90', '01'],
    [false, v6, '00000000000000000000000001000000:1F90', '0A'],
  ]
  for (const [expected, host, local, state] of cases) {
    t.equal(
      hasListener(table(['0100007F:0016', '0A'], [local, state]), host, 8080, true),
      expected,
      `${host} ${local} ${state}`,
    )
  }
  t.equal(hasListener(table(['0AF40107:1F90', '0A']), host, 8080, false), true, 'a big-endian machine')
  t.equal(hasListener('', host, 8080), false)
  const elsewhere = table(['0100007F:1F90', '0A'], ['00000000:1F91', '01'])
  t.equal(hasListener(elsewhere, undefined, 8080), true, 'at any address')
  t.equal(hasListener(elsewhere, undefined, 8081), false)
})

t.test('a real listener is seen without a connection to it', async t => {
  let connections = 0
  const server = net.createServer(() => connections++)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  t.ok(await isListening('127.0.0.1', port))
  t.ok(await isTaken('127.0.0.2', port), 'at another address')
  t.equal(connections, 0)
  t.ok(await accepts('127.0.0.1', port))
  server.close()
  await once(server, 'close')
  t.notOk(await isListening('127.0.0.1', port))
  t.notOk(await isTaken('127.0.0.1', port))
  t.notOk(await accepts('127.0.0.1', port))
})
