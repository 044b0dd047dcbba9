// Label and field selectors: as the text of a query, and labels also as a LabelSelector object.

import { list, object } from '../../release/raw.ts'
import type { KubeObject } from './objects.ts'

export interface Requirement {
  key: string
  operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'
  values: string[]
}

/** Takes `a=b,c!=d,e in (f,g),h,!i`. Returns undefined when it is not a selector. */
export function parseLabelSelector(text: string): Requirement[] | undefined {
  const requirements: Requirement[] = []
  for (const term of text.split(/,(?![^(]*\))/)) {
    const requirement = parseTerm(term.trim())
    if (!requirement) return undefined
    requirements.push(requirement)
  }
  return requirements
}

function parseTerm(term: string): Requirement | undefined {
  const [, bang, alone] = /^(!?)\s*([\w./-]+)$/.exec(term) ?? []
  if (alone) return { key: alone, operator: bang ? 'DoesNotExist' : 'Exists', values: [] }
  const [, left, sign, right] = /^([\w./-]+)\s*(==?|!=)\s*([\w.-]*)$/.exec(term) ?? []
  if (left) return { key: left, operator: sign === '!=' ? 'NotIn' : 'In', values: [right ?? ''] }
  const [, key, word, values] = /^([\w./-]+)\s+(in|notin)\s+\(([^()]*)\)$/.exec(term) ?? []
  if (!key || values === undefined) return undefined
  return {
    key,
    operator: word === 'in' ? 'In' : 'NotIn',
    values: values.split(',').map(value => value.trim()),
  }
}

/** Takes a LabelSelector, `{ matchLabels, matchExpressions }`. An empty or absent one matches everything. */
export function requirementsOf(selector: unknown): Requirement[] {
  const { matchLabels, matchExpressions } = object(selector)
  return [
    ...Object.entries(object(matchLabels)).map(([key, value]): Requirement => ({
      key,
      operator: 'In',
      values: [String(value)],
    })),
    ...list(matchExpressions).map(({ key, operator, values }) => ({
      key: String(key),
      operator: operator as Requirement['operator'],
      values: Array.isArray(values) ? values.map(String) : [],
    })),
  ]
}

export function matchesLabels(requirements: Requirement[], labels: Record<string, string> = {}): boolean {
  return requirements.every(({ key, operator, values }) => {
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
        return operator satisfies never
    }
  })
}

/** Takes a query's two selectors; returns the test of an object, or what is wrong with them. */
export function parseSelectors(query: URLSearchParams): ((object: KubeObject) => boolean) | string {
  const [labelSelector, fieldSelector] = [query.get('labelSelector'), query.get('fieldSelector')]
  const requirements = labelSelector ? parseLabelSelector(labelSelector) : []
  if (!requirements) return `unable to parse the label selector ${labelSelector}`
  const fields: ((object: KubeObject) => boolean)[] = []
  for (const term of fieldSelector ? fieldSelector.split(',') : []) {
    const [, field, sign, value] = /^metadata\.(name|namespace)(==?|!=)(.*)$/.exec(term) ?? []
    if (!field) return `field selector not supported: ${term}`
    fields.push(({ metadata }) => (metadata[field] === value) === (sign !== '!='))
  }
  return candidate =>
    matchesLabels(requirements, candidate.metadata.labels) && fields.every(matches => matches(candidate))
}
