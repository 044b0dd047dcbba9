// The rules of the one connection, with a world that the test moves by hand.

import t from 'tap'
import { backoffMs, openStream } from '../../../console/web/src/lib/stream.ts'
import type { StreamEvent, StreamState, World } from '../../../console/web/src/lib/stream.ts'

class FakeSource {
  readyState = 0
  isClosed = false
  #listeners: [string, (event: { data: unknown }) => void][] = []
  addEventListener(type: string, listener: (event: { data: unknown }) => void): void {
    this.#listeners.push([type, listener])
  }
  say(data: string): void {
    this.#emit('message', data)
  }
  fail(readyState: number): void {
    this.readyState = readyState
    this.#emit('error', '')
  }
  close(): void {
    this.isClosed = true
  }
  #emit(wanted: string, data: string): void {
    for (const [type, listener] of this.#listeners) if (type === wanted) listener({ data })
  }
}

t.test('events come in order, and what is none is left out', async t => {
  const world = createWorld()
  const { events, states } = open(world)
  t.same(states, ['connecting'])
  world.source().say('{"type":"reset","payload":{}}')
  for (const nonsense of [
    '',
    '{',
    'null',
    '7',
    '{"type":"x"}',
    '{"type":7,"payload":{}}',
    '{"type":"x","payload":null}',
  ])
    world.source().say(nonsense)
  world.source().say('{"type":"ready","payload":{}}')
  t.same(events, ['reset', 'ready'])
  t.same(states, ['connecting', 'live'])
})

t.test('a drop is left to the browser, which says where it was', async t => {
  const world = createWorld()
  const { states } = open(world)
  world.source().say('{"type":"reset","payload":{}}')
  world.source().fail(0)
  t.same(states, ['connecting', 'live', 'connecting'])
  t.equal(world.sources.length, 1)
})

t.test('where the browser gives up it is dialled again, later each time, and at once when asked', async t => {
  const world = createWorld()
  const { states, stream } = open(world)
  for (const [seconds, ceiling] of [1, 2, 4, 8, 16, 30, 30].entries()) {
    world.source().fail(2)
    await world.settle()
    t.equal(states.at(-1), 'waiting', `${seconds}`)
    world.pass(ceiling * 500 - 1)
    t.equal(states.at(-1), 'waiting', `not before half of ${ceiling} s`)
    world.pass(1)
    t.equal(states.at(-1), 'connecting')
  }
  world.source().fail(2)
  await world.settle()
  stream.retry()
  t.equal(states.at(-1), 'connecting')
  world.source().fail(2)
  await world.settle()
  world.pass(500)
  t.equal(states.at(-1), 'connecting', 'from the beginning of the ladder')
})

t.test('the wait is anything up to 1 s, 2 s, 4 s … 30 s', async t => {
  const most = [1, 2, 3, 5, 6, 60].map(failures => backoffMs(failures, () => 1))
  t.same(most, [1_000, 2_000, 4_000, 16_000, 30_000, 30_000])
  t.equal(
    backoffMs(60, () => 0),
    0,
  )
})

t.test('who is not let in, or asks for what is not there, does not ask again until told to', async t => {
  for (const status of [401, 403, 404]) {
    const world = createWorld({ status })
    const { states, stream } = open(world)
    world.source().fail(2)
    await world.settle()
    t.equal(states.at(-1), `refused ${status}`)
    world.pass(3_600_000)
    world.emit('online')
    world.emit('visibilitychange')
    t.equal(world.sources.length, 1)
    stream.retry()
    t.equal(world.sources.length, 2)
  }
})

t.test('45 s of silence end a connection; each event begins them anew', async t => {
  const world = createWorld()
  const { states } = open(world)
  world.pass(44_000)
  world.source().say('{"type":"heartbeat","payload":{}}')
  world.pass(44_999)
  t.equal(world.sources[0]?.isClosed, false)
  world.pass(1)
  t.equal(world.sources[0]?.isClosed, true)
  t.same(states, ['connecting', 'live', 'waiting'])
  world.pass(500)
  t.equal(world.sources.length, 2)
})

t.test('what a connection that was given up still says is not heard', async t => {
  const world = createWorld()
  const { events } = open(world)
  world.pass(45_000)
  world.pass(500)
  world.sources[0]?.say('{"type":"reset","payload":{}}')
  world.sources[0]?.fail(2)
  await world.settle()
  t.same(events, [])
  t.equal(world.sources.length, 2)
})

t.test(
  'hidden for 60 s it rests, and dials at once when it is looked at; a glance elsewhere costs nothing',
  async t => {
    const world = createWorld()
    const { states } = open(world)
    world.source().say('{"type":"reset","payload":{}}')
    world.hide(true)
    world.pass(40_000)
    world.hide(false)
    world.source().say('{"type":"heartbeat","payload":{}}')
    world.pass(40_000)
    t.equal(states.at(-1), 'live')
    world.hide(true)
    world.source().say('{"type":"heartbeat","payload":{}}')
    world.pass(30_000)
    world.source().say('{"type":"heartbeat","payload":{}}')
    world.pass(30_000)
    t.equal(states.at(-1), 'asleep')
    t.equal(world.sources[0]?.isClosed, true)
    world.hide(false)
    t.equal(states.at(-1), 'connecting')
    t.equal(world.sources.length, 2)
  },
)

t.test(
  'where connections are scarce, a hidden one rests at once, and one that is looked at never',
  async t => {
    const world = createWorld()
    const { states } = open(world)
    world.source().say('{"type":"reset","payload":{}}')
    world.crowd(5)
    t.equal(states.at(-1), 'live')
    world.hide(true)
    world.pass(0)
    t.equal(states.at(-1), 'asleep')
    world.online(true)
    t.equal(states.at(-1), 'asleep', 'nobody looks yet')
    world.hide(false)
    world.source().say('{"type":"reset","payload":{}}')
    t.equal(states.at(-1), 'live')
    world.crowd(4)
    world.hide(true)
    world.pass(1_000)
    t.equal(states.at(-1), 'live')
    world.crowd(5)
    t.equal(states.at(-1), 'asleep')
    t.equal(world.source().isClosed, true)
    t.equal(world.joined(), 0)
  },
)

t.test('a tab that is opened behind another rests after a minute, too', async t => {
  const world = createWorld()
  world.hide(true)
  const { states, stream } = open(world)
  world.source().say('{"type":"reset","payload":{}}')
  t.equal(world.joined(), 1)
  world.source().say('{"type":"heartbeat","payload":{}}')
  world.pass(30_000)
  world.source().say('{"type":"heartbeat","payload":{}}')
  world.pass(30_000)
  t.equal(states.at(-1), 'asleep')
  stream.close()
  t.equal(world.timers(), 0)
  t.equal(world.joined(), 0)
})

t.test(
  'a browser that takes itself for offline is not believed for long: 127.0.0.1 needs no network',
  async t => {
    const world = createWorld()
    const { states } = open(world)
    world.online(false)
    t.equal(states.at(-1), 'offline')
    t.equal(world.sources[0]?.isClosed, true)
    world.pass(29_999)
    t.equal(world.sources.length, 1)
    world.pass(1)
    world.source().say('{"type":"reset","payload":{}}')
    t.equal(states.at(-1), 'live')
    world.online(false)
    world.hide(true)
    world.pass(40_000)
    t.equal(world.sources.length, 2, 'where nobody looks it is not asked')
    world.hide(false)
    t.equal(world.sources.length, 3)
  },
)

t.test('the network is back, and a page put away closes', async t => {
  const world = createWorld()
  const { stream } = open(world)
  world.online(false)
  world.online(true)
  t.equal(world.sources.length, 2)
  world.emit('pagehide')
  t.equal(world.source().isClosed, true)
  world.emit('pageshow')
  t.equal(world.sources.length, 3)
  stream.close()
  t.equal(world.source().isClosed, true)
  world.emit('pageshow')
  world.online(true)
  t.equal(world.sources.length, 3)
  t.equal(world.listeners(), 0)
  t.equal(world.timers(), 0)
})

t.test('a server that says goodbye is called again when it asks for it', async t => {
  const world = createWorld()
  const { states, events } = open(world)
  world.source().say('{"type":"bye","payload":{"retry_ms":3000}}')
  t.equal(states.at(-1), 'waiting')
  t.same(events, [])
  world.pass(2_999)
  t.equal(world.sources.length, 1)
  world.pass(1)
  t.equal(world.sources.length, 2)
})

t.test('after the end nothing is asked again', async t => {
  const world = createWorld()
  const { states, events, stream } = open(world)
  world.source().say('{"type":"end","payload":{"status":"complete"}}')
  t.same(events, ['end'])
  t.equal(states.at(-1), 'ended')
  stream.retry()
  world.emit('pageshow')
  world.pass(600_000)
  t.equal(world.sources.length, 1)
  t.equal(world.timers(), 0)
})

function open(world: World) {
  const events: string[] = []
  const states: string[] = []
  const stream = openStream(
    'api/events',
    {
      onEvent: ({ type }: StreamEvent) => events.push(type),
      onState: (state: StreamState) =>
        states.push(state.kind === 'refused' ? `refused ${state.status}` : state.kind),
    },
    world,
  )
  return { events, states, stream }
}

/** Chance is always in the middle. */
function createWorld({ status = 503 } = {}) {
  const sources: FakeSource[] = []
  let now = 0
  let timers: { at: number; run: () => void }[] = []
  let listeners: { type: string; run: () => void }[] = []
  let isHidden = false
  let isCrowded = false
  let joined = 0
  const emit = (type: string) => {
    for (const { type: of, run } of listeners) if (of === type) run()
  }
  return {
    sources,
    source: () => sources.at(-1) as FakeSource,
    timers: () => timers.length,
    listeners: () => listeners.length,
    emit,
    hide(hidden: boolean) {
      isHidden = hidden
      emit('visibilitychange')
    },
    crowd(streams: number) {
      isCrowded = streams >= 5
      emit('crowd')
    },
    joined: () => joined,
    online: (online: boolean) => emit(online ? 'online' : 'offline'),
    pass(ms: number) {
      const until = now + ms
      for (;;) {
        const next = timers.toSorted((a, b) => a.at - b.at)[0]
        if (!next || next.at > until) break
        timers = timers.filter(timer => timer !== next)
        now = next.at
        next.run()
      }
      now = until
    },
    /** Until what was asked has been answered. */
    settle: () => new Promise(resolve => setImmediate(resolve)),
    open() {
      const source = new FakeSource()
      sources.push(source)
      return source
    },
    probe: async () => status,
    now: () => now,
    random: () => 0.5,
    after(ms: number, run: () => void) {
      const timer = { at: now + ms, run }
      timers.push(timer)
      return () => {
        timers = timers.filter(other => other !== timer)
      }
    },
    isHidden: () => isHidden,
    isCrowded: () => isCrowded,
    join() {
      joined += 1
      let isIn = true
      return () => {
        if (isIn) joined -= 1
        isIn = false
      }
    },
    listen(type: string, run: () => void) {
      const listener = { type, run }
      listeners.push(listener)
      return () => {
        listeners = listeners.filter(other => other !== listener)
      }
    },
  }
}
