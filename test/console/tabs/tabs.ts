// Tabs: asked for over real sockets, and put together.

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { askTabs } from '../../../console/tabs/ask.ts'
import { sumTabs } from '../../../console/tabs/sum.ts'
import { createTabs } from '../../../console/tabs/tabs.ts'
import type { PodTabs } from '../../../protocol/tabs.ts'
import type { ReleaseRecord } from '../../../release/record.ts'
import { createWorld, pod } from '../fixtures/cluster.ts'

const [first, second] = ['1'.repeat(64), '2'.repeat(64)]
const record = {
  state: {
    epoch: 'e',
    revision: 2,
    phase: 'ready',
    target: { id: second, hash: 'h2', name: 'web:2' },
    known: [
      ['h2', second, 2],
      ['h1', first, 1],
    ],
  },
  replicaSets: [
    { hash: 'h1', image: 'web:1' },
    { hash: 'h2', image: 'web:2' },
  ],
} as unknown as ReleaseRecord

const since = '2026-11-28T02:00:00Z'
const history = (samples: NonNullable<PodTabs['history']>['samples'], revision = 2) =>
  ({ epoch: 'e', revision, phase: 'ready', since, samples }) as const

t.test('the tabs of all pods, by version, and how they moved', async t => {
  const answers: (PodTabs | undefined)[] = [
    {
      total: 5,
      unnamed: 1,
      pages: [
        ['web-h2', 3],
        ['web-h1', 1],
      ],
      history: history([
        [0, 4, [['web-h1', 4]]],
        [
          10,
          5,
          [
            ['web-h2', 3],
            ['web-h1', 1],
          ],
        ],
      ]),
    },
    { total: 2, unnamed: 0, pages: [['web-h2', 2]], history: history([[5, 2, [['web-h2', 2]]]]) },
    { total: 1, unnamed: 0, pages: [['web-h0', 1]], history: history([[0, 99, []]], 1) }, // it tells the state before
    undefined,
  ]
  t.same(sumTabs(answers, record), {
    total: 8,
    current: 5,
    versions: [
      { hash: 'h2', id: second, revision: 2, image: 'web:2', tabs: 5 },
      { hash: 'h1', id: first, revision: 1, image: 'web:1', tabs: 1 },
      { hash: 'h0', id: '', revision: 0, image: '', tabs: 1 },
    ],
    unnamed: 1,
    unknownPods: 1,
    adoption: [
      [0, 0, 4],
      [5, 2, 6],
      [10, 5, 7],
    ],
  })
})

t.test('a hash is one version, whatever Deployment a page names before it: anybody can name any', async t => {
  const pages: PodTabs['pages'] = [
    ['web-h1', 3],
    ['nosuch-h1', 1],
    ['nor-such-h9', 1],
    ['nosuch-h9', 1],
  ]
  const { versions } = sumTabs([{ total: 6, unnamed: 0, pages, history: null }], record)
  t.same(versions, [
    { hash: 'h1', id: first, revision: 1, image: 'web:1', tabs: 4 },
    { hash: 'h9', id: '', revision: 0, image: '', tabs: 2 },
  ])
})

t.test('a curve has 64 points at most', async t => {
  const samples = (offset: number) =>
    Array.from({ length: 60 }, (_, index): [number, number, []] => [2 * index + offset, 1, []])
  const answers = [0, 1].map((offset): PodTabs => ({
    total: 1,
    unnamed: 0,
    pages: [],
    history: history(samples(offset)),
  }))
  const { adoption } = sumTabs(answers, record)
  t.equal(adoption.length, 64)
  t.same([adoption[0]?.[0], adoption.at(-1)?.[0]], [0, 119])
})

t.test('what is no answer of a sidecar is none', async t => {
  const bodies: Record<string, string> = {
    '1': '{"total":1,"unnamed":0,"pages":[["web-h1",1]],"history":null}',
    '2': '<html>',
    '3': '{"total":-1}',
    '4': `"${'x'.repeat(600_000)}"`,
  }
  let body: string | undefined
  const server = createServer((_, response) => {
    if (body === undefined) return // never
    response.end(body)
  }).listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  body = bodies['1']
  t.match(await askTabs('127.0.0.1', port), { total: 1, pages: [['web-h1', 1]] })
  for (const wrong of ['2', '3', '4']) {
    body = bodies[wrong]
    t.equal(await askTabs('127.0.0.1', port), undefined, wrong)
  }
  body = undefined
  t.equal(await askTabs('127.0.0.1', port), undefined, 'silence')
  t.equal(await askTabs('127.0.0.1', 1), undefined, 'nobody listens')
})

t.test('each injected pod is asked at its address, 16 at a time, and only while somebody looks', async t => {
  const world = createWorld()
  for (let index = 0; index < 40; index += 1)
    world.pods.set(`${index}`, pod({ name: `web-h1-${index}`, status: { podIP: `fd00::${index}` } }))
  world.pods.set('bare', pod({ name: 'bare', injected: false, status: { podIP: 'fd00::f' } }))
  world.pods.set('new', pod({ name: 'new' })) // has no address yet
  world.source.statusOf = () => ({ capture: 'name', image: '', admin: 14021 })
  const asked: string[] = []
  let [now, most, calls] = [0, 0, 0]
  let done!: () => void
  const all = new Promise<void>(resolve => (done = resolve))
  const changed = new Set<string>()
  const tabs = createTabs({
    source: world.source,
    everyMs: 60_000,
    onChanged: (namespace, deployment) => {
      changed.add(`${namespace}/${deployment}`)
      calls += 1
      if (calls === 40) setImmediate(done)
    },
    async ask(host, port) {
      asked.push(`${host} ${port}`)
      most = Math.max(most, ++now)
      await new Promise(setImmediate)
      now -= 1
      return host === 'fd00::7' ? undefined : { total: 2, unnamed: 0, pages: [], history: null }
    },
  })
  t.same(asked, [])
  tabs.start()
  await all
  t.equal(new Set(asked).size, 40)
  t.ok(asked.includes('fd00::0 14021'))
  t.equal(most, 16)
  t.same([...changed], ['shop/web'])
  t.equal(tabs.ofPod(world.pods.get('3')!), 2)
  t.equal(tabs.ofPod(world.pods.get('7')!), null)
  tabs.stop()
  t.equal(tabs.ofPod(world.pods.get('3')!), null)
})
