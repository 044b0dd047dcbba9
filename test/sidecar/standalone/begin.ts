import t from 'tap'
import { createChange } from '../../../sidecar/server/change.ts'
import { begin } from '../../../sidecar/standalone/begin.ts'
import { nextRelease } from '../../../release/next.ts'
import { a, b, onA, onB, rollingToB, webA, webB, world } from '../../release/cluster.ts'

const at = (second: number) => new Date(Date.UTC(2026, 10, 22, 10, 0, second))

function start(facts: typeof onA) {
  const seen = world(facts)
  return begin(nextRelease(undefined, seen, at(0))!, seen.pods, at(0).getTime())
}

t.test('what is finished when the process starts is no news', async t => {
  const { state } = start(onB)
  t.match(state, { phase: 'ready', target: { id: b }, previous: null })
  const isChange = createChange()
  t.notOk(isChange(state))
})

t.test('a rollout that is under way then is told when it is finished, with what was live before', async t => {
  const first = start(rollingToB)
  t.match(first.state, { phase: 'rolling', previous: { id: a, name: 'web:1' } })
  const last = nextRelease(first, world(onB), at(1))!
  t.match(last.state, { phase: 'ready', target: { id: b }, previous: { id: a, name: 'web:1' } })
  const isChange = createChange()
  t.same(
    [first, last].map(({ state }) => isChange(state)),
    [false, true],
  )
})

t.test('a restart of the same bytes that is under way then is no news', async t => {
  const same = { ...webB, image: webA.image }
  const [before, after] = [rollingToB.pods[0]!, { hash: 'bbb', digest: a }]
  const rolling = { ...rollingToB, replicaSets: [webA, same], pods: [before, { ...after, ready: false }] }
  const first = start(rolling)
  const last = nextRelease(
    first,
    world({ ...onB, replicaSets: [{ ...webA, replicas: 0 }, same], pods: [after] }),
    at(1),
  )!
  t.equal(last.state.phase, 'ready')
  const isChange = createChange()
  t.same(
    [first, last].map(({ state }) => isChange(state)),
    [false, false],
  )
})

t.test('who heard an earlier process believes this one', async t => {
  const seen = world(onA)
  const earlier = start(onA).state.serial
  const later = begin(nextRelease(undefined, seen, at(9))!, seen.pods, at(9).getTime()).state.serial
  t.ok(later > earlier)
})
