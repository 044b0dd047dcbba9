// How many handshakes are taken: so many at once, and so many a second. The rest is told to come back, and costs no tab's memory.

/** Takes the number; returns a function that says whether one more is within it. `now` is in milliseconds. */
export function createRate(perSecond: number, now: () => number = () => performance.now()): () => boolean {
  let left = perSecond
  let before = now()
  return () => {
    const at = now()
    left = Math.min(perSecond, left + ((at - before) / 1_000) * perSecond)
    before = at
    if (left < 1) return false
    left--
    return true
  }
}
