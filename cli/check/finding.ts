// One thing that `check` looked at.

export interface Finding {
  /** `fail`: it does not work. `warn`: it works, and somebody should look. `skip`: it could not be looked at. */
  level: 'ok' | 'warn' | 'fail' | 'skip'
  /** One sentence; of what is not ok, what to do. */
  text: string
}

export function ok(text: string): Finding {
  return { level: 'ok', text }
}

export function warn(text: string): Finding {
  return { level: 'warn', text }
}

export function fail(text: string): Finding {
  return { level: 'fail', text }
}

export function skip(text: string): Finding {
  return { level: 'skip', text }
}

export function lineOf({ level, text }: Finding): string {
  return `  ${level.padEnd(5)} ${text}`
}
