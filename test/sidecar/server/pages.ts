import t from 'tap'
import { createPages } from '../../../sidecar/server/pages.ts'

t.test(
  'tabs are counted by the version of their page, and a version that nobody shows is forgotten',
  async t => {
    const pages = createPages()
    const first = pages.enter('web-6c487dcc49')
    const second = pages.enter('web-6c487dcc49')
    const other = pages.enter('my.web-app-5d9fb7c6b8')
    t.same(pages.counts(), [
      ['web-6c487dcc49', 2],
      ['my.web-app-5d9fb7c6b8', 1],
    ])
    pages.leave(other)
    pages.leave(first)
    t.same(pages.counts(), [['web-6c487dcc49', 1]])
    pages.leave(second)
    t.same(pages.counts(), [])
  },
)

t.test('what is no version is counted as other or none, not by its name', async t => {
  const pages = createPages()
  for (const nonsense of ['"', 'web', 'a-b\n', `${'a'.repeat(300)}-b`, 'Web-1', '-1', 'web-'])
    pages.enter(nonsense)
  pages.enter(undefined)
  pages.enter('')
  t.same(pages.counts(), [
    ['none', 2],
    ['other', 7],
  ])
})

t.test('the number of names is bounded, and a name that is free again can be used', async t => {
  const pages = createPages(2)
  const first = pages.enter('web-1')
  pages.enter('web-2')
  const late = pages.enter('web-3')
  t.same(pages.counts(), [
    ['other', 1],
    ['web-1', 1],
    ['web-2', 1],
  ])
  pages.leave(first)
  pages.leave(late)
  pages.enter('web-4')
  t.same(pages.counts(), [
    ['web-4', 1],
    ['web-2', 1],
  ])
})
