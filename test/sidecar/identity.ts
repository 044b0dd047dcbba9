import t from 'tap'
import { pageIdentity, pageMeta, pageTag } from '../../sidecar/identity.ts'
import { newId, oldId, releaseState } from './state.ts'

t.test('a page is told the id of its build once that is ready', async t => {
  t.equal(
    pageIdentity('web', '6c487dcc49', releaseState()),
    `spa;desc="web-6c487dcc49", spa-id;desc="${newId}"`,
  )
})

t.test(
  'a page of another build than the target has no id: a re-used ReplicaSet may serve other bytes. It names the state',
  async t => {
    const page = 'spa;desc="web-5d9fb7c6b8", spa-state;desc="t3k9x1-d3f1c2aa.31"'
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
    t.equal(
      pageIdentity('web', hash, releaseState({ live: [] })),
      `spa;desc="web-${hash}", spa-state;desc="t3k9x1-d3f1c2aa.31"`,
    )
  },
)

t.test('no id is told while the state does not know it', async t => {
  const page = 'spa;desc="web-6c487dcc49"'
  t.equal(pageIdentity('web', '6c487dcc49', undefined), page)
  const target = { id: '', name: 'registry/web:1.15', hash: '6c487dcc49' }
  t.equal(
    pageIdentity('web', '6c487dcc49', releaseState({ target, serial: 4 })),
    `${page}, spa-state;desc="t3k9x1-d3f1c2aa.4"`,
  )
})

t.test('what somebody wrote into the annotation by hand does not get into a header', async t => {
  const state = releaseState({ epoch: 'x"\r\nSet-Cookie: a', phase: 'rolling' })
  t.equal(pageIdentity('web', '6c487dcc49', state), 'spa;desc="web-6c487dcc49"')
  t.equal(pageTag('web', '6c487dcc49', state), 'web-6c487dcc49')
  t.equal(pageMeta('web', '6c487dcc49', state), '<meta name="spa-version" content="web-6c487dcc49">')
})

t.test('a stamped page says what the header says', async t => {
  const meta = '<meta name="spa-version" content="web-6c487dcc49"'
  t.equal(pageMeta('web', '6c487dcc49', releaseState()), `${meta} data-id="${newId}">`)
  const rolling = releaseState({ phase: 'rolling' })
  t.equal(pageMeta('web', '6c487dcc49', rolling), `${meta} data-state="t3k9x1-d3f1c2aa.31">`)
})

t.test(
  'the ETags of pages name the version, and the id as soon as the Server-Timing header does',
  async t => {
    t.equal(pageTag('web', '6c487dcc49', undefined), 'web-6c487dcc49')
    t.equal(pageTag('web', '5d9fb7c6b8', releaseState()), 'web-5d9fb7c6b8.t3k9x1-d3f1c2aa.31')
    const { id, hash } = releaseState().target
    t.equal(pageTag('web', hash, releaseState()), `web-${hash}.${id.slice(0, 16)}`)
  },
)
