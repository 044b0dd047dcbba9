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
  const server = { refuses: (_name: string) => true }
  const asked: string[] = []
  const told: Told[] = []
  let ms = 0
  const request = async ({ path }: { path: string }) => {
    const name = path.split('/').at(-1) ?? ''
    asked.push(name)
    const isRefused = server.refuses(name)
    return { status: isRefused ? 403 : 200, headers: {}, body: { message: 'denied' } }
  }
  const stamps = createStamps({
    namespace: 'shop',
    pace: { of: () => ({ request }) },
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
    async look(afterMs = 0, { serial = 1, of = pods } = {}) {
      ms += afterMs
      const waitMs = await stamps.look({ deployment, state: releaseState({ serial }), pods: of })
      return [asked.splice(0), waitMs]
    },
  }
}

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
