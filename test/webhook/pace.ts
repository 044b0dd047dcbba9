import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { ApiRequest, ApiResponse } from '../../release/api.ts'
import { createPace } from '../../webhook/pace.ts'

t.test('no more at a time than agreed, the small ones first', async t => {
  const { api, order, most } = server()
  const pace = createPace(api, 2)
  const large = pace.of(100)
  const small = pace.of(2)
  const asked = [
    ...Array.from({ length: 5 }, (_, index) => large.request({ path: `/large/${index}` })),
    ...Array.from({ length: 2 }, (_, index) => small.request({ path: `/small/${index}` })),
  ]
  t.equal(pace.isFull(), true)
  await Promise.all(asked)
  t.equal(pace.isFull(), false)
  t.equal(most(), 2)
  t.same(order, ['/large/0', '/large/1', '/small/0', '/small/1', '/large/2', '/large/3', '/large/4'])
})

t.test('after 429 everybody waits as long as the API server asks, and then it is tried again', async t => {
  const { api, times } = server(request => (request === 1 ? 429 : 200))
  const pace = createPace(api, 2).of(2)
  const start = performance.now()
  const answers = await Promise.all([pace.request({ path: '/a' }), pace.request({ path: '/b' })])
  t.same(
    answers.map(({ status }) => status),
    [200, 200],
  )
  t.equal(times.length, 3)
  t.ok((times[2] ?? 0) - start >= 990, `${times[2]}`)
})

t.test('one that is always refused is given back in the end, and a failure frees its place', async t => {
  let isBroken = true
  const api = {
    request: async (): Promise<ApiResponse> => {
      if (isBroken) throw new Error('no route')
      return { status: 200, headers: {}, body: '' }
    },
  }
  const pace = createPace(api, 1).of(1)
  await t.rejects(pace.request({ path: '/a' }), { message: 'no route' })
  isBroken = false
  t.match(await pace.request({ path: '/b' }), { status: 200 })
})

function server(statusOf: (request: number) => number = () => 200) {
  const order: string[] = []
  const times: number[] = []
  let [running, most] = [0, 0]
  return {
    order,
    times,
    most: () => most,
    api: {
      async request({ path }: ApiRequest): Promise<ApiResponse> {
        times.push(performance.now())
        const status = statusOf(order.push(path))
        most = Math.max(most, ++running)
        await sleep(5)
        running--
        return { status, headers: {}, body: '' }
      },
    },
  }
}
