// What Prometheus is told. The numbers live where they arise; they are read only when somebody asks.

import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client'
import type { Counters } from './front/counters.ts'
import type { Front } from './front/front.ts'
import type { Feeds } from './feed/feeds.ts'
import type { Memory } from './memory.ts'
import type { VersionServer } from './server/server.ts'
import type { States } from './states.ts'

export interface Metrics {
  /** The exposition, in Prometheus' text format. */
  text(): Promise<string>
  contentType: string
}

export interface MetricsOptions {
  /** Of this program. */
  version: string
  /** Of several Deployments, only what is of all of them is told. */
  states: States
  feeds: Pick<Feeds, 'errors'>
  tabs: VersionServer['tabs']
  memory: Pick<Memory, 'pressure' | 'limitBytes'>
  /** There is none in the standalone mode. */
  front?: Pick<Front, 'counters' | 'cached' | 'isPassive'>
}

const frontCounters = [
  ['connections', 'connections', 'Client connections accepted.'],
  ['shed', 'shed', 'Client connections that were cut because what waited on them had filled the memory.'],
  ['requests', 'requests', 'Requests passed to the app.'],
  ['documents', 'documents', 'Requests passed to the app that ask for a page.'],
  ['missing', 'missing', 'Assets that the app did not have, told as a 404 that nobody stores.'],
  ['cache_hits', 'cacheHits', 'Requests answered from memory.'],
  ['cache_misses', 'cacheMisses', 'Requests passed to the app for what memory could have had.'],
  ['cache_fills', 'cacheFills', 'Answers put into memory.'],
  ['cache_evictions', 'cacheEvictions', 'Resources dropped from memory because others needed the place.'],
  ['version_requests', 'versionRequests', 'Requests to the version server.'],
  ['opaque', 'opaque', 'Connections passed on whole: not HTTP/1.x, or the app spoke first.'],
  ['refused_dials', 'refusedDials', 'Connections to the app that failed before a byte was sent.'],
  ['unframed', 'unframed', 'Answers passed on until their connection closed.'],
  ['received_bytes', 'bytesIn', 'Bytes from clients whose connections have closed.'],
  ['sent_bytes', 'bytesOut', 'Bytes to clients whose connections have closed.'],
] as const satisfies [name: string, key: keyof Counters, help: string][]

const pressures = ['none', 'high', 'critical']

/** A number, or several, each with the value of the metric's label. */
type Reading = number | undefined | readonly (readonly [label: string, value: number])[]

export function createMetrics({ version, states, feeds, tabs, memory, front }: MetricsOptions): Metrics {
  const registry = new Registry()
  // Its default of 10 ms would wake an idle pod a hundred times a second.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 1_000 })

  gauge('build_info', 'The version of this program.', () => [[version, 1]], 'version')
  gauge('release_serial', 'Serial of the release state that this pod tells.', () => states.state()?.serial)
  gauge(
    'release_revision',
    'Revision of the release state that this pod tells.',
    () => states.state()?.revision,
  )
  gauge('release_ready', '1 once the revision is ready, 0 while it is rolling.', () => {
    const state = states.state()
    return state && Number(state.phase === 'ready')
  })
  counter(
    'feed_errors_total',
    'Times that a feed of the release state began to fail, by the feed.',
    feeds.errors,
    'feed',
  )

  const { counters } = tabs
  gauge('tabs', 'Open tabs by the version of the page that they show.', tabs.pages, 'page')
  gauge('tabs_streams', 'Open tabs by event stream.', () => tabs.count().streams)
  gauge('tabs_original', 'Open tabs that are clients of the original.', () => tabs.count().original)
  counter('tabs_opened_total', 'Tabs that were let in.', () => counters.opened)
  counter('tabs_closed_total', 'Tabs that this pod closed.', closed, 'why')
  counter('tabs_refused_total', 'Tabs that were not let in, with 403 or 503.', refusedTabs, 'why')
  counter('messages_sent_total', 'Messages to tabs.', sent, 'type')

  gauge('memory_limit_bytes', 'Memory that the process may take, where known.', () => memory.limitBytes)
  gauge('memory_pressure', '1 while nothing is cached for want of memory, 2 while nobody is let in.', () =>
    pressures.indexOf(memory.pressure()),
  )
  if (front) tellFront(front)
  return { text: () => registry.metrics(), contentType: registry.contentType }

  function tellFront({ counters: front, cached, isPassive }: NonNullable<MetricsOptions['front']>): void {
    gauge('front_open', 'Client connections that are open.', () => front.open)
    gauge(
      'front_passive',
      '1 when the front gets nothing: the app kept its port, or the redirect is missing.',
      () => Number(isPassive()),
    )
    gauge('front_cached_bytes', "What is in memory of the app's assets.", () => cached().bytes)
    gauge('front_cached_entries', 'Answers in memory.', () => cached().entries)
    for (const [name, key, help] of frontCounters) counter(`front_${name}_total`, help, () => front[key])
    counter(
      'front_turned_away_total',
      'Client connections answered with 503.',
      () => turnedAway(front),
      'why',
    )
    counter('front_refused_total', 'Requests refused, by what they went beyond.', () => refused(front), 'why')
    counter('front_waits_total', 'Times that a sender had to wait, by the limit.', () => waits(front), 'why')
  }

  function closed(): Reading {
    const { closedDraining, closedSwitched, closedFull, closedPolicy, closedMaxAge } = counters
    return [
      ['draining', closedDraining],
      ['full', closedFull],
      ['policy', closedPolicy],
      ['max_age', closedMaxAge],
      ['switched', closedSwitched],
    ]
  }

  function refusedTabs(): Reading {
    return [
      ['origin', counters.refusedOrigin],
      ['rate', counters.refusedRate],
    ]
  }

  function sent(): Reading {
    return [
      ['state', counters.sentState],
      ['heartbeat', counters.sentHeartbeat],
    ]
  }

  function gauge(name: string, help: string, read: () => Reading, label = ''): void {
    const metric = new Gauge({
      ...common(name, help, label),
      collect() {
        metric.reset()
        for (const [labels, value] of readings(read(), label)) metric.set(labels, value)
      },
    })
  }

  function counter(name: string, help: string, read: () => Reading, label = ''): void {
    const metric = new Counter({
      ...common(name, help, label),
      collect() {
        metric.reset()
        for (const [labels, value] of readings(read(), label)) metric.inc(labels, value)
      },
    })
  }

  function common(name: string, help: string, label: string) {
    return { name: `spa_reloader_${name}`, help, labelNames: label ? [label] : [], registers: [registry] }
  }
}

function turnedAway({ turnedAway, turnedAwayMemory }: Readonly<Counters>): Reading {
  return [
    ['connections', turnedAway],
    ['memory', turnedAwayMemory],
  ]
}

function refused({ malformed, headBytes, headLines, headTime }: Readonly<Counters>): Reading {
  return [
    ['malformed', malformed],
    ['head_bytes', headBytes],
    ['head_lines', headLines],
    ['head_time', headTime],
  ]
}

function waits({ waitsBuffer, waitsPipelined }: Readonly<Counters>): Reading {
  return [
    ['buffer', waitsBuffer],
    ['pipelined', waitsPipelined],
  ]
}

function readings(reading: Reading, label: string): [labels: Record<string, string>, value: number][] {
  if (reading === undefined) return []
  if (typeof reading === 'number') return [[{}, reading]]
  return reading.map(([value, number]) => [{ [label]: value }, number])
}
