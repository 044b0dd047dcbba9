import t from 'tap'
import { parsePodTabs } from '../../protocol/tabs.ts'

const history = {
  epoch: 't3k9x1-d3f1c2aa',
  revision: 7,
  phase: 'ready',
  since: '2026-11-22T09:00:00Z',
  samples: [
    [0, 3, [['web-5d9fb7c6b8', 3]]],
    [1, 4, []],
  ],
}
const tabs = { total: 4, unnamed: 1, pages: [['web-6c487dcc49', 3]], history }

t.test('what a pod tells of its tabs can be read, whatever else it says', async t => {
  t.same(parsePodTabs(tabs), tabs)
  t.same(parsePodTabs({ ...tabs, more: 1, history: { ...history, more: 1 } }), tabs)
  t.same(parsePodTabs({ ...tabs, history: null }), { ...tabs, history: null })
})

t.test('what is not such, or beyond the limits, is none', async t => {
  const page = ['web-6c487dcc49', 3]
  const times = (length: number, item: unknown) => Array.from({ length }, () => item)
  const sample = [0, 3, []]
  for (const data of [
    undefined,
    null,
    [],
    'tabs',
    {},
    { ...tabs, total: -1 },
    { ...tabs, total: '4' },
    { ...tabs, unnamed: 1.5 },
    { ...tabs, pages: {} },
    { ...tabs, pages: [page, null] },
    { ...tabs, pages: [['web-1', -1]] },
    { ...tabs, pages: [[1, 1]] },
    { ...tabs, pages: [['x'.repeat(300), 1]] },
    { ...tabs, pages: times(65, page) },
    { ...tabs, history: undefined },
    { ...tabs, history: { ...history, phase: 'done' } },
    { ...tabs, history: { ...history, since: 0 } },
    { ...tabs, history: { ...history, samples: null } },
    { ...tabs, history: { ...history, samples: [null] } },
    { ...tabs, history: { ...history, samples: [[0, 3]] } },
    { ...tabs, history: { ...history, samples: [[-1, 3, []]] } },
    { ...tabs, history: { ...history, samples: [[0, 3, times(9, page)]] } },
    { ...tabs, history: { ...history, samples: times(65, sample) } },
  ])
    t.equal(parsePodTabs(data), undefined, JSON.stringify(data)?.slice(0, 90))
})
