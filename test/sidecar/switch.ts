// What the sidecar does when the Services lead to another Deployment.

import t from 'tap'
import { createCurrent } from '../../sidecar/current.ts'
import { followSwitch } from '../../sidecar/switch.ts'
import { releaseState } from './state.ts'
import type { Test } from 'tap'

const switched = { switched: true } as const

function setUp(t: Test) {
  const done: string[] = []
  const current = createCurrent('web', () => {})
  const server = { move: async () => void done.push('move') }
  const front = { sendAway: (isOn: boolean) => void done.push(`away ${isOn}`) }
  t.teardown(followSwitch({ current, server, front, moveAfterMs: [20, 60] }))
  let serial = 0
  const tell = (change: object = {}) => current.offer(releaseState({ serial: ++serial, ...change }))
  const rest = () => new Promise(resolve => setTimeout(resolve, 200))
  return { done, tell, rest }
}

t.test(
  'connections are ended at once, tabs a moment later and again, for the network lags behind',
  async t => {
    const { done, tell, rest } = setUp(t)
    tell()
    tell(switched)
    t.same(done, ['away true'])
    tell({ ...switched, live: [] })
    await rest()
    t.same(done, ['away true', 'move', 'move'])
    tell()
    tell(switched)
    await rest()
    t.same(done.slice(3), ['away false', 'away true', 'move', 'move'], 'when it happens again')
  },
)

t.test('a switch that is taken back at once moves no tab', async t => {
  const { done, tell, rest } = setUp(t)
  tell()
  tell(switched)
  tell()
  await rest()
  t.same(done, ['away true', 'away false'])
})

t.test('a pod that starts as one to which no Service leads is left alone', async t => {
  const { done, tell, rest } = setUp(t)
  tell(switched)
  await rest()
  t.same(done, [])
})
