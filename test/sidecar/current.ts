import t from 'tap'
import { createCurrent } from '../../sidecar/current.ts'
import { releaseState } from './state.ts'
import type { ReleaseState } from '../../protocol/release.ts'

function setUp() {
  const lines: string[] = []
  const heard: ReleaseState[] = []
  const current = createCurrent('web', message => lines.push(message))
  const unsubscribe = current.subscribe(state => heard.push(state))
  return { current, heard, lines, unsubscribe }
}

t.test('of states in any order the greatest stays, and each that was greater is heard once', async t => {
  const { current, heard } = setUp()
  t.equal(current.state(), undefined)
  for (const serial of [2, 1, 2, 5, 4, 3, 5]) current.offer(releaseState({ serial }))
  t.same(
    heard.map(({ serial }) => serial),
    [2, 5],
  )
  t.equal(current.state()?.serial, 5)
})

t.test('a recreated Deployment begins anew with a later epoch', async t => {
  const { current } = setUp()
  current.offer(releaseState({ epoch: 't3k9x1-d3f1c2aa', serial: 90 }))
  current.offer(releaseState({ epoch: 't3k9x2-00000000', serial: 1 }))
  current.offer(releaseState({ epoch: 't3k9x1-d3f1c2aa', serial: 91 }))
  t.match(current.state(), { epoch: 't3k9x2-00000000', serial: 1 })
})

t.test('a state of another Deployment is refused and logged', async t => {
  const { current, heard, lines } = setUp()
  current.offer(releaseState({ name: 'api', serial: 99 }))
  t.equal(current.state(), undefined)
  t.same(heard, [])
  t.same(lines, ['release state of another deployment refused'])
})

t.test('who has unsubscribed hears no more', async t => {
  const { current, heard, unsubscribe } = setUp()
  unsubscribe()
  current.offer(releaseState())
  t.same(heard, [])
})
