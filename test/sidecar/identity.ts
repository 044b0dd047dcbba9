import t from 'tap'
import { pageIdentity } from '../../sidecar/identity.ts'
import { newId, oldId, releaseState } from './state.ts'

t.test('a page is told its own build, also when the Deployment has moved on', async t => {
  t.equal(
    pageIdentity('web', '5d9fb7c6b8', releaseState()),
    `spa;desc="web-5d9fb7c6b8", spa-id;desc="${oldId}"`,
  )
  t.equal(
    pageIdentity('web', '6c487dcc49', releaseState()),
    `spa;desc="web-6c487dcc49", spa-id;desc="${newId}"`,
  )
})

t.test('no id is told while the state does not know it', async t => {
  const page = 'spa;desc="web-6c487dcc49"'
  t.equal(pageIdentity('web', '6c487dcc49', undefined), page)
  t.equal(pageIdentity('web', '6c487dcc49', releaseState({ known: [] })), page)
  t.equal(pageIdentity('web', '6c487dcc49', releaseState({ known: [['6c487dcc49', '', 7]] })), page)
})
