// Of a long list of rows of one height only those in view, and some around them, are in the document.

export interface Slice {
  start: number
  end: number
  /** Pixels of what is left out above and below. */
  above: number
  below: number
}

const around = 8
const allOf = 60 // so few are always all there: the browser's own search finds them

/** Takes how many rows there are, the height of one, and where the view begins and ends, in pixels from the first row's top. */
export function sliceOf(count: number, rowPx: number, fromPx: number, toPx: number): Slice {
  if (count <= allOf || rowPx <= 0) return { start: 0, end: count, above: 0, below: 0 }
  const start = clamp(Math.floor(fromPx / rowPx) - around, count)
  const end = Math.max(start, clamp(Math.ceil(toPx / rowPx) + around, count))
  return { start, end, above: start * rowPx, below: (count - end) * rowPx }
}

function clamp(n: number, count: number): number {
  return Math.max(0, Math.min(count, n))
}
