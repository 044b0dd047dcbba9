// Which rows the fleet page has, in which order, from which address; and how far a rollout is.

import t from 'tap'
import { apiUrl, appHref, deployHref, queryOf } from '../../../console/web/src/lib/address.ts'
import { imageName, progressOf, tagOf, versionLabels } from '../../../console/web/src/lib/rollout.ts'
import { sliceOf } from '../../../console/web/src/lib/rows-in-view.ts'
import {
  formatView,
  isShown,
  parseView,
  sortApps,
  sumTabs,
  tabsAhead,
  tabsBehind,
} from '../../../console/web/src/lib/rows.ts'
import { sampleApp, sampleTabs } from '../sample.ts'

const fallback = parseView('')

t.test('a view is what its address says, and the other way round', async t => {
  for (const query of ['', '?q=we+b&namespace=shop&status=failing&sort=-age', '?sort=-status', '?sort=tabs'])
    t.equal(formatView(parseView(query.slice(1))), query)
  t.same(parseView('status=strange&sort=-strange&x=1'), fallback)
  t.equal(queryOf('#/'), '')
  t.equal(queryOf('#/?q=a?b'), 'q=a?b')
})

t.test('addresses are below the document, and each part of an id is encoded', async t => {
  t.equal(appHref('shop/web'), '#/apps/shop/web')
  t.equal(deployHref('shop/web@31'), '#/deploys/shop/web/31')
  t.equal(apiUrl('events', 'http://h/below/#/apps/a/b?q=c'), 'http://h/below/api/events')
  t.equal(apiUrl('events', 'http://h/below/index.html'), 'http://h/below/api/events')
})

t.test('what wants attention comes first, and equal ones by name', async t => {
  const apps = [
    sampleApp('b', 'x'),
    sampleApp('a', 'x', { status: 'stopped' }),
    sampleApp('a', 'y', { status: 'failing' }),
    sampleApp('a', 'w'),
    sampleApp('a', 'z', { status: 'rolling' }),
  ]
  const order = (sort: string) => sortApps(apps, parseView(`sort=${sort}`)).map(({ id }) => id)
  t.same(order('status'), ['a/y', 'a/z', 'a/w', 'b/x', 'a/x'])
  t.same(order('-status'), ['a/x', 'a/w', 'b/x', 'a/z', 'a/y'])
  t.same(order('name'), ['a/w', 'a/x', 'b/x', 'a/y', 'a/z'])
  t.same(order('-namespace'), ['b/x', 'a/w', 'a/x', 'a/y', 'a/z'])
})

t.test(
  'the youngest are first by age, the unknown last by tabs, the least done first by progress',
  async t => {
    const apps = [
      sampleApp('a', 'old', { since: '2026-11-01T00:00:00Z', tabs: sampleTabs('', '', 5, 0) }),
      sampleApp('a', 'new', {
        since: '2026-11-02T00:00:00Z',
        tabs: null,
        replicas: { desired: 3, updated: 1, available: 3, old: 3 },
      }),
    ]
    const first = (sort: string) => sortApps(apps, parseView(`sort=${sort}`))[0]?.name
    t.equal(first('age'), 'new')
    t.same(
      sortApps([sampleApp('a', 'unknown', { since: '' }), ...apps], parseView('sort=age')).map(
        ({ name }) => name,
      ),
      ['new', 'old', 'unknown'],
    )
    t.equal(first('-tabs'), 'old')
    t.equal(first('progress'), 'new')
  },
)

t.test('every word must be found, in name, namespace, image or message', async t => {
  const app = sampleApp('shop', 'web', { message: 'ErrImagePull' })
  const shown = (query: string) => isShown(app, parseView(query))
  for (const query of [
    '',
    'q=WEB',
    'q=shop/web',
    'q=errimage+shop',
    'q=1.15',
    'namespace=shop',
    'status=ready',
  ])
    t.ok(shown(query), query)
  for (const query of ['q=wxb', 'q=web+nothing', 'namespace=sho', 'status=rolling'])
    t.notOk(shown(query), query)
})

t.test('tabs that are behind are those that say so', async t => {
  t.equal(
    tabsBehind(sampleApp('a', 'b', { tabs: { ...sampleTabs('', '', 5, 3), unnamed: 2, total: 10 } })),
    3,
  )
  t.equal(tabsBehind(sampleApp('a', 'b', { tabs: null })), 0)
})

t.test('while a version rolls out, nobody is behind, and nobody shows the current version', async t => {
  const rolling = sampleApp('a', 'b', { phase: 'rolling', tabs: sampleTabs('', '', 3, 10_000) })
  t.same([tabsBehind(rolling), tabsAhead(rolling)], [0, 3])
  const ready = sampleApp('a', 'c', { tabs: sampleTabs('', '', 5, 1) })
  t.same([tabsBehind(ready), tabsAhead(ready)], [1, 0])
  t.same(sumTabs([rolling, ready, sampleApp('a', 'd', { phase: null, tabs: null })]), {
    all: 10_009,
    settled: 6,
    current: 5,
  })
})

t.test('a rollout is never shown further than it is', async t => {
  const done = (desired: number, updated: number, available: number, old: number) => {
    const { done, going } = progressOf({ desired, updated, available, old })
    return [done, going]
  }
  t.same(done(3, 1, 3, 3), [0, 1], 'the old ones are the available ones')
  t.same(done(3, 2, 3, 2), [1, 1])
  t.same(done(3, 3, 3, 0), [3, 0])
  t.same(done(3, 0, 3, 3), [0, 0])
  t.same(done(3, 1, 1, 3), [0, 1], 'old ones that are not available either')
  t.same(done(0, 0, 0, 0), [0, 0])
})

t.test('versions are told apart by as little as possible', async t => {
  const version = (name: string, id = 'a'.repeat(64)) => ({ name, id })
  const short = (...of: Parameters<typeof versionLabels>) => {
    const { from, to } = versionLabels(...of)
    return [from?.short, to.short]
  }
  t.same(short(version('r/web:2'), version('r/web:1')), ['1', '2'])
  t.same(short(version('r/web:2'), null), [undefined, '2'])
  t.same(short(version('web:latest', 'b'.repeat(64)), version('web:latest')), [
    'latest aaaaaaa',
    'latest bbbbbbb',
  ])
  t.same(short(version('', ''), null), [undefined, '–'])
  for (const [image, name, tag] of [
    ['web', 'web', 'latest'],
    ['registry:5000/shop/web:1.15', 'web', '1.15'],
    ['registry:5000/shop/web', 'web', 'latest'],
    [`r/web@sha256:${'c'.repeat(64)}`, 'web', 'ccccccc'],
    [`r/web:1@sha256:${'c'.repeat(64)}`, 'web', '1'],
    ['', '', ''],
  ] as const)
    t.same([imageName(image), tagOf(image)], [name, tag], image)
})

t.test('of many rows those in view are there, and some around them; few are all there', async t => {
  t.same(sliceOf(60, 40, 900, 1_700), { start: 0, end: 60, above: 0, below: 0 })
  t.same(sliceOf(500, 40, 4_000, 4_800), { start: 92, end: 128, above: 3_680, below: 14_880 })
  t.same(sliceOf(500, 40, -300, 500), { start: 0, end: 21, above: 0, below: 19_160 })
  t.same(
    sliceOf(500, 40, 90_000, 90_800),
    { start: 500, end: 500, above: 20_000, below: 0 },
    'after a filter',
  )
})
