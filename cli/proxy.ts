// Through which proxy kubectl would ask a server: HTTPS_PROXY, HTTP_PROXY and NO_PROXY as Go reads them, networks in NO_PROXY as well
// (pkg.go.dev/golang.org/x/net/http/httpproxy#Config).

import { BlockList, isIP, isIPv6 } from 'node:net'

type Environment = Readonly<Record<string, string | undefined>>

/** Takes the server's URL; returns the proxy's, undefined where the server is asked directly, or is no URL. */
export function proxyOf(server: string, environment: Environment): string | undefined {
  if (!URL.canParse(server)) return undefined
  const { protocol, hostname, port } = new URL(server)
  const host = hostname.replace(/^\[|\]$/g, '')
  const isSecure = protocol === 'https:'
  const proxy = read(environment, isSecure ? 'HTTPS_PROXY' : 'HTTP_PROXY')
  const spared = ['localhost', '127.0.0.0/8', '::1', ...read(environment, 'NO_PROXY').split(',')]
  if (!proxy || spared.some(entry => covers(entry, host, port || (isSecure ? '443' : '80')))) return undefined
  return /^\w+:\/\//.test(proxy) ? proxy : `http://${proxy}`
}

function read(environment: Environment, name: string): string {
  return environment[name] || environment[name.toLowerCase()] || ''
}

/** Whether an entry of NO_PROXY means that host: `*`, an address, a network, a domain with all below it or, from its dot on, only what is below it. */
function covers(written: string, host: string, port: string): boolean {
  const entry = written.trim().toLowerCase()
  if (entry === '*') return true
  const [, network = '', bits] = /^(.+)\/(\d+)$/.exec(entry) ?? []
  if (isIP(network)) return isWithin(host, network, Number(bits))
  if (isIP(entry)) return isWithin(host, entry)
  const [, name = '', wanted = port] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(entry) ?? []
  if (name === '' || wanted !== port) return false
  if (isIP(name)) return isWithin(host, name)
  const domain = name.replace(/^\*(?=\.)/, '')
  return domain.startsWith('.') ? host.endsWith(domain) : host === domain || host.endsWith(`.${domain}`)
}

function isWithin(host: string, network: string, bits?: number): boolean {
  const mostBits = isIPv6(network) ? 128 : 32
  if (!isIP(host) || (bits ?? 0) > mostBits) return false
  const list = new BlockList()
  list.addSubnet(network, bits ?? mostBits, familyOf(network))
  return list.check(host, familyOf(host))
}

function familyOf(address: string): 'ipv6' | 'ipv4' {
  return isIPv6(address) ? 'ipv6' : 'ipv4'
}
