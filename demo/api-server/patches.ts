// The kinds of PATCH. Server-side apply is cut down to a merge: with one manager of each field it comes to the same.

import jsonPatch from 'fast-json-patch'
import type { Operation } from 'fast-json-patch'
import { isObject, isString } from '../../protocol/release.ts'

/** Returns the patched value, or why there is none. `current` stays as it is. */
export function applyPatch(
  contentType: string,
  current: unknown,
  patch: unknown,
): { patched: unknown } | { unsupported: string } | { invalid: string } {
  switch (contentType) {
    case 'application/merge-patch+json':
      return { patched: merge(current, patch) }
    case 'application/apply-patch+yaml':
      return { patched: apply(current, patch) }
    case 'application/json-patch+json':
      return applyJsonPatch(current, patch)
    default:
      return { unsupported: contentType }
  }
}

/** RFC 6902. */
export function applyJsonPatch(current: unknown, patch: unknown): { patched: unknown } | { invalid: string } {
  if (!Array.isArray(patch)) return { invalid: 'a JSON Patch is an array' }
  try {
    const { newDocument } = jsonPatch.applyPatch(structuredClone(current), patch as Operation[], true)
    return { patched: newDocument }
  } catch (error) {
    // Its message carries the whole document from the second line on.
    return { invalid: error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error) }
  }
}

/** RFC 7386. */
function merge(current: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch
  const merged = isObject(current) ? { ...current } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key]
    else merged[key] = merge(merged[key], value)
  }
  return merged
}

/** Like a merge, but lists of named things are merged by name. */
function apply(current: unknown, applied: unknown): unknown {
  if (Array.isArray(current) && Array.isArray(applied) && [...current, ...applied].every(isNamed)) {
    const rest = applied.filter(({ name }) => !current.some(item => item.name === name))
    const known = current.map(item => apply(item, applied.find(({ name }) => name === item.name) ?? {}))
    return [...known, ...rest]
  }
  if (!isObject(current) || !isObject(applied)) return applied
  const entries = Object.entries(applied).map(([key, value]) => [key, apply(current[key], value)])
  return { ...current, ...Object.fromEntries(entries) }
}

function isNamed(data: unknown): data is { name: string } {
  return isObject(data) && isString(data.name)
}
