// Label selectors (meta/v1 LabelSelector).

import { list, object } from '../release/raw.ts'

/** A label selector: every term must hold. */
export type Selector = Term[]
interface Term {
  key: string
  operator: string
  values: string[]
}

/** One that is not there takes everything. */
export function parseSelector(data: unknown): Selector {
  const { matchLabels, matchExpressions } = object(data)
  return [
    ...Object.entries(object(matchLabels)).map(([key, value]) => ({
      key,
      operator: 'In',
      values: [String(value)],
    })),
    ...list(matchExpressions).map(({ key, operator, values }) => ({
      key: String(key),
      operator: String(operator),
      values: Array.isArray(values) ? values.map(String) : [],
    })),
  ]
}

/** Whether a selector takes an object with these labels. An operator that we do not know takes none. */
export function takes(selector: Selector, labels: Record<string, string>): boolean {
  return selector.every(({ key, operator, values }) => {
    const value = labels[key]
    switch (operator) {
      case 'In':
        return value !== undefined && values.includes(value)
      case 'NotIn':
        return value === undefined || !values.includes(value)
      case 'Exists':
        return value !== undefined
      case 'DoesNotExist':
        return value === undefined
      default:
        return false
    }
  })
}
