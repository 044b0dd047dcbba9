// Preconditions of GET and HEAD, in the order of RFC 9110 §13.2.2. Files have no date: those in an image are all of one time, and a copy has the time of
// the copying; so only ETags count, and conditions on dates are ignored, as §13.1.3 and §13.1.4 ask for.

export interface Conditions {
  ifMatch: string | undefined
  ifNoneMatch: string | undefined
}

/** Takes the strong ETag of what would be sent. Undefined: send it. */
export function failedCondition({ ifMatch, ifNoneMatch }: Conditions, etag: string): 412 | 304 | undefined {
  if (ifMatch !== undefined && !lists(ifMatch, etag, 'strong')) return 412
  if (ifNoneMatch !== undefined && lists(ifNoneMatch, etag, 'weak')) return 304
  return undefined
}

/** §13.1.5: a part only of the very same bytes. A date never fits. */
export function allowsRange(ifRange: string | undefined, etag: string): boolean {
  return ifRange === undefined || ifRange.trim() === etag
}

/** §8.8.3.2. `W/"x"` equals `"x"` in the weak comparison only. */
function lists(value: string, etag: string, comparison: 'strong' | 'weak'): boolean {
  if (value.trim() === '*') return true
  for (const [entry, weak] of value.matchAll(/(W\/)?"[^"]*"/g)) {
    if (weak === undefined ? entry === etag : comparison === 'weak' && entry.slice(2) === etag) return true
  }
  return false
}
