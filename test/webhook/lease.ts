// Leases on the demo's API server, which refuses a stale resource version as a real one does. Time is the test's.

import t from 'tap'
import type { Test } from 'tap'
import { startApiServer } from '../../demo/api-server/server.ts'
import { createApi } from '../../release/api.ts'
import type { Api, ApiRequest } from '../../release/api.ts'
import { contend, whileHeld } from '../../webhook/lease.ts'
import { connect, until } from '../demo/contract/cluster.ts'
import { kubeConfig } from '../release/server.ts'

const path = '/apis/coordination.k8s.io/v1/namespaces/spa-reloader/leases'

t.test('the first takes the Lease and keeps it; the other one waits', async t => {
  const { replica, lease } = await start(t)
  const one = replica('one')
  await until(async () => one.isHeld())
  const two = replica('two')
  await two.attempts(5)
  t.notOk(two.isHeld())
  t.match(await lease(), { spec: { holderIdentity: 'one', leaseTransitions: 0 } })
  t.match((await lease()).spec.renewTime, /\.\d{6}Z$/, 'a MicroTime')
  t.same([one.timesHeld(), two.timesHeld()], [1, 0])
})

t.test('given up, it is taken at once', async t => {
  const { replica, lease } = await start(t)
  const one = replica('one')
  await until(async () => one.isHeld())
  const two = replica('two')
  await two.attempts(2)
  await one.close()
  t.notOk(one.isHeld())
  await until(async () => two.isHeld())
  t.match(await lease(), { spec: { holderIdentity: 'two', leaseTransitions: 1 } })
})

t.test('of a holder that says nothing any more it is taken after its time, and not before', async t => {
  const { replica, clock } = await start(t)
  const one = replica('one')
  await until(async () => one.isHeld())
  const two = replica('two')
  await two.attempts(3)
  one.cut()
  clock.pass(4_900)
  await two.attempts(3)
  t.ok(one.isHeld(), 'it cannot have been taken')
  clock.pass(200)
  t.notOk(one.isHeld(), 'it stops by itself, before another one may begin')
  await two.attempts(3)
  t.notOk(two.isHeld())
  clock.pass(3_000)
  await until(async () => two.isHeld())
  one.mend()
  await one.attempts(3)
  t.notOk(one.isHeld(), 'what it has lost it does not take back')
})

t.test('a holder whose machine slept knows at once', async t => {
  const { replica, clock } = await start(t)
  const one = replica('one')
  await until(async () => one.isHeld())
  one.cut()
  clock.sleep(60_000)
  t.notOk(one.isHeld())
})

t.test('a clock that is set forward or back takes the Lease from nobody', async t => {
  const { replica, clock } = await start(t)
  const one = replica('one')
  await until(async () => one.isHeld())
  const two = replica('two')
  await two.attempts(3)
  one.cut()
  clock.sleep(3_600_000)
  await two.attempts(5)
  t.notOk(two.isHeld())
  clock.sleep(-7_200_000)
  await two.attempts(5)
  t.notOk(two.isHeld())
  one.mend()
  await until(async () => one.isHeld())
})

t.test('deleted or written by hand, it is contended for again', async t => {
  const { replica, send, lease } = await start(t)
  const one = replica('one')
  await until(async () => one.isHeld())
  const { uid } = (await lease()).metadata
  await send('DELETE', `${path}/controller`)
  await until(async () => {
    const { metadata } = await lease()
    return metadata?.uid !== undefined && metadata.uid !== uid && one.isHeld() // gone, it is held until that is noticed
  })
  await send('PATCH', `${path}/controller`, { spec: { holderIdentity: 'somebody' } })
  await until(async () => !one.isHeld())
  await send('PATCH', `${path}/controller`, { spec: { holderIdentity: '' } })
  await until(async () => one.isHeld())
  t.ok(one.timesHeld() >= 2)
})

t.test('an answer that was lost does not lose the Lease', async t => {
  const { replica, lease } = await start(t)
  const one = replica('one')
  await until(async () => one.isHeld())
  one.loseAnswers(1)
  await one.attempts(3)
  t.ok(one.isHeld())
  t.match(await lease(), { spec: { holderIdentity: 'one', leaseTransitions: 0 } })
})

t.test('who does not hold it writes nothing', async t => {
  const sent: string[] = []
  const api = {
    request: async ({ path }: ApiRequest) => ({ status: sent.push(path), headers: {}, body: '' }),
  }
  let isHeld = true
  const writer = whileHeld(api as unknown as Api, () => isHeld)
  await writer.request({ path: '/first' })
  isHeld = false
  await t.rejects(writer.request({ path: '/second' }), { message: /lease is not held/ })
  t.same(sent, ['/first'])
})

async function start(t: Test) {
  const server = await startApiServer({ log: () => {} })
  const admin = createApi(() => kubeConfig(server.url))
  t.teardown(async () => {
    admin.close()
    await server.close()
  })
  const { send } = connect(admin)
  await send('POST', '/api/v1/namespaces', {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'spa-reloader' },
  })
  let [steady, wall] = [0, Date.now()]
  const clock = {
    pass(ms: number) {
      steady += ms
      wall += ms
    },
    /** The steady clock stands still. */
    sleep: (ms: number) => void (wall += ms),
  }
  return { send, clock, lease: async () => (await send('GET', `${path}/controller`)).body, replica }

  function replica(identity: string) {
    const api = createApi(() => kubeConfig(server.url))
    let [isCut, lost, held, attempted] = [false, 0, 0, 0]
    const flaky: Api = {
      ...api,
      async request(request) {
        attempted++
        if (isCut) throw new Error('no route')
        const response = await api.request(request)
        if (request.method === 'PUT' && lost-- > 0) throw new Error('the answer is lost')
        return response
      },
    }
    const lease = contend({
      api: flaky,
      namespace: 'spa-reloader',
      name: 'controller',
      identity,
      log: () => {},
      onHeld: () => void held++,
      times: { durationMs: 8_000, deadlineMs: 5_000, retryMs: 20 },
      clock: { steady: () => steady, wall: () => wall },
    })
    t.teardown(async () => {
      await lease.close()
      api.close()
    })
    return {
      ...lease,
      timesHeld: () => held,
      cut: () => void (isCut = true),
      mend: () => void (isCut = false),
      loseAnswers: (count: number) => void (lost = count),
      /** Waits for so many requests. */
      async attempts(count: number) {
        const end = attempted + count
        await until(async () => attempted >= end)
      },
    }
  }
}
