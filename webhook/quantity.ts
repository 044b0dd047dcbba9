// Kubernetes quantities (apimachinery, resource.Quantity), exact: the whole grammar of
// kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/ but for a minus sign, in billionths, beyond which they are rounded up.

const suffixes = {
  Ei: 10n ** 9n * 2n ** 60n,
  Pi: 10n ** 9n * 2n ** 50n,
  Ti: 10n ** 9n * 2n ** 40n,
  Gi: 10n ** 9n * 2n ** 30n,
  Mi: 10n ** 9n * 2n ** 20n,
  Ki: 10n ** 9n * 2n ** 10n,
  E: 10n ** 27n,
  P: 10n ** 24n,
  T: 10n ** 21n,
  G: 10n ** 18n,
  M: 10n ** 15n,
  k: 10n ** 12n,
  '': 10n ** 9n,
  m: 10n ** 6n,
  u: 10n ** 3n,
  n: 1n,
} as const

/** Returns the sum in the largest binary unit that holds it, else plain or in the largest part that does. Throws on what is no quantity. */
export function addQuantities(a: string, b: string): string {
  const sum = parse(a) + parse(b)
  const unit = (['Gi', 'Mi', 'Ki', '', 'm', 'u'] as const).find(unit => sum % suffixes[unit] === 0n) ?? 'n'
  return `${sum / suffixes[unit]}${unit}`
}

/** The greatest, as it is written. Throws on what is no quantity. */
export function greatest(first: string, ...others: string[]): string {
  return others.reduce((most, text) => (parse(text) > parse(most) ? text : most), first)
}

/** Takes any text for `text`. */
export function isBetween(text: string, least: string, most: string): boolean {
  const value = read(text)
  return value !== undefined && value >= parse(least) && value <= parse(most)
}

function parse(text: string): bigint {
  const value = read(text)
  if (value === undefined) throw new Error(`${text} is not a quantity`)
  return value
}

/** So long that nobody writes a longer one, and so short that it costs nothing. */
const grammar = /^\+?(?=\.?\d)(\d{0,20})(?:\.(\d{0,20}))?(?:([numkMGTPE]?|[KMGTPE]i)|[eE]([+-]?\d{1,2}))$/

function read(text: string): bigint | undefined {
  const [isOne, whole = '', part = '', suffix = '', exponent = '0'] = grammar.exec(text) ?? []
  if (isOne === undefined) return undefined
  const digits = BigInt(whole + part) * suffixes[suffix as keyof typeof suffixes]
  const shift = Number(exponent) - part.length
  if (shift >= 0) return digits * 10n ** BigInt(shift)
  const size = 10n ** BigInt(-shift)
  return (digits + size - 1n) / size
}
