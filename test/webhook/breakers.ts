// The breaker of one Deployment, kept on its Release: here that is a string, and the API server says yes.

import t from 'tap'
import { annotation, label, option } from '../../protocol/names.ts'
import type { Api } from '../../release/api.ts'
import { parseDeployment, parsePod } from '../../release/objects.ts'
import type { Pod } from '../../release/objects.ts'
import { object } from '../../release/raw.ts'
import { createBreakers } from '../../webhook/breakers.ts'
import type { Restarts } from '../../webhook/restarts.ts'

const image = 'spa-reloader-sidecar:1'
const minuteMs = 60_000
const deployment = parseDeployment({ metadata: { namespace: 'shop', name: 'web', uid: 'd' }, spec: {} })!

function pod(injected: boolean, waiting: string): Pod {
  const name = 'spa-reloader'
  return parsePod({
    metadata: {
      namespace: 'shop',
      name: 'web-1',
      uid: 'p',
      labels: injected ? { [label.injected]: 'true' } : {},
    },
    spec: { containers: [{ name: 'web', image: 'web:1' }, ...(injected ? [{ name, image }] : [])] },
    status: { containerStatuses: injected ? [{ name, state: { waiting: { reason: waiting } } }] : [] },
  })!
}

const stuck = pod(true, 'ErrImagePull')
const bare = pod(false, '')

function start(restart: Awaited<ReturnType<Restarts['ask']>> = 'restarted', defaults = {}) {
  let ms = Date.parse('2026-11-28T12:00:00Z')
  /** On the Release. */
  let text: string | undefined
  const told: string[] = []
  const request: Api['request'] = async ({ body }) => {
    const value = object(object(object(body).metadata).annotations)[annotation.breaker]
    text = typeof value === 'string' ? value : undefined
    return { status: 200, headers: {}, body: {} }
  }
  const breakers = createBreakers({
    api: { request } as Api,
    writer: { request },
    namespace: 'shop',
    image,
    tell: ({ message }) => told.push(message),
    restarts: { seen: () => {}, ask: async () => restart },
    now: () => new Date(ms),
  })
  return {
    told,
    known: (copy = text) => breakers.known('web', copy),
    look(pods: Pod[], afterMs = 0) {
      ms += afterMs
      return breakers.look({ deployment, pods, replicaSets: [], text, defaults })
    },
  }
}

t.test('it is looked at again when its time has passed, and from then on when something moves', async t => {
  const { look } = start()
  t.equal(await look([stuck]), 1_000, 'the other replicas have to hear of it')
  t.equal(await look([stuck], 1_000), 10 * minuteMs - 1_000)
  t.equal(await look([bare], minuteMs), 9 * minuteMs - 1_000)
  t.equal(await look([bare], 9 * minuteMs), undefined)
})

t.test('it is known as it was written, before our copy of the Release has it', async t => {
  const { look, known } = start()
  await look([stuck])
  t.match(known(undefined), { says: 'ErrImagePull', trips: 1 })
})

t.test('it is told at each trip, with the time of the next try', async t => {
  const { look, told } = start()
  await look([stuck])
  await look([stuck], minuteMs)
  await look([stuck], 9 * minuteMs)
  t.equal(told.length, 2)
  t.match(told[0], /from starting: ErrImagePull\. .* one tries again from 2026-11-28T12:10:00\.000Z on\./)
  t.match(told[1], /tries again from 2026-11-28T12:30:00\.000Z on\./)
})

for (const restart of ['waits', 'lately', { refused: 'forbidden' }] as const)
  t.test(`pods that are stuck are looked at again (${JSON.stringify(restart)})`, async t => {
    const { look } = start(restart, { [option.restart]: 'auto' })
    await look([stuck])
    const againMs = restart === 'lately' ? minuteMs : 10_000
    t.equal(await look([stuck], 1_000), againMs)
    t.equal(await look([stuck], 10 * minuteMs - 3_000), 2_000, 'when one may try again it is told')
  })
