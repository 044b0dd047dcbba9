// How the tabs of this pod moved to the present state: so many samples as make a curve, and nothing of a single tab. Kept here, so that nobody has
// to ask while nobody looks, and whoever asks gets the same.

import { maxSampledPages, maxSamples } from '../protocol/tabs.ts'
import type { PodTabs, TabHistory, TabSample } from '../protocol/tabs.ts'
import type { ReleaseState } from '../protocol/release.ts'
import type { Tabs } from './server/tabs.ts'
import type { States } from './states.ts'

export interface AdoptionOptions {
  states: Pick<States, 'state' | 'subscribe'>
  tabs: Pick<Tabs, 'count' | 'pages'>
  now?: () => number
  /** Between the first samples. */
  everyMs?: number
}

export interface Adoption {
  open(): void
  close(): void
  now(): PodTabs
}

export function createAdoption({ states, tabs, now = Date.now, everyMs = 1_000 }: AdoptionOptions): Adoption {
  let samples = createSamples()
  let reached: Omit<TabHistory, 'samples'> | undefined
  let firstMs = 0 // the first sample, after `since`, in milliseconds
  let firstAt = 0 // and by performance.now(), which nobody sets
  let timer: NodeJS.Timeout | undefined
  let unsubscribe: (() => void) | undefined
  return { open, close, now: told }

  function open(): void {
    const known = states.state()
    if (known) follow(known)
    unsubscribe = states.subscribe(() => {
      const state = states.state()
      if (state) follow(state)
    })
  }

  function close(): void {
    unsubscribe?.()
    clearTimeout(timer)
  }

  function follow({ epoch, revision, phase, since }: ReleaseState): void {
    if (reached?.epoch === epoch && reached.revision === revision && reached.phase === phase) return
    reached = { epoch, revision, phase, since }
    samples = createSamples()
    firstMs = Math.max(0, now() - Date.parse(since)) || 0
    firstAt = performance.now()
    clearTimeout(timer)
    sample()
  }

  function sample(): void {
    const { total, pages } = counted()
    const most = pages.toSorted(([, a], [, b]) => b - a).slice(0, maxSampledPages)
    samples.add([Math.round((firstMs + performance.now() - firstAt) / 1_000), total, most])
    timer = setTimeout(sample, everyMs * samples.stride()).unref()
  }

  function told(): PodTabs {
    return { ...counted(), history: reached ? { ...reached, samples: samples.all() } : null }
  }

  function counted(): Omit<PodTabs, 'history'> {
    const all = tabs.pages()
    const unnamed = all.filter(([page]) => isUnnamed(page)).reduce((sum, [, tabs]) => sum + tabs, 0)
    return { total: tabs.count().tabs, unnamed, pages: all.filter(([page]) => !isUnnamed(page)) }
  }
}

/** Of server/pages.ts: the name of a page has a dash. */
function isUnnamed(page: string): boolean {
  return page === 'none' || page === 'other'
}

/** When they are full, every other one goes, and from then on they come half as often. */
export function createSamples(max = maxSamples) {
  let kept: TabSample[] = []
  let stride = 1
  return { add, all: () => kept, stride: () => stride }

  function add(sample: TabSample): void {
    if (kept.length >= max) {
      kept = kept.filter((_, index) => index % 2 === 0)
      stride *= 2
    }
    kept.push(sample)
  }
}
