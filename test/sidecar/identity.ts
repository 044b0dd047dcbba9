import t from 'tap'
import { pageIdentity, pageTag } from '../../sidecar/identity.ts'
import { newId, oldId, releaseState } from './state.ts'

t.test('a page is told the id of its build once that is ready', async t => {
  t.equal(
    pageIdentity('web', '6c487dcc49', releaseState()),
    `spa;desc="web-6c487dcc49", spa-id;desc="${newId}"`,
  )
})

t.test(
  'a page of another build than the target has its hash only: a re-used ReplicaSet may serve other bytes',
  async t => {
    const page = 'spa;desc="web-5d9fb7c6b8"'
    t.equal(pageIdentity('web', '5d9fb7c6b8', releaseState()), page)
    const target = { id: oldId, name: 'registry/web:1.14', hash: '5d9fb7c6b8' }
    const live = [{ id: oldId, pods: 1 }]
    t.equal(pageIdentity('web', '5d9fb7c6b8', releaseState({ phase: 'rolling', target, live })), page)
  },
)

t.test(
  'scaled to 0, its tag pushed again, and back: no id is told before one is seen to be live',
  async t => {
    const { hash } = releaseState().target
    t.equal(pageIdentity('web', hash, releaseState({ live: [] })), `spa;desc="web-${hash}"`)
  },
)

t.test('no id is told while the state does not know it', async t => {
  const page = 'spa;desc="web-6c487dcc49"'
  t.equal(pageIdentity('web', '6c487dcc49', undefined), page)
  const target = { id: '', name: 'registry/web:1.15', hash: '6c487dcc49' }
  t.equal(pageIdentity('web', '6c487dcc49', releaseState({ target })), page)
})

t.test(
  'the ETags of pages name the version, and the id as soon as the Server-Timing header does',
  async t => {
    t.equal(pageTag('web', '6c487dcc49', undefined), 'web-6c487dcc49')
    t.equal(pageTag('web', '5d9fb7c6b8', releaseState()), 'web-5d9fb7c6b8')
    const { id, hash } = releaseState().target
    t.equal(pageTag('web', hash, releaseState()), `web-${hash}.${id.slice(0, 16)}`)
  },
)
