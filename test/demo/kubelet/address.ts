// What a pod's address in the demo leads to.

import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { platform } from 'node:os'
import t from 'tap'
import { createAddresses, openAddress } from '../../../demo/kubelet/address.ts'
import { freePort } from '../../cluster/process.ts'

t.test('each pod has another address, and those of two demos differ', async t => {
  const [one, other] = [createAddresses(() => 0.25), createAddresses(() => 0.75)]
  t.same([one.next(), one.next(), other.next()], ['127.96.64.1', '127.96.64.2', '127.160.192.1'])
})

t.test(
  'a port of the address leads to where it is, until it is closed',
  { skip: platform() !== 'linux' && 'other systems have 127.0.0.1 only' },
  async t => {
    const server = createServer((_, response) => response.end('here')).listen(0, '127.0.0.1')
    t.teardown(() => server.close())
    await once(server, 'listening')
    const [address, port] = [createAddresses().next(), await freePort()]
    const url = `http://${address}:${port}/`
    const close = openAddress(address, new Map([[port, (server.address() as AddressInfo).port]]))
    const headers = { Connection: 'close' }
    t.equal(await (await fetch(url, { headers })).text(), 'here')
    close()
    await t.rejects(fetch(url, { headers }))
  },
)
