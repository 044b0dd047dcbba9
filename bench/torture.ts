// Random histories of rollouts and everything around them, on a real cluster, with tabs in three browser engines; judged by what the
// API server says was true. `npm run torture -- --histories N --seed S`

import { engines, launch } from '../test/browsers/browser.ts'
import type { Browser, Engine } from '../test/browsers/browser.ts'
import { install } from '../test/tier3/installation.ts'
import type { Host } from '../test/tier3/installation.ts'
import { median, rounded } from './figures.ts'
import { check } from './torture/check.ts'
import type { Verdict } from './torture/check.ts'
import { createController } from './torture/controller.ts'
import { describe, historyOf, versions } from './torture/history.ts'
import type { History } from './torture/history.ts'
import type { Log } from './torture/log.ts'
import { play } from './torture/play.ts'
import type { Stage } from './torture/play.ts'
import { makeVersions } from './torture/versions.ts'

/** How many are played at a time. */
const lanes = 5

/** Plays so many histories, with the seeds from `seed` on. Remarks on each; of one that did not come out right, on all that was seen. */
export async function torture(host: Host, histories: number, seed: number) {
  const stage = await setStage(host)
  const waiting = Array.from({ length: histories }, (_, index) => historyOf(seed + index))
  const sum: Verdict = { told: 0, latencies: [], missed: [], false: [], loops: [], windows: [] }
  const wrong: string[] = []
  let tabs = 0
  const played = await Promise.allSettled(Array.from({ length: lanes }, playOn))
  const failed = played.find(lane => lane.status === 'rejected')
  if (failed) throw failed.reason
  return {
    histories,
    tabs,
    told: sum.told,
    missed: sum.missed.length,
    false: sum.false.length,
    loops: sum.loops.length,
    windows: sum.windows.length,
    median_ms: rounded(median(sum.latencies), 0),
    max_ms: rounded(Math.max(...sum.latencies), 0),
    ...(wrong.length > 0 && { wrong }),
  }

  /** One history after the other, until none is left. Where one cannot be played, no lane begins another; the running ones need the cluster until they end. */
  async function playOn(): Promise<void> {
    for (let history = waiting.shift(); history; history = waiting.shift()) {
      const start = Date.now()
      const verdict = await judge(stage, history).catch((error: Error) => {
        waiting.length = 0
        throw error
      })
      const seconds = ((Date.now() - start) / 1_000).toFixed(0)
      host.comment(`${describe(history)} (${seconds} s)`)
      tabs += history.visitors.length
      sum.told += verdict.told
      for (const key of ['latencies', 'missed', 'false', 'loops', 'windows'] as const)
        (sum[key] as unknown[]).push(...verdict[key])
    }
  }

  async function judge(stage: Stage, history: History): Promise<Verdict> {
    const log = await play(stage, history).catch((error: Error) => {
      throw new Error(`npm run torture -- --histories 1 --seed ${history.seed}`, { cause: error })
    })
    const verdict = check(log)
    const found = kinds.flatMap(kind => verdict[kind].map(what => `${kind}: ${what}`))
    const again = `npm run torture -- --histories 1 --seed ${history.seed}`
    if (found.length > 0) for (const line of [again, ...found, ...tell(log)]) host.comment(line)
    wrong.push(...found)
    for (const what of verdict.windows) host.comment(`window: ${what}`)
    for (const line of failuresOf(log)) host.comment(line)
    return verdict
  }
}

const kinds = ['missed', 'false', 'loops'] as const

async function setStage(host: Host): Promise<Stage> {
  const cluster = await install(host)
  await cluster.buildApp('model', 'web:model')
  const registry = `${cluster.machine.hostAddress}:5000`
  const made = await makeVersions(registry, { repository: 'library/web', tag: 'model', names: versions })
  const browsers = {} as Record<Engine, Browser>
  for (const engine of engines) {
    browsers[engine] = await launch(engine)
    host.teardown(browsers[engine].close)
  }
  return { cluster, versions: made, controller: createController(cluster), browsers }
}

/** Scripts that did not come, of tabs that came to no harm too. */
function failuresOf({ worlds, visits }: Log): string[] {
  return visits.flatMap(({ tab, notes }) =>
    notes
      .filter(({ what }) => what === 'failed')
      .map(({ at, why }) => {
        const since = worlds.findLast(world => world.at <= at && world.isComplete)?.at
        return `failed: ${tab}: ${why}, ${since === undefined ? 'before any rollout was complete' : `${at - since} ms after a rollout was complete`}`
      }),
  )
}

/** All that was seen, in the order of time. */
function tell({ worlds, visits, outages, settled }: Log): string[] {
  const first = worlds[0]?.at ?? 0
  const lines = [
    ...worlds.map(({ at, isComplete, isBare, serving, generation }) => ({
      at,
      line: `cluster: generation ${generation}, ${isComplete ? 'complete' : 'rolling'}${isBare ? ', bare pods' : ''}, serving ${serving.map(id => id.slice(0, 8)).join(' ')}`,
    })),
    ...outages.flatMap(({ from, until }) => [
      { at: from, line: 'controller out' },
      { at: until, line: 'controller back' },
    ]),
    ...settled.map(at => ({ at, line: 'settled' })),
    ...visits.flatMap(visit => [
      { at: visit.from, line: `${visit.tab}: comes${visit.isAuto ? ', auto' : ''}` },
      ...visit.loads.map(({ from }) => ({ at: from, line: `${visit.tab}: asks for the page` })),
      ...visit.absences.flatMap(({ from, until }) => [
        { at: from, line: `${visit.tab}: absent` },
        { at: until, line: `${visit.tab}: back` },
      ]),
      ...visit.notes.map(({ at, what, version, id, revision, why }) => ({
        at,
        line: `${visit.tab}: ${what} on ${version}${why === undefined ? ` of ${id.slice(0, 8)}, revision ${revision}` : `: ${why}`}`,
      })),
      { at: visit.until ?? Infinity, line: `${visit.tab}: leaves` },
      ...(visit.account === undefined
        ? []
        : [{ at: settled.at(-1) ?? first, line: `${visit.tab}: says ${visit.account}` }]),
    ]),
  ]
  return lines
    .filter(({ at }) => at < Infinity && at >= first)
    .sort((a, b) => a.at - b.at)
    .map(({ at, line }) => `${((at - first) / 1_000).toFixed(3).padStart(8)} ${line}`)
}
