// Sums of Kubernetes quantities (apimachinery, resource.Quantity), exact, in the forms that the API server writes.

const suffixes: Record<string, bigint> = {
  m: 1n,
  '': 1_000n,
  k: 10n ** 6n,
  M: 10n ** 9n,
  G: 10n ** 12n,
  T: 10n ** 15n,
  Ki: 1_000n * 2n ** 10n,
  Mi: 1_000n * 2n ** 20n,
  Gi: 1_000n * 2n ** 30n,
  Ti: 1_000n * 2n ** 40n,
}

/** Takes `500m`, `2`, `128Mi`; returns the sum in the largest binary unit that holds it, else plain or in thousandths. Throws on other forms. */
export function addQuantities(a: string, b: string): string {
  const sum = parse(a) + parse(b)
  for (const unit of ['Gi', 'Mi', 'Ki']) {
    const size = suffixes[unit]!
    if (sum >= size && sum % size === 0n) return `${sum / size}${unit}`
  }
  return sum % 1_000n === 0n ? String(sum / 1_000n) : `${sum}m`
}

function parse(text: string): bigint {
  const [, number, suffix = ''] = /^(\d+)([a-zA-Z]*)$/.exec(text) ?? []
  const size = suffixes[suffix]
  if (number === undefined || size === undefined) throw new Error(`cannot add to the quantity ${text}`)
  return BigInt(number) * size
}
