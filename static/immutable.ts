// Which files never change under their name, so that browsers may keep them for a year. Nobody else says so, and a file that is kept by mistake
// stays wrong for a year, while one that is not costs a 304.

/** All that the frameworks put there is named after its content. */
const folders = /(?:^|\/)(?:_app\/immutable|_next\/static)\//

/** Takes a file's path. Pages are for the caller to rule out. */
export function isImmutable(path: string): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1)
  return folders.test(path) || forms.some(form => isHash(form.exec(name)?.[1] ?? ''))
}

/** The hash stands behind a dot, a dash, an underscore or a tilde, or alone; base64url may have dashes of its own. */
const forms = [
  /(?:^|[.\-_~])([A-Za-z0-9]{8,64})(?:\.[A-Za-z0-9]{1,12}){1,3}$/,
  /[.\-_~]([\w-]{8}|[\w-]{16,64})(?:\.[A-Za-z0-9]{1,12}){1,3}$/,
]

/**
 * Hexadecimal with digits and letters; or 8 characters, as Rollup and esbuild make them, or 16 and more, that change from one kind of letter to
 * another more often than words and numbers do: not `DarkMode`, `OpenSans700`, `1024x1024`, `serviceWorker`.
 */
export function isHash(text: string): boolean {
  if (/^[0-9a-f]{8,}$/.test(text)) return /\d/.test(text) && /[a-f]/.test(text)
  if ((text.length !== 8 && text.length < 16) || !/[A-Z]/.test(text)) return false
  const runs = text.match(/[A-Z]?[a-z]+|[A-Z]+|\d+/g) ?? []
  return runs.length >= text.length * leastRuns
}

const leastRuns = 0.4 // 17 in 20 of Vite's have more; words have half of it
