import t from 'tap'
import { compareStates, parseReleaseState } from '../../protocol/release.ts'

const id = '9f2c'.repeat(16)
const state = {
  namespace: 'shop',
  name: 'web',
  epoch: 't3k9x1-d3f1c2aa',
  serial: 31,
  revision: 7,
  phase: 'ready',
  since: '2026-11-22T09:00:00.000Z',
  target: { id, name: 'web:1', hash: '6c487dcc49' },
  previous: null,
  live: [{ id, pods: 3 }],
  known: [['6c487dcc49', id, 7]],
  why: 'rollout',
}

t.test('a state survives its way through an annotation', async t => {
  t.same(parseReleaseState(JSON.parse(JSON.stringify(state))), state)
  t.same(parseReleaseState({ ...state, switched: true }), { ...state, switched: true })
  t.same(parseReleaseState({ ...state, switched: false }), state)
})

t.test('a target without a digest yet is a state, a wrong digest is none', async t => {
  t.ok(parseReleaseState({ ...state, phase: 'rolling', target: { ...state.target, id: '' } }))
  t.equal(parseReleaseState({ ...state, target: { ...state.target, id: 'sha256:1' } }), undefined)
})

t.test('what is not a state gives nothing', async t => {
  for (const data of [
    undefined,
    null,
    'text',
    7,
    [],
    {},
    { ...state, name: '' },
    { ...state, epoch: '' },
    { ...state, serial: 1.5 },
    { ...state, target: undefined },
    { ...state, target: { id, name: 'web:1' } },
    { ...state, live: 'all' },
    { ...state, known: [[1, 2, 3]] },
  ])
    t.equal(parseReleaseState(data), undefined)
})

t.test('the later epoch is the greater, then the greater serial', async t => {
  const at = (epoch: string, serial: number) => ({ epoch, serial })
  t.ok(compareStates(at('t3k9x1-a', 9), at('t3k9x2-a', 1)) < 0)
  t.ok(compareStates(at('t3k9x1-a', 10), at('t3k9x1-a', 9)) > 0, 'serials are numbers')
  t.ok(compareStates(at('zzzzzz-a', 1), at('1000000-a', 1)) < 0, 'a longer base 36 number is later')
  t.equal(compareStates(at('t3k9x1-a', 9), at('t3k9x1-a', 9)), 0)
})
