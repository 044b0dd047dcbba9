// GET /api/apps/:id/events: what the API server's Events say of one app, read from the cluster each time.

import type { ConsoleAppEvent } from '../../protocol/console.ts'
import type { Api } from '../../release/api.ts'
import { listAll } from './follow.ts'
import { parseKubeEvent } from './facts.ts'
import type { EventFacts } from './facts.ts'
import { eventLine } from './log.ts'
import type { AppId } from './logs.ts'

const maxEvents = 100

/** Newest first. Throws where they may not be read. */
export async function eventsOf(api: Api, { namespace, name }: AppId): Promise<ConsoleAppEvent[]> {
  const raw = await listAll(api, `/api/v1/namespaces/${namespace}/events`, {})
  return raw
    .flatMap(one => parseKubeEvent(one) ?? [])
    .filter(event => isAbout(event, name))
    .toSorted((a, b) => Date.parse(b.lastAt) - Date.parse(a.lastAt) || (a.uid < b.uid ? -1 : 1))
    .slice(0, maxEvents)
    .map(event => ({ ...eventLine(event), id: event.uid, at: event.lastAt, count: event.count }))
}

/** By their names, `web-6c487dcc49` and `web-6c487dcc49-x2x7k`: those that are gone have Events, too. */
function isAbout(event: EventFacts, deployment: string): boolean {
  if (event.kind === 'Deployment') return event.name === deployment
  const [rest, prefix] = [event.name.slice(deployment.length), event.name.slice(0, deployment.length)]
  const suffix = event.kind === 'ReplicaSet' ? /^-[^-]+$/ : /^-[^-]+-[^-]+$/
  return prefix === deployment && suffix.test(rest)
}
