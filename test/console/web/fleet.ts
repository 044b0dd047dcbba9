// What the pages know of the fleet, event by event.

import t from 'tap'
import type { ConsoleEvent } from '../../../protocol/console.ts'
import { announcement, summary } from '../../../console/web/src/lib/announce.ts'
import { createFleet } from '../../../console/web/src/lib/fleet.ts'
import { sampleApp, sampleInstance } from '../sample.ts'

const web = sampleApp('shop', 'web')
const cart = sampleApp('shop', 'cart')
const pod = sampleInstance(web, 0)
const other = sampleInstance(web, 1)
const reset: ConsoleEvent = { type: 'reset', payload: { version: '1', now: '2026-11-28T02:00:00Z' } }
const ready: ConsoleEvent = { type: 'ready', payload: {} }

t.test('a snapshot is shown when it is whole, and not before', async t => {
  const fleet = createFleet()
  fleet.receive(reset)
  fleet.receive({ type: 'apps', payload: [web] })
  fleet.receive({ type: 'instances', payload: [pod, other] })
  t.equal(fleet.isKnown(), false)
  t.same(fleet.apps(), [])
  fleet.receive(ready)
  t.equal(fleet.isKnown(), true)
  t.same(fleet.apps(), [web])
  t.same(fleet.instances(web.id), [pod, other])
})

t.test('while the next snapshot comes, what was known stays; what it does not name is gone', async t => {
  const fleet = createFleet()
  const snapshot: ConsoleEvent[] = [
    reset,
    { type: 'apps', payload: [web, cart] },
    { type: 'instances', payload: [pod] },
    ready,
  ]
  for (const event of snapshot) fleet.receive(event)
  fleet.receive(reset)
  fleet.receive({ type: 'apps', payload: [web] })
  fleet.receive({ type: 'app_status', payload: { ...web, status: 'rolling' } })
  t.same(fleet.apps(), [web, cart])
  t.same(fleet.instances(web.id), [pod])
  fleet.receive(ready)
  t.same(fleet.apps(), [{ ...web, status: 'rolling' }], 'a change amid the snapshot is in it')
  t.same(fleet.instances(web.id), [])
})

t.test('changes come and go, twice or once', async t => {
  const fleet = createFleet()
  for (const event of [reset, ready]) fleet.receive(event)
  for (let twice = 0; twice < 2; twice += 1) {
    fleet.receive({ type: 'app_status', payload: web })
    fleet.receive({ type: 'instance_status', payload: pod })
    fleet.receive({ type: 'instance_status', payload: { ...pod, phase: 'failing' } })
  }
  t.same(fleet.app(web.id), web)
  t.same(fleet.instances(web.id), [{ ...pod, phase: 'failing' }])
  for (let twice = 0; twice < 2; twice += 1) {
    fleet.receive({ type: 'instance_gone', payload: { id: pod.id } })
    fleet.receive({ type: 'app_gone', payload: { id: web.id } })
  }
  t.same(fleet.apps(), [])
  t.same(fleet.instances(web.id), [])
})

t.test('what a later server says beyond that is left out', async t => {
  const fleet = createFleet()
  t.same(fleet.receive({ type: 'weather', payload: {} } as unknown as ConsoleEvent), [])
})

t.test('only transitions are announced, also those that happened while nobody listened', async t => {
  const fleet = createFleet()
  const hear = (event: ConsoleEvent) => fleet.receive(event).map(announcement).filter(Boolean)
  hear(reset)
  hear({ type: 'apps', payload: [web, cart] })
  t.same(hear(ready), [], 'not what is there at first')
  const rolling = { ...web, status: 'rolling', revision: 8 } as const
  t.same(hear({ type: 'app_status', payload: rolling }), ['shop/web: rollout of revision 8 has begun'])
  t.same(hear({ type: 'app_status', payload: { ...rolling, message: 'further' } }), [])
  t.same(hear({ type: 'app_status', payload: { ...rolling, status: 'failing', message: 'ErrImagePull' } }), [
    'shop/web: rollout is failing. ErrImagePull',
  ])
  hear(reset)
  hear({ type: 'apps', payload: [{ ...rolling, status: 'ready' }, cart] })
  t.same(hear(ready), ['shop/web: rollout complete, 3 of 3 available'])
  t.same(hear({ type: 'app_status', payload: { ...cart, status: 'stopped' } }), ['shop/cart: scaled to 0'])
  t.same(hear({ type: 'app_status', payload: cart }), ['shop/cart: started, 3 of 3 available'])
  t.same(hear({ type: 'app_status', payload: { ...cart, status: 'paused' } }), [
    'shop/cart: rollout is paused',
  ])
})

t.test('many at once are counted', async t => {
  t.equal(summary(['a', 'b']), 'a. b')
  t.equal(summary(['a', 'b', 'c', 'd']), '4 apps changed their status')
})
