// A message's head (RFC 9112 §2-5) as the bytes it came in: checked, looked up and edited without touching any other byte.
// Field lines are kept as offsets and never as an object, so that case, order, repeats and odd bytes survive.

export interface Head {
  /** From the first byte of the message to the end of its empty line. */
  bytes: Buffer
  /** Three offsets for each field line: its name, its colon, and the CR that ends it. */
  lines: number[]
}

/** Of every answer's head; of a request's they are the defaults. */
export const maxHeadBytes = 64 * 1024
export const maxHeadLines = 200

const CR = 13
const LF = 10
const TAB = 9
const COLON = 58

/** Takes whole head bytes and the offset of the first field line; returns the lines, or undefined when one is malformed. */
export function parseLines(bytes: Buffer, from: number): number[] | undefined {
  const lines: number[] = []
  const end = bytes.length - 2
  let at = from
  while (at < end) {
    const start = at
    while (isTokenByte(bytes[at])) at++
    // A space before the colon, or one that folds the line before, ends up here (RFC 9112 §5.1, §5.2).
    if (at === start || bytes[at] !== COLON) return undefined
    const colon = at++
    while (isTextByte(bytes[at])) at++
    if (bytes[at] !== CR || bytes[at + 1] !== LF) return undefined
    lines.push(start, colon, at)
    at += 2
  }
  return at === end ? lines : undefined
}

/** The value of the first line of that name (lower case), trimmed; undefined when there is none. */
export function field(head: Head, name: string): string | undefined {
  const line = next(head, name, 0)
  return line === -1 ? undefined : valueOf(head, line)
}

/** The values of all lines of that name (lower case), in order. */
export function fields(head: Head, name: string): string[] {
  const values: string[] = []
  for (let line = next(head, name, 0); line !== -1; line = next(head, name, line + 3)) {
    values.push(valueOf(head, line))
  }
  return values
}

export function has(head: Head, name: string): boolean {
  return next(head, name, 0) !== -1
}

/** Whether a line of that name (lower case) has a tab: some servers do not trim it from a value (nginx, llhttp). */
export function hasTab(head: Head, name: string): boolean {
  for (let line = next(head, name, 0); line !== -1; line = next(head, name, line + 3)) {
    if (head.bytes.subarray(head.lines[line + 1], head.lines[line + 2]).includes(TAB)) return true
  }
  return false
}

/** Whether a comma-separated field, over all of its lines, lists that token (lower case). */
export function hasToken(head: Head, name: string, token: string): boolean {
  for (let line = next(head, name, 0); line !== -1; line = next(head, name, line + 3)) {
    const value = valueOf(head, line).toLowerCase()
    if (value === token || value.split(',').some(item => item.trim() === token)) return true
  }
  return false
}

/** Returns the head without the lines of the names in `drop` (lower case) and with the lines in `add`, each ending in CRLF. */
export function edit(head: Head, drop: readonly string[], add: string): Buffer {
  const { bytes, lines } = head
  const edited = Buffer.allocUnsafe(bytes.length + add.length)
  let length = 0
  let kept = 0
  for (let line = 0; drop.length > 0 && line < lines.length; line += 3) {
    if (!drop.some(name => isNamed(head, line, name))) continue
    length += bytes.copy(edited, length, kept, lines[line])
    kept = lines[line + 2]! + 2
  }
  length += bytes.copy(edited, length, kept, bytes.length - 2)
  length += edited.write(`${add}\r\n`, length, 'latin1')
  return length === edited.length ? edited : edited.subarray(0, length)
}

function next(head: Head, name: string, from: number): number {
  const { lines } = head
  for (let line = from; line < lines.length; line += 3) {
    if (isNamed(head, line, name)) return line
  }
  return -1
}

function isNamed({ bytes, lines }: Head, line: number, name: string): boolean {
  const start = lines[line]!
  if (lines[line + 1]! - start !== name.length) return false
  for (let i = 0; i < name.length; i++) {
    if (lowerCase[bytes[start + i]!] !== name.charCodeAt(i)) return false
  }
  return true
}

function valueOf({ bytes, lines }: Head, line: number): string {
  let start = lines[line + 1]! + 1
  let end = lines[line + 2]!
  while (start < end && isBlank(bytes[start]!)) start++
  while (end > start && isBlank(bytes[end - 1]!)) end--
  return bytes.toString('latin1', start, end)
}

function isBlank(byte: number): boolean {
  return byte === 32 || byte === TAB
}

const tokenBytes = table(byte => +/[!#$%&'*+.^_`|~0-9A-Za-z-]/.test(String.fromCharCode(byte)))
const lowerCase = table(byte => (byte >= 65 && byte <= 90 ? byte + 32 : byte))
const textBytes = table(byte => +(byte === 9 || (byte >= 32 && byte !== 127)))

/** RFC 9110 §5.6.2. */
export function isTokenByte(byte: number | undefined): boolean {
  return tokenBytes[byte!] === 1
}

/** What a field value may hold (RFC 9110 §5.5): no control character but the tab. */
export function isTextByte(byte: number | undefined): boolean {
  return textBytes[byte!] === 1
}

function table(entry: (byte: number) => number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => entry(byte))
}
