import t from 'tap'
import { createChange } from '../../../sidecar/server/change.ts'
import { newId, oldId, releaseState } from '../state.ts'

const target = (id: string) => ({ id, name: 'registry/web', hash: 'h' })
const ready = (id: string) => releaseState({ phase: 'ready', target: target(id) })
const rolling = (id: string, from: string) =>
  releaseState({ phase: 'rolling', target: target(id), previous: { id: from, name: 'registry/web' } })

t.test('a finished rollout to other bytes is a change, once', async t => {
  const isChange = createChange()
  t.equal(isChange(ready(oldId)), false, 'the first state is a snapshot')
  t.equal(isChange(rolling(newId, oldId)), false)
  t.equal(isChange(ready(newId)), true)
  t.equal(isChange(ready(newId)), false)
  t.equal(isChange(rolling(oldId, newId)), false)
  t.equal(isChange(ready(oldId)), true, 'a rollback is one too')
})

t.test('a rollout taken back before it was finished, and a restart, are none', async t => {
  const isChange = createChange()
  isChange(ready(oldId))
  t.equal(isChange(rolling(newId, oldId)), false)
  t.equal(isChange(rolling(oldId, oldId)), false)
  t.equal(isChange(ready(oldId)), false)
})

t.test('a pod that starts in mid-rollout tells when that is finished', async t => {
  const isChange = createChange()
  t.equal(isChange(rolling(newId, oldId)), false)
  t.equal(isChange(ready(newId)), true)
})

t.test(
  'an id that was renamed since is no change, and the bytes that it named are known by the new name',
  async t => {
    const isChange = createChange()
    isChange(ready(newId))
    const older = '1'.repeat(64)
    t.equal(isChange({ ...ready(older), known: [[newId, older, 7]] }), false)
    t.equal(isChange(ready(older)), false)
    t.equal(isChange(ready(oldId)), true)
  },
)
