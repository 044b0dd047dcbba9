import t from 'tap'
import { annotation } from '../../protocol/names.ts'
import type { ApiRequest } from '../../release/api.ts'
import { parseDeployment } from '../../release/objects.ts'
import { createRestarts } from '../../webhook/restarts.ts'

/** One that has no old pods. */
function deployment(name: string, { paused = false, restarted = '', generation = 1, available = 1 } = {}) {
  const template = { metadata: { annotations: { [annotation.restarted]: restarted } } }
  return parseDeployment({
    metadata: { namespace: 'shop', name, uid: name, generation },
    spec: { paused, replicas: 1, template },
    status: { observedGeneration: generation, replicas: 1, updatedReplicas: 1, availableReplicas: available },
  })!
}

t.test('a paused Deployment is left to its people, and takes nobody his turn', async t => {
  const requests: ApiRequest[] = []
  const { ask } = createRestarts({
    writer: {
      async request(request) {
        requests.push(request)
        return { status: 200, headers: {}, body: {} }
      },
    },
    log: () => {},
  })
  const paused = deployment('paused', { paused: true })
  t.same([await ask(paused, 'missed'), await ask(paused, 'stuck')], ['waits', 'waits'])
  t.same(requests, [])
  t.equal(await ask(deployment('web'), 'missed'), 'restarted')
  t.match(requests, [{ path: /deployments\/web$/ }])
  t.equal(await ask(deployment('next'), 'missed'), 'waits')
  t.equal(await ask(deployment('paused'), 'missed'), 'waits', 'resumed, it has its turn after the others')
})

t.test(
  'what we restarted for its missed pods is freed at once where they get stuck, and then let be',
  async t => {
    let status = 200
    let ms = Date.parse('2026-11-28T12:00:00Z')
    const { ask, seen } = createRestarts({
      writer: { request: async () => ({ status, headers: {}, body: {} }) },
      log: () => {},
      now: () => new Date(ms),
    })
    t.equal(await ask(deployment('web'), 'missed'), 'restarted')
    const stuck = { restarted: '2026-11-28T12:00:00Z', generation: 2, available: 0 }
    ms += 60_000
    seen(deployment('web', stuck))
    t.equal(await ask(deployment('next'), 'missed'), 'waits', 'whether they start is not known yet')
    t.equal(await ask(deployment('web', stuck), 'missed'), 'lately')
    status = 500
    t.match(await ask(deployment('web', stuck), 'stuck'), { refused: /500/ })
    status = 200
    t.equal(await ask(deployment('web', stuck), 'stuck'), 'restarted')
    const freed = { restarted: '2026-11-28T12:01:00Z', generation: 3 }
    ms += 60_000
    t.equal(await ask(deployment('web', { ...freed, available: 0 }), 'stuck'), 'lately')
    seen(deployment('web', freed))
    t.equal(await ask(deployment('web', freed), 'stuck'), 'lately')
    t.equal(await ask(deployment('next'), 'missed'), 'restarted')
  },
)
