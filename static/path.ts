// From a request target to the path of a file: decoded once, segment by segment, and then looked up as it is. Nothing is resolved, so there is
// nothing to traverse.

/**
 * Takes the request target in origin form or absolute form (RFC 9112 §3.2). Returns the path without its leading slash; `malformed` where it cannot be
 * decoded, `odd` where it is the path of no file and of no page.
 */
export function parseTarget(target: string): { path: string } | 'malformed' | 'odd' {
  const [, encoded] = /^(?:https?:\/\/[^/?#]+)?(\/[^?#]*|(?=[?#]|$))/i.exec(target) ?? []
  if (encoded === undefined || target === '') return 'malformed'
  const segments: string[] = []
  for (const segment of encoded.slice(1).split('/')) {
    const decoded = decode(segment)
    if (decoded === undefined) return 'malformed'
    if (isOdd(decoded)) return 'odd'
    segments.push(decoded)
  }
  return { path: segments.join('/') }
}

/** Undefined for what is no percent-encoding of UTF-8, overlong forms and surrogates included. */
function decode(segment: string): string | undefined {
  try {
    return segment.includes('%') ? decodeURIComponent(segment) : segment
  } catch {
    return undefined
  }
}

/** A dot in front (`..`, `.env`; not RFC 8615), a separator of any system's, which was encoded, a control character. */
function isOdd(segment: string): boolean {
  return (segment.startsWith('.') && segment !== '.well-known') || /[/\\\p{Cc}]/u.test(segment)
}
