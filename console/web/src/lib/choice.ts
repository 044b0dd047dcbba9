// What somebody chose for this console stays on this machine. Without storage it holds until the tab is closed.

export function readChoice(name: string): string | null {
  try {
    return localStorage.getItem(keyOf(name))
  } catch {
    return null
  }
}

/** Null: as it comes. */
export function keepChoice(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(keyOf(name))
    else localStorage.setItem(keyOf(name), value)
  } catch {
    // See above.
  }
}

function keyOf(name: string): string {
  return `spa-reloader-console-${name}`
}
