import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { openCluster } from '../../cli/cluster.ts'

t.test('the cluster is asked through the proxy of the environment, as kubectl asks it', async t => {
  const asked: (string | undefined)[] = []
  const proxy = http.createServer().listen(0, '127.0.0.1')
  proxy.on('connect', ({ url }, client) => {
    asked.push(url)
    client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n')
  })
  t.teardown(() => proxy.close())
  await once(proxy, 'listening')
  const config = {
    clusters: [{ name: 'corp', cluster: { server: 'https://api.corp.invalid:6443' } }],
    users: [{ name: 'me', user: { token: 'abc' } }],
    contexts: [{ name: 'corp', context: { cluster: 'corp', user: 'me' } }],
    'current-context': 'corp',
  }
  process.env.KUBECONFIG = join(t.testdir({ config: JSON.stringify(config) }), 'config')
  process.env.HTTPS_PROXY = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  const cluster = openCluster({ namespace: undefined, context: undefined })
  t.teardown(cluster.close)
  await t.rejects(cluster.read('/version'))
  t.same(asked, ['api.corp.invalid:6443'])
})
