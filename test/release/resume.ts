import t from 'tap'
import { nextRelease } from '../../release/next.ts'
import { resume } from '../../release/resume.ts'
import { a, b, onA, onB, play, rollingToB, world } from './cluster.ts'

const lost = (facts: typeof onA) => nextRelease(undefined, world(facts), new Date(0))!

t.test('a lost record goes on from what was told: serial, revision, phase, previous, known', async t => {
  const [first, , third] = play(onA, rollingToB, onB)
  const scaling = { ...onB, replicas: 3, status: { replicas: 3, updatedReplicas: 3, availableReplicas: 1 } }
  const record = resume(lost({ ...scaling, replicaSets: scaling.replicaSets.slice(1) }), third!.state)
  t.match(record.state, {
    serial: 4,
    revision: 2,
    phase: 'ready',
    since: third!.state.since,
    previous: { id: a },
    known: [
      ['bbb', b, 2],
      ['aaa', a, 1],
    ],
  })
  t.match(nextRelease(record, world(onA), new Date())?.state, { revision: 3, previous: { id: b } }, 'and on')
  t.ok(first)
})

t.test('what moved while the record was lost is a change', async t => {
  const [first] = play(onA)
  t.match(resume(lost(onB), first!.state).state, {
    serial: 2,
    revision: 2,
    phase: 'ready',
    target: { id: b },
    previous: { id: a },
  })
  t.match(resume(lost(rollingToB), first!.state).state, {
    revision: 2,
    phase: 'rolling',
    previous: { id: a },
  })
})

t.test('a revision that we had counted further than Kubernetes stays', async t => {
  const [first] = play(onA)
  const told = { ...first!.state, revision: 7 }
  t.equal(resume(lost(onA), told).state.revision, 7)
  t.equal(resume(lost(onB), told).state.revision, 8)
})
