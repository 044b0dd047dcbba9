// What programs write for a terminal: colours become names of classes (256 and true colours the nearest of the sixteen, which have contrast in
// light and dark), a line that overwrites itself is what it is in the end, everything else that a terminal would obey is left out.

export interface Span {
  text: string
  /** `fg-0` … `fg-15`, `bold`, `faint`, `italic`, `underline`. */
  classes: string[]
}

// CSI … final byte | OSC … BEL or ST | other escapes of two characters | what else is no text
const sequence =
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  /\x1b\[([0-?]*)[ -/]*([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\-_]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g

export function spansOf(text: string): Span[] {
  const spans: Span[] = []
  const style: Style = { colour: undefined, marks: new Set() }
  let at = 0
  const line = overwritten(text)
  for (const match of line.matchAll(sequence)) {
    push(line.slice(at, match.index))
    at = match.index + match[0].length
    if (match[2] === 'm') obey(style, match[1] ?? '')
  }
  push(line.slice(at))
  return spans

  function push(text: string): void {
    if (text === '') return
    const colour = style.colour === undefined ? [] : [`fg-${style.colour}`]
    spans.push({ text, classes: [...colour, ...style.marks] })
  }
}

export function plain(text: string): string {
  return overwritten(text).replaceAll(sequence, '')
}

/** Of each line what stands behind its last carriage return. */
function overwritten(text: string): string {
  return text
    .replace(/[\r\n]+$/, '')
    .replaceAll('\r\n', '\n')
    .replaceAll(/^.*\r/gm, '')
}

interface Style {
  colour: number | undefined
  marks: Set<string>
}

const marks: Record<number, string> = { 1: 'bold', 2: 'faint', 3: 'italic', 4: 'underline' }

/** ECMA-48 §8.3.117, SGR. */
function obey(style: Style, params: string): void {
  const codes = params.split(/[;:]/).map(Number)
  for (let i = 0; i < codes.length; i += 1) {
    const code = codes[i] ?? 0
    if (code === 0) {
      style.colour = undefined
      style.marks.clear()
    } else if (marks[code]) style.marks.add(marks[code])
    else if (code === 22) ['bold', 'faint'].forEach(mark => style.marks.delete(mark))
    else if (code === 23) style.marks.delete('italic')
    else if (code === 24) style.marks.delete('underline')
    else if (code >= 30 && code <= 37) style.colour = code - 30
    else if (code >= 90 && code <= 97) style.colour = code - 82
    else if (code === 39) style.colour = undefined
    else if (code === 38 || code === 48) {
      const isTrue = codes[i + 1] === 2
      const [red = 0, green = 0, blue = 0] = isTrue ? codes.slice(i + 2) : of256(codes[i + 2] ?? 0)
      if (code === 38) style.colour = nearest(red, green, blue)
      i += isTrue ? 4 : 2
    }
  }
}

const sixteen: [red: number, green: number, blue: number][] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
].map(n => {
  const on = n < 8 ? 170 : 255
  const off = n < 8 ? 0 : 85
  return [n & 1 ? on : off, n & 2 ? on : off, n & 4 ? on : off]
})

/** xterm's palette: 16, a cube of 6 × 6 × 6, 24 greys. */
function of256(n: number): number[] {
  if (n < 16) return sixteen[n] ?? []
  if (n >= 232) return Array.from({ length: 3 }, () => 8 + (n - 232) * 10)
  return [36, 6, 1].map(unit => [0, 95, 135, 175, 215, 255][Math.floor((n - 16) / unit) % 6] ?? 0)
}

function nearest(...colour: [red: number, green: number, blue: number]): number {
  const distances = sixteen.map(one =>
    one.reduce((sum, value, i) => sum + (value - (colour[i] ?? 0)) ** 2, 0),
  )
  return distances.indexOf(Math.min(...distances))
}
