// Apps, pods, deployments and logs that look like those of a real cluster.

import { createHash } from 'node:crypto'
import type {
  AppStatus,
  ConsoleApp,
  ConsoleDeploy,
  ConsoleInstance,
  DeployLogLine,
  InstancePhase,
  TabCounts,
} from '../../protocol/console.ts'

const hour = 3_600_000

export function digest(image: string): string {
  return createHash('sha256').update(image).digest('hex')
}

/** Of a time so many milliseconds ago. */
export function ago(ms: number): string {
  return new Date(Date.now() - ms).toISOString()
}

/** An app that is ready, with three pods and no tabs. */
export function sampleApp(namespace: string, name: string, change: Partial<ConsoleApp> = {}): ConsoleApp {
  const image = `registry.example/${namespace}/${name}`
  return {
    id: `${namespace}/${name}`,
    namespace,
    name,
    since: ago(5 * hour),
    status: 'ready',
    message: `deployment "${name}" successfully rolled out`,
    revision: 7,
    phase: 'ready',
    target: { id: digest(`${image}:1.15.0`), name: `${image}:1.15.0` },
    previous: { id: digest(`${image}:1.14.2`), name: `${image}:1.14.2` },
    replicas: { desired: 3, updated: 3, available: 3, old: 0 },
    injection: { state: 'all', why: [] },
    tabs: sampleTabs(`${image}:1.15.0`, `${image}:1.14.2`, 0, 0),
    ...change,
  }
}

/** So many tabs on either version; they moved within minutes. */
export function sampleTabs(
  target: string,
  previous: string,
  current: number,
  behind: number,
  seconds = 600,
): TabCounts {
  const total = current + behind
  const adoption: TabCounts['adoption'] = Array.from({ length: 40 }, (_, i) => {
    const part = Math.min(1, 1.08 * (1 - Math.exp(-i / 8)))
    return [Math.round((seconds * i) / 39), Math.round(current * part), total]
  })
  const versions = [
    { hash: '6c487dcc49', id: digest(target), revision: 7, image: target, tabs: current },
    { hash: '5d9fb7c6b8', id: digest(previous), revision: 6, image: previous, tabs: behind },
  ]
  return {
    total,
    current,
    versions: versions.filter(({ tabs }) => tabs > 0),
    unnamed: 0,
    unknownPods: 0,
    adoption,
  }
}

export function sampleInstance(
  app: ConsoleApp,
  n: number,
  change: Partial<ConsoleInstance> = {},
): ConsoleInstance {
  const hash = change.hash ?? '6c487dcc49'
  const pod = `${app.name}-${hash}-${digest(`${app.id} ${n}`).slice(0, 5)}`
  return {
    id: `${app.namespace}/${pod}`,
    app: app.id,
    pod,
    phase: 'ready',
    reason: '',
    restarts: 0,
    node: `node-${1 + (n % 3)}`,
    image: app.target.name,
    version: app.target.id,
    revision: app.revision,
    hash,
    sidecar: 'registry.example/spa-reloader-sidecar:0.1.0',
    capture: 'name',
    tabs: app.tabs ? Math.round(app.tabs.total / 3) : null,
    createdAt: app.since,
    ...change,
  }
}

export function sampleDeploy(
  app: ConsoleApp,
  revision: number,
  change: Partial<ConsoleDeploy> = {},
): ConsoleDeploy {
  return {
    id: `${app.id}@${revision}`,
    app: app.id,
    revision,
    hash: '6c487dcc49',
    version: app.target,
    status: 'complete',
    by: 'kubectl-set',
    changes: [`image of ${app.name}: ${app.previous?.name ?? ''} → ${app.target.name}`],
    startedAt: app.since,
    finishedAt: '',
    ...change,
  }
}

export function sampleLine(n: number, change: Partial<DeployLogLine> = {}): DeployLogLine {
  return {
    id: `line-${n}`,
    at: new Date(Date.parse('2026-11-28T02:00:00Z') + n * 200).toISOString(),
    level: 'info',
    about: 'Pod web-6c487dcc49-x2x7k',
    text: `line ${n}`,
    count: 1,
    ...change,
  }
}

/** `count` apps with `pods` pods each, some of every status. */
export function sampleFleet(
  count: number,
  pods: number,
): { apps: ConsoleApp[]; instances: ConsoleInstance[] } {
  const status = (n: number): AppStatus =>
    n % 17 === 3 ? 'rolling' : n % 61 === 5 ? 'failing' : n % 97 === 7 ? 'paused' : 'ready'
  const phase = (n: number): InstancePhase => (n % 17 === 3 ? 'starting' : 'ready')
  const apps = Array.from({ length: count }, (_, n) =>
    sampleApp(`team-${String(n % 20).padStart(2, '0')}`, `app-${String(n).padStart(3, '0')}`, {
      status: status(n),
      phase: status(n) === 'ready' ? 'ready' : 'rolling',
      since: ago(n * 60_000),
      replicas: { desired: pods, updated: pods, available: pods - (n % 17 === 3 ? 2 : 0), old: 0 },
    }),
  )
  const instances = apps.flatMap((app, n) =>
    Array.from({ length: pods }, (_, i) => sampleInstance(app, i, { phase: i < 2 ? phase(n) : 'ready' })),
  )
  return { apps, instances }
}
