// The console of two replicas on a real API server: what is told live, and that the log of a deployment is the same whoever tells it.

import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { label } from '../../protocol/names.ts'
import { freePort } from '../cluster/process.ts'
import { until } from '../cluster/wait.ts'
import { openStream } from '../console/fixtures/stream.ts'
import type { Stream, Told } from '../console/fixtures/stream.ts'
import { webDeployment, webService } from './installation.ts'
import { installReplicas } from './replicas.ts'
import type { Replica } from './replicas.ts'
import { imageOf, rollOutMissing } from './shop.ts'

const { cluster, open, start } = await installReplicas(t)
const ports = [await freePort(), await freePort()] as const
const replicas = [await startWith(ports[0]), await startWith(ports[1])]

t.test('a rollout, one that fails, a rollback and a scale-up are told as they happen', async t => {
  const shop = await open(t, 'live')
  const events = await streamOf(t, ports[0], '/api/events')
  await events.until(({ type }) => type === 'ready')

  await shop.apply(webService(), webDeployment('web:1'))
  await shop.settled('web:1', ({ status }) => status.readyReplicas === 2)
  await app(events, 'web:1 to be ready', { status: 'ready', revision: 1, target: { name: 'web:1' } })
  const pods = await until('both pods', () => {
    const ready = events.told.filter(isReadyInstance('live'))
    return new Set(ready.map(({ payload }) => payload.id)).size === 2 && ready
  })
  t.match(pods[0]?.payload, {
    app: 'live/web',
    image: 'web:1',
    revision: 1,
    sidecar: 'spa-reloader-sidecar:test',
    capture: 'name',
    node: /^node-\d$/,
  })

  const letGo = shop.hold(pod => imageOf(pod) === 'web:2')
  await shop.setImage('web:2')
  await app(events, 'web:2 to roll', { status: 'rolling', target: { name: 'web:2' } })
  letGo()
  await app(events, 'web:2 to be ready', { status: 'ready', revision: 2, previous: { name: 'web:1' } })

  const { stuck, forget } = await rollOutMissing(cluster, shop, 'Back-off pulling image: no such image')
  await app(events, 'the failure', { status: 'failing', message: /^1 pod does not start: ImagePullBackOff/ })
  await events.until(
    ({ type, payload }) =>
      type === 'instance_status' &&
      payload.id === `live/${stuck.metadata.name}` &&
      payload.phase === 'failing' &&
      String(payload.reason).includes('no such image'),
  )

  await shop.kubectl('rollout undo deployment/web')
  await app(events, 'the rollback', { status: 'ready', revision: 4, target: { name: 'web:2' } })
  await events.until(
    ({ type, payload }) => type === 'instance_gone' && payload.id === `live/${stuck.metadata.name}`,
  )
  forget()

  await shop.scale(3)
  await app(events, 'the third pod', { status: 'ready', revision: 4, replicas: { desired: 3, available: 3 } })
})

t.test('why an app is not injected is said', async t => {
  const shop = await open(t, 'bare')
  await shop.apply(webDeployment('web:1', { labels: { [label.inject]: 'false' } }), webService())
  const events = await streamOf(t, ports[1], '/api/events')
  const told = await app(
    events,
    'the reason',
    { injection: { state: 'none', why: [/^opted-out: /] } },
    'bare',
  )
  t.equal(told.namespace, 'bare')
})

t.test(
  'the log of a deployment is the same from both replicas, and from one that was started anew',
  async t => {
    const shop = await open(t, 'log')
    await shop.apply(webService(), webDeployment('web:1'))
    await shop.told('web:1', ({ phase }) => phase === 'ready')
    await shop.kubectl('set image deployment/web web=web:2')
    await shop.told('web:2', ({ phase, revision }) => phase === 'ready' && revision === 2)
    await until('the old pods to be gone', async () => (await shop.pods()).length === 2)

    const expected = [
      /image of web: web:1 → web:2/,
      /[Ss]caled up replica set web-\w+ from 0 to 1/,
      /[Ss]caled down replica set web-\w+ from \d to 0/,
      /successfully rolled out/,
    ]
    let texts: string[] = []
    const isThere = (line: RegExp) => texts.some(text => line.test(text))
    // Kubernetes' own Events may come later than what they tell of.
    const first = await until(
      () => `${expected.filter(line => !isThere(line)).join(', ')} in the log`,
      async () => {
        const log = await logOf(ports[0], 'log/web@2')
        texts = log.lines.map(({ text }) => String(text))
        return expected.every(isThere) && log
      },
    )
    t.match(first.deploy, {
      status: 'complete',
      by: 'kubectl-set',
      changes: ['image of web: web:1 → web:2'],
      version: { name: 'web:2' },
    })
    const times = first.lines.map(({ at }) => Date.parse(String(at)))
    t.same(
      times,
      times.toSorted((a, b) => a - b),
      'oldest first',
    )

    await tellTheSame('log/web@2')
    await (replicas[0] as Replica).kill()
    replicas[0] = await startWith(ports[0])
    await tellTheSame('log/web@2')
  },
)

async function startWith(consolePort: number): Promise<Replica> {
  const replica = await start({ SPA_CONSOLE_PORT: String(consolePort) })
  await until('its console', () =>
    fetch(`http://127.0.0.1:${consolePort}/api/apps`).then(
      ({ ok }) => ok,
      () => false,
    ),
  )
  return replica
}

async function streamOf(t: Parameters<typeof open>[0], port: number, path: string): Promise<Stream> {
  const stream = await openStream(port, path)
  t.teardown(stream.close)
  t.equal(stream.status, 200)
  return stream
}

/** The newest state of an app that is as it is meant; the test fails when none comes. */
async function app(
  events: Stream,
  what: string,
  meant: Record<string, unknown>,
  namespace = 'live',
): Promise<Record<string, unknown>> {
  const isOf = ({ id }: Record<string, unknown>) => id === `${namespace}/web`
  const seen = () =>
    events.told.flatMap(({ type, payload }) =>
      type === 'app_status' ? [payload] : type === 'apps' ? (payload as unknown as Payload[]) : [],
    )
  return until(
    () => `${what}; the last was ${JSON.stringify(seen().findLast(isOf))}`,
    () => {
      const last = seen().findLast(isOf)
      return last && fits(last, meant) && last
    },
  )
}

type Payload = Record<string, unknown>

function fits(value: unknown, meant: unknown): boolean {
  if (meant instanceof RegExp) return meant.test(String(value))
  if (typeof meant !== 'object' || meant === null) return value === meant
  const has = (value ?? {}) as Payload
  return Object.entries(meant).every(([key, wish]) => fits(has[key], wish))
}

function isReadyInstance(namespace: string) {
  return ({ type, payload }: Told) =>
    type === 'instance_status' && payload.app === `${namespace}/web` && payload.phase === 'ready'
}

/** Waits until both replicas do. */
async function tellTheSame(id: string): Promise<void> {
  let logs: unknown[] = []
  await until(
    () => `both replicas to tell the same: ${JSON.stringify(logs, undefined, 1)}`,
    async () => {
      logs = await Promise.all(ports.map(port => logOf(port, id)))
      return isDeepStrictEqual(logs[0], logs[1])
    },
  )
}

async function logOf(port: number, id: string) {
  const stream = await openStream(port, `/api/deploys/${encodeURIComponent(id)}/logs`)
  await stream.until(({ type }) => type === 'end').finally(stream.close)
  const lines = new Map<unknown, Payload>()
  let deploy: unknown
  for (const { type, payload } of stream.told) {
    if (type === 'reset' || type === 'deploy_status') deploy = type === 'reset' ? payload.deploy : payload
    if (type === 'deploy_log') for (const line of payload as unknown as Payload[]) lines.set(line.id, line)
  }
  return { deploy, lines: [...lines.values()] }
}
