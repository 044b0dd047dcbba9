// JSON Patch (RFC 6902) by hand over the raw object, so that fields which we do not know survive.
// Each change of something that is there is guarded by a `test` of what we saw. The API server refuses the pod, failurePolicy Ignore or not, when one
// fails: so no two operations speak of the same place, nor of one within the other.

import jsonpatch from 'fast-json-patch'
import type { JsonPatchError } from 'fast-json-patch'
import { isDeepStrictEqual } from 'node:util'
import { isObject } from '../protocol/release.ts'
import type { Raw } from '../release/raw.ts'

export type Operation =
  | { op: 'test' | 'add' | 'replace'; path: string; value: unknown } //
  | { op: 'remove'; path: string }

export type Path = readonly (string | number)[]

/**
 * As JSON, with the escapes that Go writes: the API server compares the strings of a `test` with those of its own JSON letter by letter, and
 * `a & b` is not `a \u0026 b` to it (evanphx/json-patch v4, lazyNode.equal; encoding/json, HTMLEscape).
 */
export function formatPatch(patch: readonly Operation[]): string {
  return JSON.stringify(patch).replaceAll(
    /[<>&\u2028\u2029]/g,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Applies the patch, as it is sent, to a copy of the object. Returns where the API server would refuse the pod, or undefined where it would not. */
export function flawOf(patch: readonly Operation[], raw: Raw): string | undefined {
  try {
    jsonpatch.applyPatch(raw, JSON.parse(JSON.stringify(patch)) as Operation[], true, false)
    return undefined
  } catch (error) {
    const { name, operation } = error as JsonPatchError // its message holds the whole pod
    return `${name} at ${operation?.path}`
  }
}

/** Replaces one value by another; nothing when they are equal. */
export function replace(path: Path, from: unknown, to: unknown): Operation[] {
  if (isDeepStrictEqual(from, to)) return []
  return [
    { op: 'test', path: pointer(path), value: from },
    { op: 'replace', path: pointer(path), value: to },
  ]
}

/** Sets members of the object at `path`, which is made when it is not there. */
export function setMembers(path: Path, current: unknown, members: Record<string, unknown>): Operation[] {
  if (!isObject(current)) return [{ op: 'add', path: pointer(path), value: members }]
  return Object.entries(members).flatMap(([key, value]) =>
    Object.hasOwn(current, key)
      ? replace([...path, key], current[key], value)
      : [{ op: 'add' as const, path: pointer([...path, key]), value }],
  )
}

/** Appends to the list at `path`, which is made when it is not there. */
export function append(path: Path, current: unknown, items: readonly unknown[]): Operation[] {
  if (items.length === 0) return []
  if (!Array.isArray(current)) return [{ op: 'add', path: pointer(path), value: items }]
  return items.map(value => ({ op: 'add', path: pointer([...path, '-']), value }))
}

/** RFC 6901 §3: `~` and `/` are escaped, in this order. */
function pointer(path: Path): string {
  return path.map(part => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}
