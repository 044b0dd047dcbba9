// Whom a request may ask for. A page of another origin can make a browser ask 127.0.0.1 under a name of its own (DNS rebinding); then the browser
// takes the answers for that page's. It cannot make it send our name in Host.

/** Returns whether a `Host` header is one of ours: a loopback name or address, or one of `names`. Ports do not count. */
export function createHostGuard(names: readonly string[]): (host: string | undefined) => boolean {
  const own = new Set(names.map(name => name.toLowerCase()))
  return host => {
    const name = nameOf(host ?? '')
    return name !== '' && (isLoopback(name) || own.has(name))
  }
}

function nameOf(host: string): string {
  const [, name = ''] = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::\d{1,5})?$/i.exec(host) ?? []
  return name.toLowerCase().replace(/\.$/, '')
}

function isLoopback(name: string): boolean {
  return name === 'localhost' || name === '[::1]' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name)
}
