// The decisions of a page, without any page.

import t from 'tap'
import { createOffer, hear, identify, serve, todo, wantsReload } from '../../client/offer.ts'
import { a, b, c, told } from './fixtures/release.ts'

const ready = hear(createOffer(a), told(b, 2, 'ready'), true)
const offered = serve(ready, b)

t.test('a candidate is verified, then offered, and withdrawn when it is none any more', async t => {
  const rolling = hear(createOffer(a), told(b, 2, 'rolling'), true)
  t.same(todo(createOffer(a), rolling), { verification: 'keep', event: null })
  t.same(todo(rolling, ready), { verification: 'start', event: null })
  t.same(todo(ready, offered), { verification: 'keep', event: 'update' })
  t.same(todo(offered, offered), { verification: 'keep', event: null })
  const back = hear(offered, told(a, 3, 'rolling'), true)
  t.same(todo(offered, back), { verification: 'stop', event: 'withdrawn' })
  const next = hear(offered, told(c, 3, 'ready'), true)
  t.same(todo(offered, next), { verification: 'start', event: 'withdrawn' })
  t.equal(next.isOffered, false)
})

t.test('nothing but the target that is announced now makes an offer', async t => {
  for (const served of [a, c, null, undefined]) t.equal(serve(ready, served).isOffered, false)
  const back = hear(ready, told(a, 3, 'ready'), true)
  t.equal(serve(back, b).isOffered, false, 'it has been rolled back')
  t.equal(serve(back, a).isOffered, false, 'it is the page itself')
})

t.test('a page that has found out its id is told of the bytes that its ReplicaSet comes to run', async t => {
  const { epoch } = told(a, 1, 'ready')
  const page = { name: 'web', hash: a.hash, state: { epoch, serial: 10 } }
  const pushed = told({ ...c, hash: a.hash }, 3, 'ready', { known: [[a.hash, c.id, 3], [a.id, a.id, 3]] }) // prettier-ignore
  const key = [epoch, 3, c.id].join()
  const placed = hear(createOffer(page), told(a, 1, 'ready'), true)
  t.same(placed.page, a)
  t.equal(hear(placed, pushed, true).candidate, key)
  t.equal(hear(createOffer(page), pushed, true).candidate, '', 'who slept through it cannot know')
  const early = hear(createOffer(null), told(a, 1, 'ready'), true)
  t.equal(hear(identify(early, page), pushed, true).candidate, key, 'also if it found itself only later')
  const late = hear(createOffer({ ...page, state: { epoch, serial: 15 } }), told(b, 2, 'ready'), true)
  t.same(hear(late, told(b, 2, 'rolling'), true).page, a)
  const missed = hear(createOffer({ name: 'web', hash: 'f00', state: { epoch, serial: 15 } }), pushed, true)
  const older = told(b, 2, 'rolling', { known: [['f00', a.id, 1]] })
  t.equal(hear(missed, older, true).page?.id, a.id, 'an older state than is known may say it')
})

t.test('a page decides once what it is', async t => {
  const late = identify(createOffer(null), a)
  t.equal(late.page, a)
  t.equal(identify(late, b).page, a)
  t.equal(identify(late, null).page, a)
  const heard = hear(createOffer(null), told(b, 2, 'ready'), true)
  t.equal(heard.candidate, '', 'a page that does not know itself holds')
  t.same(todo(heard, identify(heard, a)), { verification: 'start', event: null })
})

t.test(
  'an automatic reload is wanted while there is an offer, and the way and the page are open',
  async t => {
    const open = { auto: true, isOnline: true, isPrerendering: false }
    t.equal(wantsReload(offered, open), true)
    t.equal(wantsReload(ready, open), false)
    t.equal(wantsReload(offered, { ...open, auto: false }), false)
    t.equal(wantsReload(offered, { ...open, isOnline: false }), false)
    t.equal(wantsReload(offered, { ...open, isPrerendering: true }), false)
  },
)
