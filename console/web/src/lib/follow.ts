// Whether a log goes on showing its end. Only its reader ever changes that: lines that come, lines that are dropped and windows that are
// resized scroll as well, and mean nothing.

export interface Scrolled {
  fromPx: number
  toPx: number
  /** The furthest that it can be scrolled. */
  endPx: number
  /** A wheel, a finger, a key or a held scroll bar was there just before. */
  byReader: boolean
}

const slackPx = 4 // zoomed pages have fractions of pixels

export function followsAfter(isFollowing: boolean, { fromPx, toPx, endPx, byReader }: Scrolled): boolean {
  if (!byReader) return isFollowing
  if (toPx >= endPx - slackPx) return true
  return toPx < fromPx ? false : isFollowing
}
