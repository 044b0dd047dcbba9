// Judges what tabs were told, and did, by what the API server says was true then. Knows nothing of how the product comes to its signal.

import { path } from '../../protocol/names.ts'
import type { Note } from '../../test/tier3/tab.ts'
import type { Log, Visit, World } from './log.ts'

export interface Verdict {
  /** Offers that were right. */
  told: number
  /** How long after the end of the rollout, for tabs that were there, in milliseconds. */
  latencies: number[]
  /** Tabs that did not know when all had come to rest. */
  missed: string[]
  /** Told before the end, of what is not live, what the page is already; withdrawn without a cause; reloaded without an offer. */
  false: string[]
  /** More than one reload for one rollout, but for a second one after the first has brought another page than its target. */
  loops: string[]
  /** Offers of a release that the next one was just replacing: the one window that is promised to be short. */
  windows: string[]
}

/** The tab's clock is the checker's, but events of the cluster come to the checker late: by so much at most. */
function watchMsOf({ heldUpMs }: Log): number {
  return 500 + heldUpMs
}

/** Between a tab's two clocks: the one that tells when a page began, and the one that tells the time. */
const clockMs = 50
/** From a page's wish to reload to the beginning of the next: WebKit takes a while, and the page goes on hearing. */
const leaveMs = 1_500
/** A page that was brought in the target's place is as old as that at least before it reloads by itself. */
const againMs = 20_000
/** An offer may be older than the cluster by so much, not counting the time in which there was no controller. */
const lagMs = 5_000

export function check(log: Log): Verdict {
  const releases = releasesOf(log.worlds)
  const verdict: Verdict = { told: 0, latencies: [], missed: [], false: [], loops: [], windows: [] }
  for (const visit of log.visits) {
    judgeNotes(log, releases, visit, verdict)
    judgeReloads(log, releases, visit, verdict)
    for (const at of log.settled) if (!knows(log, visit, at)) verdict.missed.push(say(visit, at))
  }
  return verdict
}

/** Whether the tab, as it is at that time, is on what is live or has an offer of it. True of one that is not there, or not loaded. */
export function knows(log: Log, visit: Visit, at: number): boolean {
  const isThere = visit.from <= at && at < (visit.until ?? Infinity) && !isAbsent(visit, at)
  const past = visit.notes.filter(note => note.at <= at)
  const loads = past.filter(({ what }) => what === 'load')
  const load = loads.at(-1)
  if (!isThere || !load || isBare(log, visit, loads) || isStillborn(log, past)) return true
  const serving = worldAt(log.worlds, at)?.serving ?? []
  const offer = outstanding(past)
  const isCurrent = serving.includes(log.digests[load.version] ?? '')
  return offer ? !isCurrent && serving.includes(offer.id) : isCurrent
}

/**
 * The document was the last thing that the last pod gave: with Recreate there is none for a while, and the page has got neither its client nor
 * its own scripts.
 */
function isStillborn({ worlds }: Log, past: readonly Note[]): boolean {
  const onPage = past.slice(past.findLastIndex(({ what }) => what === 'load'))
  return onPage.some(
    ({ what, why, at }) =>
      what === 'failed' &&
      why?.endsWith(path.prefix + path.client) === true &&
      worldAt(worlds, at)?.serving.length === 0,
  )
}

/** A rollout: what its pods serve, and when. */
interface Release {
  from: number
  until: number
  /** From the first completion on, whatever happens to its pods later. */
  completeAt: number
  ids: Set<string>
}

function releasesOf(worlds: readonly World[]): Release[] {
  const releases: Release[] = []
  let template: string | undefined
  for (const world of worlds) {
    if (world.template !== template) {
      template = world.template
      const last = releases.at(-1)
      if (last) last.until = world.at
      releases.push({ from: world.at, until: Infinity, completeAt: Infinity, ids: new Set() })
    }
    const release = releases.at(-1)!
    if (world.isComplete) release.completeAt = Math.min(release.completeAt, world.at)
    if (release.completeAt < Infinity) for (const id of world.serving) release.ids.add(id)
  }
  return releases
}

function judgeNotes(log: Log, releases: readonly Release[], visit: Visit, verdict: Verdict): void {
  const watchMs = watchMsOf(log)
  let offered: Release | undefined
  for (const [index, note] of visit.notes.entries()) {
    if (note.what === 'update') {
      const page = log.digests[note.version] ?? ''
      const isMeant = (release: Release) => release.ids.has(note.id) && !release.ids.has(page)
      const isPresent = (release: Release) =>
        release.completeAt <= note.at + watchMs && note.at < release.until + watchMs
      offered = releases.findLast(release => isMeant(release) && isPresent(release))
      if (offered && note.at < offered.until) {
        verdict.told += 1
        if (isPunctual(visit, offered, note)) verdict.latencies.push(note.at - offered.completeAt)
        continue
      }
      offered = releases.findLast(
        release =>
          isMeant(release) &&
          release.completeAt <= note.at &&
          lagOf(log, release.until, note.at) <= lagMs + log.heldUpMs,
      )
      if (offered && isTakenBack(visit, index)) verdict.windows.push(say(visit, note.at, note))
      else verdict.false.push(say(visit, note.at, note))
    }
    if (note.what === 'withdrawn' && offered && note.at + watchMs < offered.until)
      verdict.false.push(say(visit, note.at, note))
  }
}

/** Whether the tab was there, connected, when the rollout ended, and this is the first that it was told of it. */
function isPunctual(visit: Visit, release: Release, note: Note): boolean {
  const since = visit.notes.filter(({ at }) => at >= release.completeAt)
  const isAway = visit.absences.some(({ from, until }) => from <= note.at && until >= release.completeAt)
  return (
    visit.from < release.completeAt &&
    !isAway &&
    since.find(({ what }) => what === 'update' || what === 'load') === note
  )
}

/** Milliseconds between two times in which there was a controller. */
function lagOf(log: Log, from: number, until: number): number {
  const out = log.outages.map(outage => Math.min(until, outage.until) - Math.max(from, outage.from))
  return until - from - out.reduce((sum, ms) => sum + Math.max(0, ms), 0)
}

/** Whether something came after the offer: it was withdrawn, or the page or the tab has gone. */
function isTakenBack(visit: Visit, index: number): boolean {
  const later = visit.notes.slice(index + 1)
  return visit.until !== undefined || later.some(({ what }) => what === 'withdrawn' || what === 'load')
}

function judgeReloads(log: Log, releases: readonly Release[], visit: Visit, verdict: Verdict): void {
  const watchMs = watchMsOf(log)
  const reloads: { revision: number; load: Note }[] = []
  for (const [index, note] of visit.notes.entries()) {
    if (note.what !== 'load' || index === 0 || isAsked(visit, note)) continue
    // A page that has been told to go may still hear that the offer is withdrawn.
    const before = visit.notes.slice(0, index)
    const offer =
      outstanding(before.filter(({ at }) => at <= note.since + clockMs)) ??
      offeredSince(note.since - leaveMs, before)
    if (!offer || !visit.isAuto) {
      verdict.false.push(say(visit, note.at, note))
      continue
    }
    const completed = releases.filter(
      ({ completeAt }) => visit.from - watchMs < completeAt && completeAt <= note.at + watchMs,
    )
    const [first, second] = reloads.filter(({ revision }) => revision === offer.revision)
    const isDue = first
      ? !second &&
        log.digests[first.load.version] !== offer.id &&
        note.since - first.load.since >= againMs - clockMs
      : new Set(reloads.map(({ revision }) => revision)).size < completed.length
    if (!isDue) verdict.loops.push(say(visit, note.at, note))
    reloads.push({ revision: offer.revision, load: note })
  }
}

/** Whether the person wanted the document. */
function isAsked({ loads }: Visit, { since }: Note): boolean {
  return loads.some(({ from, until }) => from - clockMs <= since && since <= until)
}

/** The last offer that the page got since then. */
function offeredSince(from: number, notes: readonly Note[]): Note | undefined {
  const sinceLoad = notes.slice(notes.findLastIndex(({ what }) => what === 'load') + 1)
  return sinceLoad.findLast(({ what, at }) => what === 'update' && at >= from)
}

/** The offer that the last of the notes leave standing. */
function outstanding(notes: readonly Note[]): Note | undefined {
  const last = notes.findLast(({ what }) => what === 'update' || what === 'withdrawn' || what === 'load')
  return last?.what === 'update' ? last : undefined
}

function isAbsent(visit: Visit, at: number): boolean {
  return visit.absences.some(({ from, until }) => from <= at && at < until)
}

/** Whether the last document may have come from a pod without the sidecar. Whoever goes back may get the one that he had before. */
function isBare(log: Log, visit: Visit, loads: readonly Note[]): boolean {
  const load = loads.at(-1)
  if (!load) return false
  const isBack = visit.absences.some(({ from, until }) => from <= load.at && load.at <= until)
  return isBareAt(log, load.at) || (isBack && isBare(log, visit, loads.slice(0, -1)))
}

/** Whether a document loaded then may have come from a pod without the sidecar. */
function isBareAt(log: Log, at: number): boolean {
  const watchMs = watchMsOf(log)
  const { worlds } = log
  const before = worlds.findLast(world => world.at <= at - watchMs)
  return [before, ...worlds.filter(world => Math.abs(world.at - at) < watchMs)].some(world => world?.isBare)
}

function worldAt(worlds: readonly World[], at: number): World | undefined {
  return worlds.findLast(world => world.at <= at)
}

function say(visit: Visit, at: number, note?: Note): string {
  const told = note
    ? ` ${note.what} on ${note.version} of ${note.id.slice(0, 8)} (revision ${note.revision})`
    : ''
  return `${visit.tab} at ${new Date(at).toISOString()}${told}${visit.account ? `, ${visit.account}` : ''}`
}
