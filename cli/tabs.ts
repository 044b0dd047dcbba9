// How many tabs show which version: each sidecar counts its own, and is asked through the API server's proxy to its pod.

import { annotation } from '../protocol/names.ts'
import { isString } from '../protocol/release.ts'
import type { ReleaseState } from '../protocol/release.ts'
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
  const answers = await Promise.all(pods.map(pod => readMetrics(cluster, pod)))
  const unknown = answers.filter(answer => answer === undefined).length
  const counts = sumTabs(answers.filter(isString))
  const lines = [...counts].map(([page, tabs]) => `tabs       ${tabs} show ${nameOf(page, state)}`)
  if (counts.size === 0 && unknown < pods.length) lines.push('tabs       none')
  if (unknown > 0)
    lines.push(
      `tabs       unknown on ${unknown} pods: they could not be asked (it takes the right to get pods/proxy)`,
    )
  return lines
}

/** Takes expositions in Prometheus' text format; returns page version → tabs. */
export function sumTabs(expositions: readonly string[]): Map<string, number> {
  const sum = new Map<string, number>()
  for (const text of expositions)
    for (const [, page = '', tabs] of text.matchAll(/^spa_reloader_tabs\{page="([^"]*)"\} (\d+)$/gm))
      sum.set(page, (sum.get(page) ?? 0) + Number(tabs))
  return sum
}

/** A page's version is `<Deployment>-<hash>`, or a word where it has said none. */
function nameOf(page: string, { name, target, known }: ReleaseState): string {
  const hash = page.startsWith(`${name}-`) ? page.slice(name.length + 1) : undefined
  const row = known.find(([key]) => key === hash)
  if (!row)
    return page === 'none' || page === 'other' ? 'a version that they do not tell' : `${page}, not known`
  return row[1] === target.id ? `the target (${page})` : `revision ${row[2]} (${page})`
}

async function readMetrics({ api }: Cluster, pod: Pod): Promise<string | undefined> {
  const admin = parseStatus(pod.annotations[annotation.status])?.admin
  if (admin === undefined) return undefined
  const path = `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}:${admin}/proxy/metrics`
  const response = await api.request({ path, timeoutMs: proxyMs }).catch(() => undefined)
  return response?.status === 200 && isString(response.body) ? response.body : undefined
}
