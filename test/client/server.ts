// On a server there is no page: importing the client and creating it must do nothing, and say so.

import t from 'tap'
import { createSpaReloader } from '../../client/index.ts'

t.test('without a page it knows nothing, does nothing and keeps nothing alive', async t => {
  const reloader = createSpaReloader({ auto: true })
  const seen: unknown[] = []
  const unsubscribe = reloader.subscribe(state => seen.push(state))
  const nothing = {
    status: 'unknown',
    page: null,
    current: null,
    target: null,
    rollback: false,
    connection: 'off',
  }
  t.same(seen, [nothing])
  t.equal(reloader.state, seen[0], 'the same object each time, as stores want it')
  t.equal(await reloader.check(), false)
  t.equal(await reloader.reload(), false)
  const remove = reloader.guard(() => true)
  reloader.addEventListener('update', () => t.fail('there is nothing to update'))
  remove()
  unsubscribe()
  reloader.stop()
  t.equal(createSpaReloader().state, reloader.state)
})
