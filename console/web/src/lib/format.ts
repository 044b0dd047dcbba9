// Times and numbers in words.

const units: [ms: number, short: string][] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'm'],
  [1_000, 's'],
]

/** `12s`, `5m`, `3h`, `4d`: of a time in milliseconds the largest unit that it holds, rounded down. Below a second, and before zero, `0s`. */
export function age(ms: number): string {
  const unit = units.find(([length]) => ms >= length)
  return unit ? `${Math.floor(ms / unit[0])}${unit[1]}` : '0s'
}

/** `1m 12s`, `3h 5m`: the two largest units. */
export function duration(ms: number): string {
  const first = units.findIndex(([length]) => ms >= length)
  const unit = units[first]
  if (!unit) return '0s'
  const next = units[first + 1]
  const rest = next ? Math.floor((ms % unit[0]) / next[0]) : 0
  return `${Math.floor(ms / unit[0])}${unit[1]}${next && rest > 0 ? ` ${rest}${next[1]}` : ''}`
}

/** `1 tab`, `2 tabs`, `1,204 tabs`. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${number(n)} ${n === 1 ? one : many}`
}

export function number(n: number): string {
  return n.toLocaleString('en')
}

/** Rounded, but neither 0 % nor 100 % as long as it is not quite. */
export function percent(part: number, whole: number): string {
  if (whole === 0) return '–'
  const exact = (100 * part) / whole
  return `${exact > 0 && exact < 1 ? 1 : exact < 100 && exact > 99 ? 99 : Math.round(exact)}%`
}

/** `28 Nov 2026, 02:41:07`, in the reader's own zone. */
export function absolute(ms: number): string {
  return new Date(ms).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'medium' })
}
