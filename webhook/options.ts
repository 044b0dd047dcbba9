// What a pod's annotations ask for, or its Namespace's. What does not fit is told, and its default applies.

import { option } from '../protocol/names.ts'
import { tabsCap } from '../protocol/tabs.ts'
import { captures } from './capture.ts'
import type { Capture } from './capture.ts'
import type { Warning } from './reasons.ts'
import { amountsOf, isSane, needs, wishes } from './resources.ts'
import type { Amounts, Needs, Wishes } from './resources.ts'

export interface Options {
  capture: 'auto' | Capture | 'none'
  feed: 'downward' | 'watch'
  expose: 'image' | 'id'
  forwarded: 'add' | 'off'
  revalidate: 'add' | 'off'
  missing: 'refuse' | 'off'
  page: 'plain' | 'etag' | 'stamp'
  cache: 'memory' | 'off'
  accessLog: 'off' | 'json'
  /** Undefined: the sidecar's own default. */
  maxTabs: number | undefined
  /** What the sidecar asks of its node. */
  amounts: Amounts
}

/** The pod's own annotations go before the Namespace's. What does not fit is added to `warnings`. */
export function readOptions(
  own: Record<string, string>,
  defaults: Record<string, string>,
  sizes: Wishes,
  warnings: Warning[],
): Options {
  const options = {
    capture: read(option.capture, ['auto', ...captures, 'none']),
    feed: read(option.feed, ['downward', 'watch']),
    expose: read(option.expose, ['image', 'id']),
    forwarded: read(option.forwarded, ['add', 'off']),
    revalidate: read(option.revalidate, ['add', 'off']),
    missing: read(option.missing, ['refuse', 'off']),
    page: read(option.page, ['plain', 'etag', 'stamp']),
    cache: read(option.cache, ['memory', 'off']),
    accessLog: read(option.accessLog, ['off', 'json']),
    maxTabs: readCap(option.maxTabs, tabsCap),
  }
  return { ...options, amounts: readAmounts(needs(options)) }

  /** The first of the allowed values is the default. */
  function read<const Value extends string>(key: string, allowed: readonly [Value, ...Value[]]): Value {
    const text = own[key] ?? defaults[key]
    const value = allowed.find(value => value === text)
    if (text !== undefined && value === undefined) warnings.push(badOption(key))
    return value ?? allowed[0]
  }

  function readCap(key: string, { min, max }: { min: number; max: number }): number | undefined {
    const text = readText(key, text => /^\d{1,9}$/.test(text) && Number(text) >= min && Number(text) <= max)
    return text === undefined ? undefined : Number(text)
  }

  function readAmounts(needs: Needs): Amounts {
    const said = Object.fromEntries(
      wishes.map(wish => [wish, readText(option[wish], text => isSane(wish, text))]),
    )
    const { amounts, raised } = amountsOf(said, sizes, needs)
    warnings.push(...raised.map((wish): Warning => ({ code: 'limit-raised', subject: option[wish] })))
    return amounts
  }

  function readText(key: string, fits: (text: string) => boolean): string | undefined {
    const text = own[key] ?? defaults[key]
    if (text === undefined || fits(text)) return text
    warnings.push(badOption(key))
    return undefined
  }
}

export function badOption(subject: string): Warning {
  return { code: 'bad-option', subject }
}
