import t from 'tap'
import { label } from '../../protocol/names.ts'
import { parseDeployment, parsePod } from '../../release/objects.ts'
import type { Told } from '../../webhook/events.ts'
import { createStamps } from '../../webhook/stamps.ts'
import { releaseState } from '../sidecar/state.ts'

const deployment = parseDeployment({ metadata: { namespace: 'shop', name: 'web', uid: 'd' } })!
const pods = ['web-0', 'web-1'].map(name =>
  parsePod({ metadata: { namespace: 'shop', name, uid: name, labels: { [label.injected]: 'true' } } })!,
)

/** An API server that refuses to have a pod changed, or not. */
function start() {
  const server = { refuses: (_name: string) => true, status: 403, unreachableFor: '' }
  const asked: string[] = []
  const told: Told[] = []
  let ms = 0
  const request = async ({ path }: { path: string }) => {
    const name = path.split('/').at(-1) ?? ''
    asked.push(name)
    if (name === server.unreachableFor) throw new Error('unreachable')
    const isRefused = server.refuses(name)
    return { status: isRefused ? server.status : 200, headers: {}, body: { message: 'denied' } }
  }
  const stamps = createStamps({
    namespace: 'shop',
    pace: { of: () => ({ request }), isFull: () => false },
    tell: event => told.push(event),
    log: () => {},
    now: () => new Date(ms),
  })
  return {
    server,
    told: () => told.map(({ message }) => message),
    count: stamps.count,
    forget: stamps.forget,
    /** Returns whom it tried, and when it wants to look again. */
    async look(
      afterMs = 0,
      { serial = 1, of = pods } = {},
    ): Promise<[asked: string[], waitMs: number | undefined]> {
      ms += afterMs
      asked.length = 0
      const waitMs = await stamps.look({
        deployment,
        state: releaseState({ serial, phase: 'rolling' }),
        pods: of,
      })
      return [[...asked], waitMs]
    },
  }
}

/** Looks as often as it is told to, for so long; returns how long it has to wait at the end. */
async function lookFor(ms: number, look: ReturnType<typeof start>['look']): Promise<number> {
  let passedMs = 0
  for (let waitMs = 0; ; waitMs = (await look(waitMs))[1]!) {
    passedMs += waitMs
    if (passedMs > ms) return waitMs
  }
}

t.test('who is refused waits also where the API server went away before the others were written', async t => {
  const { look, server, count } = start()
  server.refuses = name => name === 'web-0'
  server.unreachableFor = 'web-1'
  await t.rejects(look(), { message: 'unreachable' })
  t.equal(count(), 1)
  server.unreachableFor = ''
  t.same(await look(1_000), [['web-1'], 4_000])
})

t.test('who is refused is tried again later and later, whatever moves meanwhile', async t => {
  const { look, count } = start()
  const names = ['web-0', 'web-1']
  t.same(await look(), [names, 5_000])
  t.same(await look(1_000), [[], 4_000])
  t.same(await look(4_000), [names, 10_000])
  const waitsMs = [10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]
  for (const [index, waitMs] of waitsMs.slice(1).entries())
    t.same(await look(waitsMs[index]), [names, waitMs])
  t.same(await look(1_000, { serial: 2 }), [names, 5_000], 'a newer state is tried at once')
  t.equal(count(), 2)
})

t.test('it is told once, and only when refused again; once all have been told it is over', async t => {
  const { server, look, told, count, forget } = start()
  await look()
  t.same(told(), [])
  await look(5_000)
  t.match(told(), [/^untold: .* on 2 pods, .*: web-0: 403: denied\. /])
  await look(10_000)
  server.refuses = name => name === 'web-1'
  t.same(await look(20_000, { serial: 2 }), [['web-0', 'web-1'], 5_000])
  t.same([told().length, count()], [1, 1])
  server.refuses = () => false
  t.same(await look(5_000, { serial: 2, of: pods.slice(1) }), [['web-1'], undefined])
  t.equal(count(), 0)
  server.refuses = () => true
  await look(0, { serial: 3 })
  await look(5_000, { serial: 3 })
  t.equal(told().length, 2)
  t.same(await look(0, { serial: 3, of: [] }), [[], undefined], 'they are gone')
  await look(0, { serial: 3 })
  forget('web')
  t.equal(count(), 0)
})

for (const status of [429, 500, 503])
  t.test(
    `an API server or a webhook that is away for three minutes (${status}) is asked again soon`,
    async t => {
      const { server, look, told } = start()
      server.status = status
      const waitMs = await lookFor(3 * 60_000, look)
      t.ok(waitMs <= 15_000, `${waitMs} ms`)
      t.match(told(), [
        /^untold: the release state could not be written on 2 pods, .*: denied\. It is tried again/,
      ])
      server.refuses = () => false
      t.same(await look(waitMs), [['web-0', 'web-1'], undefined])
    },
  )

t.test('it is told again each hour, for an Event is gone by then, and when it is another matter', async t => {
  const { server, look, told } = start()
  await lookFor(2.2 * 60 * 60_000, look)
  t.equal(told().length, 3)
  server.status = 500
  await lookFor(5 * 60_000, look)
  t.equal(told().length, 4)
})
