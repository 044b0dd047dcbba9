// The log of one deployment: a pure function of what the cluster still knows, so every replica tells the same, also after a restart. The same fact has the
// same id, whether it comes from an Event or from the object itself, because Events are kept for an hour only.

import type { ConsoleDeploy, DeployLogLine } from '../../protocol/console.ts'
import type { ReleaseRecord } from '../../release/record.ts'
import { isReadyAt } from './deploys.ts'
import type { AppFacts, EventFacts, PodFacts, RolloutFacts, SetFacts } from './facts.ts'

export interface LogFacts extends AppFacts {
  deploy: ConsoleDeploy
  set: SetFacts
  /** When the deployment after it began; '' while it is the present one. */
  startOfNext: string
  record: ReleaseRecord | undefined
  /** The last lines of a container that has ended, where they may be read: by {@link exitKey}. */
  output: ReadonlyMap<string, string[]>
}

type Line = Omit<DeployLogLine, 'count'> & { count?: number }

const clockMs = 2_000 // Kubernetes tells whole seconds, of several clocks
const afterMs = 10_000 // what comes later is not of this deployment any more

/** Sorted by time. */
export function deployLog(facts: LogFacts): DeployLogLine[] {
  const lines = new Map<string, DeployLogLine>()
  const isOurs = windowOf(facts)
  const all = [
    ...beginning(facts),
    ...refusal(facts),
    ...facts.pods
      .filter(({ pod }) => pod.controller?.uid === facts.set.uid)
      .flatMap(pod => podLines(pod, facts)),
    ...progress(facts),
    ...facts.events.filter(event => isAbout(event, facts)).map(event => eventLine(event)),
    ...ending(facts),
  ]
  for (const line of all) {
    const known = lines.get(line.id)
    if (line.at === '' || !isOurs(line.at)) continue
    const count = Math.max(known?.count ?? 1, line.count ?? 1)
    lines.set(line.id, { ...line, ...known, count, at: known && known.at < line.at ? known.at : line.at })
  }
  return [...lines.values()].toSorted(compareLines)
}

/** By time, and in the same second first the cause. */
export function compareLines(a: DeployLogLine, b: DeployLogLine): number {
  return Date.parse(a.at) - Date.parse(b.at) || rankOf(a) - rankOf(b) || (a.id < b.id ? -1 : 1)
}

export function exitKey({ pod }: PodFacts, { name, restarts }: { name: string; restarts: number }): string {
  return `${pod.uid}/${name}/${restarts}`
}

function windowOf({ deploy, startOfNext }: LogFacts): (at: string) => boolean {
  const from = Date.parse(deploy.startedAt) - clockMs
  const to = startOfNext
    ? Date.parse(startOfNext) + clockMs
    : deploy.finishedAt
      ? Date.parse(deploy.finishedAt) + afterMs
      : Infinity
  return at => Date.parse(at) >= from && Date.parse(at) <= to
}

/** Of the same second: first the cause, last the end. */
const order = [
  'start',
  'change',
  'scheduled',
  'started',
  'ready',
  'progress',
  'complete',
  'told',
  'superseded',
]

function rankOf({ id }: DeployLogLine): number {
  const place = order.indexOf(id.split('/')[0] ?? '')
  return place === -1 ? order.indexOf('started') : place
}

function beginning({ deploy, rollout }: LogFacts): Line[] {
  const about = deploymentOf(rollout)
  const { revision, startedAt: at, by, changes } = deploy
  return [
    {
      id: 'start',
      at,
      level: 'info',
      about,
      text: `revision ${revision} begins${by && `, written by ${by}`}`,
    },
    ...changes.map((text, index): Line => ({ id: `change/${index}`, at, level: 'info', about, text })),
  ]
}

function refusal({ set, events }: LogFacts): Line[] {
  const { at, message } = set.refusal
  const isTold = events.some(({ about, reason }) => about === set.uid && reason === 'FailedCreate')
  if (at === '' || isTold) return []
  return [
    {
      id: `refused/${set.uid}`,
      at,
      level: 'error',
      about: `ReplicaSet ${set.name}`,
      text: `a pod is refused: ${message}`,
    },
  ]
}

function podLines(facts: PodFacts, { output }: LogFacts): Line[] {
  const { pod, scheduledAt, readyAt, containers } = facts
  const about = `Pod ${pod.name}`
  const lines: Line[] = []
  if (pod.node)
    lines.push({
      id: `scheduled/${pod.uid}`,
      at: scheduledAt,
      level: 'info',
      about,
      text: `scheduled on ${pod.node}`,
    })
  else if (pod.reason)
    lines.push({
      id: `unscheduled/${pod.uid}`,
      at: pod.creationTimestamp,
      level: 'warning',
      about,
      text: pod.reason,
    })
  for (const container of containers) {
    const { name, startedAt, exit, restarts, waiting, message } = container
    // Of a container that was restarted, the first start is an Event's.
    if (startedAt && restarts === 0)
      lines.push({
        id: `started/${pod.uid}/${name}`,
        at: startedAt,
        level: 'info',
        about,
        text: `container ${name} started`,
      })
    if (exit) {
      const key = exitKey(facts, container)
      const text = `container ${name} ended with ${exit.code}${exit.reason && ` (${exit.reason})`}, restarted ${restarts} ${restarts === 1 ? 'time' : 'times'}`
      lines.push({ id: `exit/${key}`, at: exit.at, level: 'error', about, text })
      for (const [index, line] of (output.get(key) ?? []).entries())
        lines.push({
          id: `output/${key}/${String(index).padStart(3, '0')}`,
          at: exit.at,
          level: 'error',
          about,
          text: line,
        })
    } else if (waiting && message)
      lines.push({
        id: `waiting/${pod.uid}/${name}/${waiting}`,
        at: scheduledAt || pod.creationTimestamp,
        level: 'error',
        about,
        text: `container ${name} waits: ${waiting}: ${message}`,
      })
  }
  if (readyAt) lines.push({ id: `ready/${pod.uid}`, at: readyAt, level: 'info', about, text: 'ready' })
  return lines
}

/** In kubectl's words: how many of the target's pods were available when each became ready. */
function progress({ rollout, set, pods, deploy }: LogFacts): Line[] {
  const { name, replicas } = rollout.deployment
  const ready = pods
    .filter(({ pod, readyAt }) => pod.controller?.uid === set.uid && readyAt !== '' && !pod.terminating)
    .toSorted((a, b) => Date.parse(a.readyAt) - Date.parse(b.readyAt) || (a.pod.uid < b.pod.uid ? -1 : 1))
    .slice(0, Math.max(0, replicas - 1)) // the last one completes it
  return ready
    .filter(({ readyAt }) => !deploy.finishedAt || Date.parse(readyAt) <= Date.parse(deploy.finishedAt))
    .map(({ pod, readyAt }, index) => ({
      id: `progress/${pod.uid}`,
      at: readyAt,
      level: 'info',
      about: deploymentOf(rollout),
      text: `Waiting for deployment "${name}" rollout to finish: ${index + 1} of ${replicas} updated replicas are available...`,
    }))
}

function ending({ rollout, set, deploy, startOfNext, record }: LogFacts): Line[] {
  const about = deploymentOf(rollout)
  const { name, progress } = rollout.deployment
  if (startOfNext)
    return [
      {
        id: 'superseded',
        at: startOfNext,
        level: 'info',
        about,
        text: 'another revision begins: this one is over',
      },
    ]
  if (set.revision !== rollout.deployment.revision) return []
  const lines: Line[] = []
  if (progress.reason === 'NewReplicaSetAvailable')
    lines.push({
      id: 'complete',
      at: progress.at,
      level: 'info',
      about,
      text: `deployment "${name}" successfully rolled out`,
    })
  if (progress.reason === 'ProgressDeadlineExceeded')
    lines.push({
      id: 'deadline',
      at: progress.at,
      level: 'error',
      about,
      text: `deployment "${name}" exceeded its progress deadline`,
    })
  if (record && isReadyAt(record, rollout.deployment.revision)) {
    const { since, target } = record.state
    lines.push({
      id: 'told',
      at: since,
      level: 'info',
      about,
      text: `no pod of another version answers any more: tabs are told of ${target.name || deploy.version.name}`,
    })
  }
  return lines
}

function isAbout({ kind, name, about }: EventFacts, { rollout, sets, set }: LogFacts): boolean {
  const { uid } = rollout.deployment
  if (kind === 'Deployment') return about === uid
  if (kind === 'ReplicaSet') return sets.some(other => other.owner === uid && other.uid === about)
  return name.startsWith(`${set.name}-`) // those that are gone, too
}

/** What a pod's own status tells as well has the id and the words that it has there. */
export function eventLine(event: EventFacts): Line {
  const { uid, kind, name, about, container, isWarning, reason, message, at, count } = event
  const line: Line = {
    id: `event/${uid}`,
    at,
    level: isWarning ? 'warning' : 'info',
    about: `${kind} ${name}`,
    text: message || reason,
    count,
  }
  if (kind !== 'Pod') return reason === 'FailedCreate' ? { ...line, level: 'error' } : line
  const [, node = ''] = / to (\S+)$/.exec(message) ?? []
  if (reason === 'Scheduled' && node)
    return { ...line, id: `scheduled/${about}`, text: `scheduled on ${node}` }
  if (reason === 'Started' && container)
    return { ...line, id: `started/${about}/${container}`, text: `container ${container} started` }
  return reason === 'Failed' ? { ...line, level: 'error' } : line
}

function deploymentOf({ deployment }: RolloutFacts): string {
  return `Deployment ${deployment.name}`
}
