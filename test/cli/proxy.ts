import t from 'tap'
import { proxyOf } from '../../cli/proxy.ts'

const proxy = 'http://proxy.corp:3128'

t.test('the proxy is that of the scheme, in capitals or not', async t => {
  t.equal(proxyOf('https://api.corp:6443', { HTTPS_PROXY: proxy }), proxy)
  t.equal(proxyOf('https://api.corp:6443', { https_proxy: proxy }), proxy)
  t.equal(proxyOf('http://api.corp', { HTTP_PROXY: proxy, HTTPS_PROXY: 'http://other' }), proxy)
  t.equal(proxyOf('https://api.corp', { HTTP_PROXY: proxy }), undefined)
  t.equal(proxyOf('https://api.corp', { HTTPS_PROXY: '' }), undefined)
})

t.test('a proxy without a scheme is one of HTTP', async t => {
  t.equal(proxyOf('https://api.corp', { HTTPS_PROXY: 'proxy.corp:3128' }), proxy)
  t.equal(proxyOf('https://api.corp', { HTTPS_PROXY: 'socks5://proxy.corp' }), 'socks5://proxy.corp')
})

t.test('this machine is asked directly', async t => {
  for (const host of ['localhost', '127.0.0.1', '127.9.9.9', '[::1]'])
    t.equal(proxyOf(`https://${host}:6443`, { HTTPS_PROXY: proxy }), undefined, host)
})

const spared: [noProxy: string, server: string][] = [
  ['*', 'https://api.corp'],
  ['api.corp', 'https://api.corp:6443'],
  ['corp', 'https://api.corp'],
  ['.corp', 'https://api.corp'],
  ['*.corp', 'https://api.corp'],
  ['CORP', 'https://api.corp'],
  ['a, b ,api.corp', 'https://api.corp'],
  ['api.corp:6443', 'https://api.corp:6443'],
  ['api.corp:443', 'https://api.corp'],
  ['10.1.2.3', 'https://10.1.2.3:6443'],
  ['10.1.2.3:6443', 'https://10.1.2.3:6443'],
  ['10.0.0.0/8', 'https://10.1.2.3:6443'],
  ['fd00::/8', 'https://[fd00::1]:6443'],
  ['fd00::1', 'https://[fd00:0::1]'],
  ['[fd00::1]:6443', 'https://[fd00::1]:6443'],
]
const asked: typeof spared = [
  ['', 'https://api.corp'],
  [',', 'https://api.corp'],
  ['.api.corp', 'https://api.corp'],
  ['pi.corp', 'https://api.corp'],
  ['api.corp:6443', 'https://api.corp'],
  ['10.0.0.0/16', 'https://10.1.2.3'],
  ['10.0.0.0/99', 'https://10.1.2.3'],
  ['10.0.0.0/8', 'https://api.corp'],
  ['fd00::/8', 'https://10.1.2.3'],
  ['api.corp/8', 'https://api.corp'],
]

t.test('NO_PROXY spares hosts, domains, addresses and networks', async t => {
  for (const [noProxy, server] of spared)
    t.equal(proxyOf(server, { HTTPS_PROXY: proxy, NO_PROXY: noProxy }), undefined, `${noProxy} ${server}`)
  for (const [noProxy, server] of asked)
    t.equal(proxyOf(server, { HTTPS_PROXY: proxy, no_proxy: noProxy }), proxy, `${noProxy} ${server}`)
})
