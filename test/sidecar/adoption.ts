import t from 'tap'
import { parsePodTabs } from '../../protocol/tabs.ts'
import type { PageTabs, TabSample } from '../../protocol/tabs.ts'
import { createAdoption, createSamples } from '../../sidecar/adoption.ts'
import { createCurrent } from '../../sidecar/current.ts'
import { createSeveralStates } from '../../sidecar/states.ts'
import { releaseState } from './state.ts'
import type { Test } from 'tap'

const since = '2026-11-22T09:00:00.000Z'
const at = (seconds: number) => Date.parse(since) + seconds * 1_000

function setUp(t: Test, states = createCurrent('web', () => {}), everyMs = 1) {
  let pages: PageTabs[] = []
  let now = at(0)
  const adoption = createAdoption({
    states,
    tabs: {
      pages: () => pages,
      count: () => ({ tabs: pages.reduce((sum, [, tabs]) => sum + tabs, 0), streams: 0, original: 0 }),
    },
    now: () => now,
    everyMs,
  })
  adoption.open()
  t.teardown(adoption.close)
  return {
    states,
    adoption,
    show: (...its: PageTabs[]) => (pages = its),
    setClock: (ms: number) => (now = ms),
  }
}

t.test('the tabs by page; those that name none are counted apart', async t => {
  const { adoption, show } = setUp(t)
  show(['none', 2], ['web-6c487dcc49', 5], ['other', 1], ['web-5d9fb7c6b8', 3])
  const pages = [
    ['web-6c487dcc49', 5],
    ['web-5d9fb7c6b8', 3],
  ]
  t.same(adoption.now(), { total: 11, unnamed: 3, pages, history: null })
})

t.test('a curve begins with each revision and phase, at the seconds since it was reached', async t => {
  const { states, adoption, show, setClock } = setUp(t, undefined, 60_000)
  show(['web-5d9fb7c6b8', 3])
  setClock(at(90))
  states.offer(releaseState({ since, serial: 1 }))
  const first = { epoch: 't3k9x1-d3f1c2aa', revision: 7, phase: 'ready', since }
  const sample = [90, 3, [['web-5d9fb7c6b8', 3]]]
  t.same(adoption.now().history, { ...first, samples: [sample] })
  states.offer(releaseState({ since, serial: 2, live: [] }))
  t.same(adoption.now().history, { ...first, samples: [sample] }, 'another serial is the same curve')

  show(['web-6c487dcc49', 3])
  states.offer(releaseState({ since, serial: 3, revision: 8, phase: 'rolling' }))
  t.match(adoption.now().history, {
    revision: 8,
    phase: 'rolling',
    samples: [[90, 3, [['web-6c487dcc49', 3]]]],
  })
  states.offer(releaseState({ since: new Date(at(80)).toISOString(), serial: 4, revision: 8 }))
  t.match(adoption.now().history, {
    revision: 8,
    phase: 'ready',
    samples: [[10, 3, [['web-6c487dcc49', 3]]]],
  })
  setClock(at(0))
  states.offer(releaseState({ since: new Date(at(80)).toISOString(), serial: 5, revision: 9 }))
  t.match(adoption.now().history, { samples: [[0]] }, 'a clock that is behind the controller’s')
  states.offer(releaseState({ since: 'once', serial: 6, revision: 10 }))
  t.match(adoption.now().history, { samples: [[0]] }, 'what is no time')
})

t.test('samples come by themselves, never more than 64, and stay a message that can be read', async t => {
  const { states, adoption, show } = setUp(t)
  states.offer(releaseState({ since }))
  for (let tabs = 1; (adoption.now().history?.samples.at(-1)?.[1] ?? 0) < 200; tabs++) {
    show(...Array.from({ length: 20 }, (_, page): PageTabs => [`web-${page}`, page + tabs]))
    await new Promise(resolve => setTimeout(resolve, 1))
  }
  const told = JSON.parse(JSON.stringify(adoption.now())) as unknown
  t.same(parsePodTabs(told), told)
  const samples = adoption.now().history?.samples ?? []
  t.ok(samples.length > 1 && samples.length <= 64, `${samples.length} samples`)
  t.same(
    samples[1]?.[2].map(([page]) => page),
    [19, 18, 17, 16, 15, 14, 13, 12].map(page => `web-${page}`),
    'the most',
  )
  adoption.close()
  const last = adoption.now().history?.samples.length
  await new Promise(resolve => setTimeout(resolve, 200))
  t.equal(adoption.now().history?.samples.length, last, 'closed')
})

t.test('a state that was known before it was opened counts', async t => {
  const states = createCurrent('web', () => {})
  states.offer(releaseState({ since }))
  t.match(setUp(t, states).adoption.now().history, { samples: [[0]] })
})

t.test('of several Deployments there is no one curve', async t => {
  const { states, adoption } = setUp(t, createSeveralStates() as ReturnType<typeof createCurrent>)
  states.offer(releaseState({ since }))
  t.equal(adoption.now().history, null)
})

t.test('full, every other sample goes, and the first stays', async t => {
  const samples = createSamples(8)
  const seconds = () => samples.all().map(([second]) => second)
  const taken: number[] = []
  for (let second = 0; second < 64; second += samples.stride()) {
    samples.add([second, 0, []] satisfies TabSample)
    taken.push(second)
    t.ok(seconds().length <= 8)
  }
  t.same(taken.slice(0, 12), [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14])
  t.same(seconds(), [0, 8, 16, 24, 32, 40, 48, 56])
})
