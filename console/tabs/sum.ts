// What the sidecars of one app say, put together. Pure.

import type { TabCounts } from '../../protocol/console.ts'
import type { PageTabs, PodTabs } from '../../protocol/tabs.ts'
import type { ReleaseRecord } from '../../release/record.ts'

const maxPoints = 64

/** Takes an answer for each pod that was asked; undefined: it did not answer. */
export function sumTabs(answers: readonly (PodTabs | undefined)[], record: ReleaseRecord): TabCounts {
  const told = answers.filter(answer => answer !== undefined)
  const pages = told.flatMap(({ pages }) => pages)
  const byHash = new Map<string, number>() // anybody can send any name before it, and a version that came twice would stop the console's page
  for (const [page, tabs] of pages) {
    const hash = hashOf(page)
    byHash.set(hash, (byHash.get(hash) ?? 0) + tabs)
  }
  const versions = [...byHash].map(([hash, tabs]) => ({ ...versionOf(hash, record), tabs }))
  return {
    total: sum(told.map(({ total }) => total)),
    current: currentOf(pages, record),
    versions: versions.toSorted(
      (a, b) => b.revision - a.revision || b.tabs - a.tabs || (a.hash < b.hash ? -1 : 1),
    ),
    unnamed: sum(told.map(({ unnamed }) => unnamed)),
    unknownPods: answers.length - told.length,
    adoption: adoptionOf(told, record),
  }
}

/** A page's name is `<Deployment>-<hash>`, of this Deployment or of one that stands behind the same Services. */
function hashOf(page: string): string {
  return page.slice(page.lastIndexOf('-') + 1)
}

function versionOf(hash: string, { state, replicaSets }: ReleaseRecord) {
  const [, id = '', revision = 0] = state.known.find(([key]) => key === hash) ?? []
  const image = replicaSets.find(replicaSet => replicaSet.hash === hash)?.image ?? ''
  return { hash, id, revision, image }
}

function currentOf(pages: readonly PageTabs[], record: ReleaseRecord): number {
  const { target } = record.state
  return sum(
    pages.map(([page, tabs]) => {
      const { hash, id } = versionOf(hashOf(page), record)
      return hash === target.hash || (id !== '' && id === target.id) ? tabs : 0
    }),
  )
}

/** At each moment of which a pod tells, the last that each pod told up to then. */
function adoptionOf(told: readonly PodTabs[], record: ReleaseRecord): TabCounts['adoption'] {
  const { epoch, revision, phase } = record.state
  const histories = told.flatMap(({ history }) =>
    history?.epoch === epoch && history.revision === revision && history.phase === phase
      ? [history.samples]
      : [],
  )
  const moments = [...new Set(histories.flat().map(([seconds]) => seconds))].sort((a, b) => a - b)
  return thinned(moments).map(moment => {
    const samples = histories
      .map(samples => samples.findLast(([seconds]) => seconds <= moment))
      .filter(sample => sample !== undefined)
    const current = sum(samples.map(([, , pages]) => currentOf(pages, record)))
    return [moment, current, sum(samples.map(([, total]) => total))]
  })
}

/** Evenly, with the first and the last. */
function thinned(moments: readonly number[]): number[] {
  if (moments.length <= maxPoints) return [...moments]
  return Array.from(
    { length: maxPoints },
    (_, index) => moments[Math.round((index * (moments.length - 1)) / (maxPoints - 1))] ?? 0,
  )
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0)
}
