// One JSON line per entry. The message is a constant, so that it can be searched and counted; what varies is in the fields.

export type Fields = Record<string, string | number | boolean | null | undefined>
export type Log = (message: string, fields?: Fields) => void

/** Returns a log that hands each line, without its newline, to `write`. `base` is added to every line. */
export function createLog(base: Fields = {}, write: (line: string) => void = toStdout): Log {
  return (message, fields) =>
    write(JSON.stringify({ time: new Date().toISOString(), message, ...base, ...fields }))
}

function toStdout(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** What to log of something that was thrown. */
export function reason(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown)
  const { code } = thrown as NodeJS.ErrnoException
  return code ? `${code}: ${thrown.message}` : thrown.message
}
