// What passes an injected pod by, or is kept from it: Services and policies that came after the pod, or have changed since. At admission
// decide.ts asks the same. Each finding is told once, and again only after it has been away.

import { annotation, option } from '../protocol/names.ts'
import { leadsTo, routesOf } from '../release/app.ts'
import { specBefore } from '../release/injected.ts'
import type { Deployment, Pod } from '../release/objects.ts'
import { bypassing } from './decide.ts'
import type { Context } from './decide.ts'
import { obstacles } from './reach.ts'
import type { Warning } from './reasons.ts'
import { appOf, parseStatus } from './status.ts'

export type Surroundings = Omit<Context, 'release'>

/** Returns the function that looks: `pods` are those of the Deployment. */
export function watchSurroundings(
  tell: (deployment: Deployment, warning: Warning) => void,
): (deployment: Deployment, pods: readonly Pod[], context: Surroundings) => void {
  const told = new Map<string, Set<string>>()
  return (deployment, pods, context) => {
    const before = told.get(deployment.uid)
    const now = new Set<string>()
    for (const warning of newestWarnings(pods, context)) {
      const key = `${warning.code} ${warning.subject}`
      if (!before?.has(key)) tell(deployment, warning)
      now.add(key)
    }
    if (now.size > 0) told.set(deployment.uid, now)
    else told.delete(deployment.uid)
  }
}

/** The newest pod speaks for the others, which are made from the same template or about to go. */
export function newestWarnings(pods: readonly Pod[], context: Surroundings): Warning[] {
  const [newest] = pods
    .filter(({ injected, terminating }) => injected && !terminating)
    .toSorted((a, b) => (a.creationTimestamp < b.creationTimestamp ? 1 : -1))
  const status = parseStatus(newest?.annotations[annotation.status])
  if (!newest || !status) return []
  const { labels, annotations } = newest
  const original = { labels, annotations, spec: specBefore(newest.spec, status) }
  const app = appOf(status)
  const routes = routesOf(original, context.services).filter(route => leadsTo(app, route))
  if (status.capture !== 'name') return []
  const isAsked = (annotations[option.capture] ?? context.annotations[option.capture]) === 'name'
  return [
    ...bypassing(status.capture, app, routes),
    ...obstacles(original, { app, front: status.front }, context).filter(
      ({ code }) => code === 'numeric-policy' || !isAsked,
    ),
  ]
}
