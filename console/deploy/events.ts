// GET /api/apps/:id/events: what the API server's Events say of one app, read from the cluster each time.

import type { ConsoleAppEvent } from '../../protocol/console.ts'
import type { Api } from '../../release/api.ts'
import { listPages } from './follow.ts'
import { parseKubeEvent } from './facts.ts'
import type { EventFacts } from './facts.ts'
import { eventLine } from './log.ts'
import type { AppId } from './logs.ts'

const maxEvents = 100

export interface AppEvents {
  /** Newest first. Whoever asks while they are being read is answered by that reading. `gone`: he does not wait any more. Throws where they may not be read. */
  read(app: AppId, gone: AbortSignal): Promise<ConsoleAppEvent[]>
}

interface Reading {
  events: Promise<ConsoleAppEvent[]>
  waiting: number
  stop: AbortController
}

/** A namespace can have tens of thousands of Events, and each page that shows an app asks every two seconds while it rolls out. */
export function createAppEvents(api: Api): AppEvents {
  const readings = new Map<string, Reading>()
  return { read }

  function read(app: AppId, gone: AbortSignal): Promise<ConsoleAppEvent[]> {
    const key = `${app.namespace}/${app.name}`
    const reading = readings.get(key) ?? begin(key, app)
    reading.waiting += 1
    gone.addEventListener('abort', () => {
      reading.waiting -= 1
      if (reading.waiting > 0 || readings.get(key) !== reading) return
      readings.delete(key)
      reading.stop.abort()
    })
    return reading.events
  }

  function begin(key: string, app: AppId): Reading {
    const stop = new AbortController()
    const reading: Reading = { events: eventsOf(api, app, stop.signal), waiting: 0, stop }
    readings.set(key, reading)
    void reading.events
      .catch(() => {}) // whoever waits hears of it
      .then(() => readings.get(key) === reading && readings.delete(key))
    return reading
  }
}

/** A field selector knows neither prefixes nor `or`, and pods that are gone have Events, too: all are read, and only what fits is kept. */
async function eventsOf(
  api: Api,
  { namespace, name }: AppId,
  signal: AbortSignal,
): Promise<ConsoleAppEvent[]> {
  let newest: EventFacts[] = []
  for await (const page of listPages(api, { path: `/api/v1/namespaces/${namespace}/events`, signal }))
    newest = page
      .flatMap(one => parseKubeEvent(one) ?? [])
      .filter(event => isAbout(event, name))
      .concat(newest)
      .toSorted((a, b) => Date.parse(b.lastAt) - Date.parse(a.lastAt) || (a.uid < b.uid ? -1 : 1))
      .slice(0, maxEvents)
  return newest.map(event => ({
    ...eventLine(event),
    id: event.uid,
    at: event.lastAt,
    count: event.count,
  }))
}

/** By their names, `web-6c487dcc49` and `web-6c487dcc49-x2x7k`: those that are gone have Events, too. */
function isAbout(event: EventFacts, deployment: string): boolean {
  if (event.kind === 'Deployment') return event.name === deployment
  const [rest, prefix] = [event.name.slice(deployment.length), event.name.slice(0, deployment.length)]
  const suffix = event.kind === 'ReplicaSet' ? /^-[^-]+$/ : /^-[^-]+-[^-]+$/
  return prefix === deployment && suffix.test(rest)
}
