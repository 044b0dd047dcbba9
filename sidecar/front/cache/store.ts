// The entries by what they answer, within caps of bytes and number. The one that was asked for longest ago goes first.

import type { Entry } from './entry.ts'
import type { Request } from '../request.ts'
import { maskOf } from '../../../static/coding.ts'
import { selection } from './policy.ts'

export interface Resource {
  key: string
  /** What the last answer says that they differ by. */
  vary: string[]
  entries: Entry[]
  usedAt: number
}

export interface Store {
  find(key: string, request: Request, mask: number): { resource: Resource; entry: Entry } | undefined
  put(key: string, vary: string[], entry: Entry): void
  /** An entry of that resource has grown. */
  grow(bytes: number): void
  delete(key: string): void
  clear(): void
  has(entry: Entry, key: string): boolean
  size(): { entries: number; bytes: number }
}

const maxVariants = 8 // of one resource: whoever makes up origins gains nothing over whoever makes up queries

export function createStore(maxBytes: number, maxEntries: number, onEvict: () => void): Store {
  const resources = new Map<string, Resource>() // the one that was used last is at the end
  let bytes = 0
  let entries = 0
  return { find, put, grow, delete: remove, clear, has, size: () => ({ entries, bytes }) }

  function find(
    key: string,
    request: Request,
    mask: number,
  ): { resource: Resource; entry: Entry } | undefined {
    const resource = resources.get(key)
    if (!resource) return undefined
    const selected = selection(request, resource.vary)
    const now = Date.now()
    for (const entry of resource.entries) {
      if (entry.selection !== selected || (mask & ~entry.mask) !== 0) continue
      if ((maskOf(entry.coding) & mask) === 0) continue
      if (entry.freshUntil <= now) {
        drop(resource, entry)
        return undefined
      }
      touch(resource, entry, now)
      return { resource, entry }
    }
    return undefined
  }

  /** Once a second is exact enough. */
  function touch(resource: Resource, entry: Entry, now: number): void {
    if (now - resource.usedAt < 1_000) return
    resource.usedAt = now
    resource.entries.splice(resource.entries.indexOf(entry), 1)
    resource.entries.push(entry)
    resources.delete(resource.key)
    resources.set(resource.key, resource)
  }

  function put(key: string, vary: string[], entry: Entry): void {
    let resource = resources.get(key)
    if (resource && resource.vary.join() !== vary.join()) {
      remove(key)
      resource = undefined
    }
    resource ??= { key, vary, entries: [], usedAt: Date.now() }
    const isReplaced = (old: Entry): boolean =>
      old.selection === entry.selection && (old.mask & ~entry.mask) === 0
    for (const old of resource.entries.filter(isReplaced)) drop(resource, old)
    if (resource.entries.length === maxVariants) drop(resource, resource.entries[0]!)
    resource.entries.push(entry)
    entries++
    bytes += entry.bytes
    resources.delete(key)
    resources.set(key, resource)
    evict()
  }

  function grow(more: number): void {
    bytes += more
    evict()
  }

  function evict(): void {
    for (const [key] of resources) {
      if (bytes <= maxBytes && entries <= maxEntries) return
      onEvict()
      remove(key)
    }
  }

  function remove(key: string): void {
    const resource = resources.get(key)
    if (!resource) return
    for (const entry of resource.entries.slice()) drop(resource, entry)
  }

  function drop(resource: Resource, entry: Entry): void {
    resource.entries.splice(resource.entries.indexOf(entry), 1)
    entries--
    bytes -= entry.bytes
    if (resource.entries.length === 0) resources.delete(resource.key)
  }

  function clear(): void {
    resources.clear()
    entries = bytes = 0
  }

  function has(entry: Entry, key: string): boolean {
    return resources.get(key)?.entries.includes(entry) === true
  }
}
