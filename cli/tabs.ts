// How many tabs show which version: each sidecar counts its own, and is asked through the API server's proxy to its pod.

import { annotation } from '../protocol/names.ts'
import type { ReleaseState } from '../protocol/release.ts'
import { parsePodTabs, tabsPath } from '../protocol/tabs.ts'
import type { PodTabs } from '../protocol/tabs.ts'
import type { Pod } from '../release/objects.ts'
import { parseStatus } from '../webhook/status.ts'
import type { Cluster } from './cluster.ts'

const proxyMs = 5_000

/** Lines for people: what could not be asked is said, and is no error. */
export async function describeTabs(
  cluster: Cluster,
  state: ReleaseState,
  pods: readonly Pod[],
): Promise<string[]> {
  return tabLines(await Promise.all(pods.map(pod => askTabs(cluster, pod))), state)
}

/** Takes an answer for each pod; undefined: it could not be asked. */
export function tabLines(answers: readonly (PodTabs | undefined)[], state: ReleaseState): string[] {
  const told = answers.filter(answer => answer !== undefined)
  const counts = new Map<string, number>()
  const add = (what: string, tabs: number) => counts.set(what, (counts.get(what) ?? 0) + tabs)
  for (const { pages, unnamed } of told) {
    for (const [page, tabs] of pages) add(nameOf(page, state), tabs)
    if (unnamed > 0) add('a version that they do not tell', unnamed)
  }
  const lines = [...counts].map(([what, tabs]) => `tabs       ${tabs} show ${what}`)
  if (counts.size === 0 && told.length > 0) lines.push('tabs       none')
  const unknown = answers.length - told.length
  if (unknown > 0)
    lines.push(
      `tabs       unknown on ${unknown} pods: they could not be asked (it takes the right to get pods/proxy)`,
    )
  return lines
}

/** A page's version is `<Deployment>-<hash>`. */
function nameOf(page: string, { name, target, known }: ReleaseState): string {
  const hash = page.startsWith(`${name}-`) ? page.slice(name.length + 1) : undefined
  const row = known.find(([key]) => key === hash)
  if (!row) return `${page}, not known`
  return row[1] === target.id ? `the target (${page})` : `revision ${row[2]} (${page})`
}

async function askTabs({ api }: Cluster, pod: Pod): Promise<PodTabs | undefined> {
  const admin = parseStatus(pod.annotations[annotation.status])?.admin
  if (admin === undefined) return undefined
  const path = `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}:${admin}/proxy${tabsPath}`
  const response = await api.request({ path, timeoutMs: proxyMs }).catch(() => undefined)
  return response?.status === 200 ? parsePodTabs(response.body) : undefined
}
