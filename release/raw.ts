// JSON that nobody has looked at yet: what is not of the kind that is wanted counts as empty.

import { isObject, isString } from '../protocol/release.ts'

export type Raw = Record<string, unknown>

export function object(data: unknown): Raw {
  return isObject(data) ? data : {}
}

/** The objects in a list; anything else in it is left out. */
export function list(data: unknown): Raw[] {
  return Array.isArray(data) ? data.filter(isObject) : []
}

export function string(data: unknown): string {
  return isString(data) ? data : ''
}
