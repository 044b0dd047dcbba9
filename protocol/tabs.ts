// What a sidecar's admin port answers at /tabs: how many tabs it has, by the page that they show, and how that came about.
// Nothing in it is of a single tab. Who sums several pods' histories takes, for a moment, each pod's last sample up to it.

import { isCount, isObject, isString } from './release.ts'

export const tabsPath = '/tabs'

export interface PodTabs {
  /** Open tabs. */
  total: number
  /** Those whose page does not say what it shows, or more than are counted by name. */
  unnamed: number
  pages: PageTabs[]
  /** Since the state that the pod tells now was reached; null while it tells none, or several Deployments' states. */
  history: TabHistory | null
}

/** `<Deployment>-<hash>`, as a page names itself, and the open tabs that show it. */
export type PageTabs = [page: string, tabs: number]

export interface TabHistory {
  epoch: string
  revision: number
  phase: 'rolling' | 'ready'
  /** RFC 3339: when this revision and phase were reached. The same on all pods. */
  since: string
  /** Oldest first. */
  samples: TabSample[]
}

/** Seconds after `since`, all open tabs, and the pages that most of them show. */
export type TabSample = [seconds: number, total: number, pages: PageTabs[]]

/** How many tabs a sidecar may be told to take at most. */
export const tabsCap = { min: 1, max: 1_000_000 } as const

export const maxSamples = 64
/** The most that are counted by name. */
export const maxPages = 64
/** In a sample. */
export const maxSampledPages = 8

const maxNameLength = 270 // a Deployment's name, a dash and a hash

/** Takes the parsed body; returns undefined when it is none. What goes beyond the limits is none: anything may listen on a pod's port. */
export function parsePodTabs(data: unknown): PodTabs | undefined {
  if (!isObject(data)) return undefined
  const { total, unnamed } = data
  const pages = parsePages(data.pages, maxPages)
  if (!isCount(total) || !isCount(unnamed) || !pages) return undefined
  const history = data.history === null ? null : parseHistory(data.history)
  return history === undefined ? undefined : { total, unnamed, pages, history }
}

function parseHistory(data: unknown): TabHistory | undefined {
  if (!isObject(data) || !Array.isArray(data.samples) || data.samples.length > maxSamples) return undefined
  const { epoch, revision, phase, since } = data
  if (!isString(epoch) || !isCount(revision) || !isString(since)) return undefined
  if (phase !== 'rolling' && phase !== 'ready') return undefined
  const samples: TabSample[] = []
  for (const sample of data.samples as unknown[]) {
    if (!Array.isArray(sample)) return undefined
    const [seconds, total] = sample as unknown[]
    const pages = parsePages(sample[2], maxSampledPages)
    if (!isCount(seconds) || !isCount(total) || !pages) return undefined
    samples.push([seconds, total, pages])
  }
  return { epoch, revision, phase, since, samples }
}

function parsePages(data: unknown, max: number): PageTabs[] | undefined {
  if (!Array.isArray(data) || data.length > max) return undefined
  const pages: PageTabs[] = []
  for (const item of data as unknown[]) {
    if (!Array.isArray(item)) return undefined
    const [page, tabs] = item as unknown[]
    if (!isString(page) || page.length > maxNameLength || !isCount(tabs)) return undefined
    pages.push([page, tabs])
  }
  return pages
}
