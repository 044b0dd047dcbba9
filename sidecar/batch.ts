// Lines that may come thousands of times a second, written together: a system call for each would cost more than the answer it tells of.

export interface Batch {
  add(line: string): void
  /** Writes what is there now. */
  flush(): void
}

const maxWaitMs = 100
const maxLength = 16 * 1024

/** `write` gets lines joined by newlines, without the last one. */
export function createBatch(write: (lines: string) => void): Batch {
  let lines: string[] = []
  let length = 0
  let timer: NodeJS.Timeout | undefined
  return { add, flush }

  function add(line: string): void {
    lines.push(line)
    length += line.length
    if (length >= maxLength) flush()
    else timer ??= setTimeout(flush, maxWaitMs)
  }

  function flush(): void {
    clearTimeout(timer)
    timer = undefined
    if (lines.length === 0) return
    write(lines.join('\n'))
    lines = []
    length = 0
  }
}
