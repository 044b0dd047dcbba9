// Which apps the fleet page shows, in which order; both are in its address.

import type { AppStatus, ConsoleApp } from '../../../../protocol/console.ts'
import { progressOf } from './rollout.ts'

export const statuses: readonly AppStatus[] = ['failing', 'rolling', 'paused', 'ready', 'stopped'] // what wants attention first
export const columns = ['status', 'name', 'namespace', 'progress', 'tabs', 'age'] as const
export type Column = (typeof columns)[number]

export interface View {
  text: string
  namespace: string
  status: AppStatus | ''
  sort: Column
  isDescending: boolean
}

/** Reads the part of an address after its `?`. What it does not know has its default. */
export function parseView(query: string): View {
  const params = new URLSearchParams(query)
  const sort = params.get('sort') ?? ''
  const column = columns.find(column => column === sort.replace(/^-/, ''))
  return {
    text: params.get('q') ?? '',
    namespace: params.get('namespace') ?? '',
    status: statuses.find(status => status === params.get('status')) ?? '',
    sort: column ?? 'status',
    isDescending: column !== undefined && sort.startsWith('-'),
  }
}

/** The inverse: '' where everything has its default. */
export function formatView({ text, namespace, status, sort, isDescending }: View): string {
  const params = new URLSearchParams()
  if (text) params.set('q', text)
  if (namespace) params.set('namespace', namespace)
  if (status) params.set('status', status)
  if (sort !== 'status' || isDescending) params.set('sort', `${isDescending ? '-' : ''}${sort}`)
  return params.size > 0 ? `?${params}` : ''
}

/** Every word of the text must be in namespace/name, an image, or the message. */
export function isShown(app: ConsoleApp, { text, namespace, status }: View): boolean {
  if (namespace && app.namespace !== namespace) return false
  if (status && app.status !== status) return false
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  if (words.length === 0) return true
  const said = `${app.id} ${app.target.name} ${app.previous?.name ?? ''} ${app.message}`.toLowerCase()
  return words.every(word => said.includes(word))
}

/** Equal ones by name, so that the order is always the same. */
export function sortApps(apps: ConsoleApp[], { sort, isDescending }: View): ConsoleApp[] {
  const sign = isDescending ? -1 : 1
  return apps.toSorted(
    (a, b) => sign * compare[sort](a, b) || byText(a.name, b.name) || byText(a.namespace, b.namespace),
  )
}

/** Pages that show something else than what is live; 0 where nothing is known, and until the rollout is finished: nobody is to move before. */
export function tabsBehind({ phase, tabs }: ConsoleApp): number {
  return phase === 'ready' && tabs ? tabs.total - tabs.current - tabs.unnamed : 0
}

/** Pages that show the target before the rollout is finished. */
export function tabsAhead({ phase, tabs }: ConsoleApp): number {
  return phase === 'rolling' && tabs ? tabs.current : 0
}

/** How many pages show the current version, of those whose app has one: while it rolls out, it has none that all should show. */
export function sumTabs(apps: readonly ConsoleApp[]): { all: number; settled: number; current: number } {
  const sum = { all: 0, settled: 0, current: 0 }
  for (const { phase, tabs } of apps) {
    if (!tabs) continue
    sum.all += tabs.total
    if (phase !== 'ready') continue
    sum.settled += tabs.total
    sum.current += tabs.current
  }
  return sum
}

const compare: Record<Column, (a: ConsoleApp, b: ConsoleApp) => number> = {
  status: (a, b) => statuses.indexOf(a.status) - statuses.indexOf(b.status),
  name: (a, b) => byText(a.name, b.name),
  namespace: (a, b) => byText(a.namespace, b.namespace),
  progress: (a, b) => share(a) - share(b),
  tabs: (a, b) => (a.tabs?.total ?? -1) - (b.tabs?.total ?? -1),
  age: (a, b) => timeOf(b.since) - timeOf(a.since), // the youngest first
}

/** What nobody knows is the oldest. */
function timeOf(since: string): number {
  return since ? Date.parse(since) : 0
}

function share({ replicas }: ConsoleApp): number {
  return replicas.desired === 0 ? 1 : progressOf(replicas).done / replicas.desired
}

/** Not localeCompare: names of Kubernetes are ASCII, and 500 of them are sorted at each change. */
function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
