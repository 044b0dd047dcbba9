// Which content codings a client takes (RFC 9110 §12.5.3). No header means plain bytes: a client that says nothing may not know of any.

export const codings = ['br', 'gzip', 'zstd', 'deflate', 'identity'] as const
export type Coding = (typeof codings)[number]

export interface Accepted {
  /** One bit for each of `codings`, in order. */
  mask: number
  /** The codings that it takes, the best first; the smaller one first where it does not mind. */
  order: Coding[]
}

const known = new Map<string, Accepted>() // browsers send a handful of different values
const maxKnown = 64

export function acceptedCodings(value: string | undefined): Accepted {
  const text = value ?? ''
  const before = known.get(text)
  if (before) return before
  const accepted = parse(text)
  if (known.size >= maxKnown) known.clear()
  known.set(text, accepted)
  return accepted
}

export function maskOf(coding: Coding): number {
  return 1 << codings.indexOf(coding)
}

/** The coding that a Content-Encoding names; undefined for several, and for those that we do not know. */
export function codingOf(contentEncoding: string | undefined): Coding | undefined {
  const name = contentEncoding?.toLowerCase() ?? 'identity'
  return codings.find(coding => coding === name)
}

function parse(value: string): Accepted {
  const weights = new Map<string, number>()
  for (const item of value.toLowerCase().split(',')) {
    const [name = '', ...parameters] = item.split(';').map(part => part.trim())
    const weight = parameters.find(parameter => parameter.startsWith('q='))
    const q = weight === undefined ? 1 : Number(weight.slice(2))
    if (name !== '') weights.set(name === 'x-gzip' ? 'gzip' : name, q >= 0 && q <= 1 ? q : 0) // §8.4.1.3
  }
  const weightOf = (coding: Coding): number => {
    const own = weights.get(coding) ?? weights.get('*')
    if (own !== undefined) return own
    return coding === 'identity' ? Number.MIN_VALUE : 0 // acceptable unless it is ruled out, and the last choice
  }
  const order = codings.filter(coding => weightOf(coding) > 0).sort((a, b) => weightOf(b) - weightOf(a))
  return { mask: order.reduce((mask, coding) => mask | maskOf(coding), 0), order }
}
