import t from 'tap'
import type { ApiRequest } from '../../release/api.ts'
import { parseDeployment } from '../../release/objects.ts'
import { createRestarts } from '../../webhook/restarts.ts'

/** One that has come to rest. */
function deployment(name: string, { paused = false } = {}) {
  return parseDeployment({
    metadata: { namespace: 'shop', name, uid: name, generation: 1 },
    spec: { paused, replicas: 1 },
    status: { observedGeneration: 1, replicas: 1, updatedReplicas: 1 },
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
