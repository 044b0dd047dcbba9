// What a state means for a page.

import t from 'tap'
import { isTarget, judge, place, resolveId } from '../../client/judge.ts'
import { learn } from '../../client/knowledge.ts'
import type { StateMessage } from '../../protocol/message.ts'
import { a, b, c, told } from './fixtures/release.ts'

const byHash = ({ name, hash }: typeof a) => ({ name, hash })

t.test('a page is judged by the state alone', async t => {
  const both = [
    { id: b.id, pods: 1 },
    { id: a.id, pods: 1 },
  ]
  const unknown = { name: 'web', hash: 'f00', id: a.id }
  const cases: [page: Parameters<typeof resolveId>[0], state: StateMessage | null, verdict: string][] = [
    [null, told(b, 2, 'ready'), 'unknown'],
    [a, null, 'unknown'],
    [unknown, told(b, 2, 'ready'), 'unknown'],
    [unknown, told(b, 2, 'rolling'), 'unknown'],
    [a, told(b, 2, 'rolling'), 'rolling'],
    [b, told(b, 2, 'rolling'), 'rolling'],
    [a, told(b, 2, 'ready'), 'candidate'],
    [byHash(a), told(b, 2, 'ready'), 'candidate'],
    [b, told(b, 2, 'ready'), 'current'],
    [byHash(b), told(b, 2, 'ready'), 'current'],
    [a, told(b, 2, 'ready', { live: both }), 'current'],
    [c, told(b, 2, 'ready', { live: both }), 'candidate'],
    [{ ...a, name: 'other' }, told(b, 2, 'ready'), 'candidate'],
    [a, told({ ...b, id: '' }, 2, 'ready'), 'current'],
  ]
  for (const [page, state, verdict] of cases)
    t.equal(
      judge(resolveId(page, state), state),
      verdict,
      JSON.stringify([page?.hash, state?.phase, verdict]),
    )
})

t.test(
  'the id that a page carries counts before that of its hash: a tag may have moved under one ReplicaSet',
  async t => {
    const known = [[a.hash, b.id, 3] as const, [a.id, a.id, 3] as const]
    t.equal(resolveId(a, { known }), a.id)
    t.equal(resolveId(byHash(a), { known }), b.id)
    t.equal(judge(a.id, told({ ...b, hash: a.hash }, 3, 'ready', { known })), 'candidate')
    t.equal(isTarget(a, told({ ...b, hash: a.hash }, 3, 'ready', { known })), false)
  },
)

t.test(
  'a page without an id gets it from a state that is later than the one its pod had heard of',
  async t => {
    const { epoch } = told(a, 1, 'ready')
    const page = { ...byHash(a), state: { epoch, serial: 20 } }
    t.equal(
      place(page, told(a, 2, 'rolling')),
      page,
      'not from that very one: it may be of what its ReplicaSet ran before',
    )
    t.equal(place(page, told(a, 1, 'ready')), page)
    t.same(place(page, told(a, 2, 'ready')), a)
    t.same(place(page, told(b, 2, 'ready')), a)
    t.equal(
      place(page, told(a, 2, 'ready', { epoch: 'zzzzzzz-1' })),
      page,
      'of a Deployment that was made again',
    )
    t.equal(place(page, told({ ...a, name: 'other' }, 2, 'ready')), page, 'of another Deployment')
    t.equal(
      place(page, told(a, 2, 'ready', { known: [[a.hash, '', 2]] })),
      page,
      'while nobody knows what it runs',
    )
    t.equal(place(page, null), page)
    const silent = byHash(a)
    t.equal(place(silent, told(a, 2, 'ready')), silent, 'a page whose pod had heard of nothing')
  },
)

t.test(
  'a page whose id the state does not know holds, though it knows the hash: the state may be older',
  async t => {
    const known = [[a.hash, b.id, 3] as const]
    t.equal(resolveId(a, { known }), null)
    t.equal(judge(resolveId(a, { known }), told({ ...b, hash: a.hash }, 3, 'ready', { known })), 'unknown')
    t.equal(isTarget(a, told({ ...a, id: b.id }, 3, 'ready', { known })), false)
  },
)

t.test('an id under which a version was known before is its id now', async t => {
  const known = [[a.hash, b.id, 1] as const, [a.id, b.id, 1] as const]
  t.equal(resolveId(a, { known }), b.id)
  t.equal(judge(b.id, told(b, 1, 'ready', { known })), 'current')
})

t.test('a page is the target only when the state says so', async t => {
  t.equal(isTarget(b, told(b, 2, 'ready')), true)
  t.equal(isTarget(byHash(b), told(b, 2, 'ready')), true)
  t.equal(isTarget(a, told(b, 2, 'ready')), false)
  t.equal(isTarget(null, told(b, 2, 'ready')), false)
  t.equal(isTarget(b, null), false)
  t.equal(isTarget({ ...b, hash: 'f00' }, told(b, 2, 'ready')), false)
})

t.test('of two states of one Deployment the greater stays, by epoch and then serial', async t => {
  const old = told(a, 1, 'ready')
  const next = told(b, 2, 'rolling')
  const later = told(c, 1, 'ready', { epoch: 't3k9x2-00000000' })
  const longer = told(c, 1, 'ready', { epoch: '10000000-00000000' })
  t.equal(learn(null, old, false), old)
  for (const isPresent of [true, false]) {
    t.equal(learn(old, next, isPresent), next)
    t.equal(learn(next, old, isPresent), next)
    t.equal(learn(next, told(b, 2, 'rolling'), isPresent), next)
    t.equal(learn(next, later, isPresent), later)
    t.equal(learn(later, next, isPresent), later)
    t.equal(learn(later, longer, isPresent), longer)
  }
})

t.test('of two Deployments the one that speaks over the present connection counts', async t => {
  const green = told({ name: 'green', hash: 'd4c3', id: c.id }, 1, 'ready', { epoch: 't0-0' })
  const blue = told(a, 9, 'ready')
  t.equal(learn(blue, green, true), green)
  t.equal(learn(blue, green, false), blue)
})
