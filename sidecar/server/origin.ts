// Whether a tab that connects is a page of this site (RFC 6455 §10.2), so that a foreign page cannot take up connection slots here.
// With a WebSocket's handshake browsers always send Origin, and no script can set it or X-Forwarded-Host.

/**
 * Takes the header values, '' where there is none. `null` as Origin (sandboxed frames, data: URLs) is foreign; no Origin at all
 * is no browser and is let in.
 */
export function isOwnOrigin(origin: string, host: string, forwardedHost: string): boolean {
  if (origin === '') return true
  const parsed = parse(origin)
  if (!parsed) return false
  const [firstForwarded = ''] = forwardedHost.split(',') // each further proxy appends its own
  return [host, firstForwarded.trim()].some(name => name !== '' && isSameHost(parsed, name))
}

/**
 * Takes Sec-Fetch-Site, '' where there is none (https://www.w3.org/TR/fetch-metadata/). Requests without CORS come without an Origin
 * from anywhere, but every browser of today says this on https.
 */
export function isOwnSite(site: string): boolean {
  return site === '' || site === 'same-origin' || site === 'none'
}

/** By the Origin's scheme, so that `shop.example:443` is `https://shop.example`. */
function isSameHost(origin: URL, host: string): boolean {
  if (/[/\\@?#]/.test(host)) return false
  return parse(`${origin.protocol}//${host}`)?.host === origin.host
}

function parse(url: string): URL | undefined {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  return parsed?.host ? parsed : undefined
}
