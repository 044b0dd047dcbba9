// ETags of pages that name the version: only the version that sent a page can find it unchanged, so that a 304 ties no bytes to another
// version's header. nginx, for one, gives equal ETags to files of equal size and time, and image builds make all times equal.

/**
 * Takes the version's tag and the app's ETag (RFC 9110 §8.8.3); returns the ETag that the browser gets: `W/"5f3"` → `W/"web-1:5f3"`.
 * Undefined where it is no ETag.
 */
export function versionEtag(tag: string, etag: string): string | undefined {
  const [, weak, opaque] = /^(W\/)?"([^"]*)"$/.exec(etag) ?? []
  return opaque === undefined ? undefined : `${weak ?? ''}"${tag}:${opaque}"`
}

/**
 * Takes the version's tag and the values of If-None-Match; returns the value to ask the app with: its own ETags of those that name this
 * version. Undefined where none does: what the browser has is of another version, or not ours.
 */
export function appEtags(tag: string, ifNoneMatch: readonly string[]): string | undefined {
  const start = `${tag}:`
  const etags: string[] = []
  for (const [, weak = '', opaque = ''] of ifNoneMatch.join(',').matchAll(/(W\/)?"([^"]*)"/g)) {
    if (opaque.startsWith(start)) etags.push(`${weak}"${opaque.slice(start.length)}"`)
  }
  return etags.length > 0 ? etags.join(', ') : undefined
}
