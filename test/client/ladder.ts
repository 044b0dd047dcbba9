// By which way the news comes: WebSocket, event stream, polling; one at a time, down where it must and up when it can.

import t from 'tap'
import { parseServerTiming } from '../../client/identity.ts'
import type { Env } from '../../client/index.ts'
import { a, b, serverTiming, told } from './fixtures/release.ts'
import { createTab } from './fixtures/tab.ts'
import type { Tab } from './fixtures/tab.ts'

const minuteMs = 60_000

/** A tab on a network that lets no WebSocket through; with `noStreams` no event stream either. */
async function openBehind(proxy: 'no-sockets' | 'no-streams', tab = createTab(), env: Partial<Env> = {}) {
  tab.version = () => Response.json(told(a, 1, 'ready'))
  const page = tab.open(a, { env })
  await tab.clock.settle()
  for (let failures = 0; failures < 2; failures++) {
    tab.socket().end()
    await tab.clock.advance(1_000)
  }
  if (proxy === 'no-streams')
    for (let failures = 0; failures < 2; failures++) {
      tab.source().fail()
      await tab.clock.advance(5_000)
    }
  return { tab, page }
}

async function redialled(tab: Tab): Promise<void> {
  const { length } = tab.sockets
  while (tab.sockets.length === length) await tab.clock.advance(200)
}

/** So much time in which neither way comes through. */
async function refuse(tab: Tab, ms: number): Promise<void> {
  for (const end = tab.clock.now() + ms; tab.clock.now() < end; await tab.clock.advance(500)) {
    if (!tab.socket().isClosed) tab.socket().end()
    if (!tab.source().isClosed) tab.source().fail()
  }
}

const polls = (tab: Tab) => tab.requests.filter(({ url }) => url.includes('/__spa/version')).length

t.test('two WebSockets that brought nothing, while plain HTTP gets through: the event stream', async t => {
  const { tab, page } = await openBehind('no-sockets')
  t.equal(tab.sockets.length, 2)
  t.equal(tab.source().url, 'https://shop.example/__spa/events?v=web-5d9fb7c6b8')
  t.equal(page.state.status, 'current', 'what HTTP brought is heard')
  t.equal(page.state.connection, 'connecting')
  tab.source().open()
  t.equal(page.state.connection, 'events')
  tab.serve(b)
  tab.source().say(told(b, 2, 'ready'))
  await tab.clock.advance(0)
  t.same(page.names(), ['update'])
  t.ok(
    tab.sockets.every(({ isClosed }) => isClosed),
    'one at a time',
  )
})

t.test('while the server does not answer at all, the WebSocket is what is tried', async t => {
  const tab = createTab()
  tab.open(a)
  await tab.clock.settle()
  for (let failures = 0; failures < 8; failures++) {
    tab.socket().end()
    await tab.clock.advance(15_000)
  }
  t.equal(tab.sources.length, 0)
  t.ok(tab.sockets.length >= 9)
})

t.test('a WebSocket that opens and is cut before anything came through is no way either', async t => {
  const tab = createTab()
  tab.version = () => Response.json(told(a, 1, 'ready'))
  tab.open(a)
  await tab.clock.settle()
  for (let failures = 0; failures < 2; failures++) {
    tab.socket().open()
    tab.socket().end()
    await tab.clock.advance(1_000)
  }
  t.equal(tab.sources.length, 1)
})

t.test('a WebSocket that has brought something, or was closed for a reason, is a way', async t => {
  const tab = createTab()
  tab.version = () => Response.json(told(a, 1, 'ready'))
  tab.open(a)
  for (let failures = 0; failures < 6; failures++) {
    await tab.hear(told(a, 1, 'ready'))
    tab.socket().end()
    await redialled(tab)
  }
  for (let failures = 0; failures < 6; failures++) {
    tab.socket().end(1012, '{"d":400}')
    await redialled(tab)
  }
  t.equal(tab.sources.length, 0)
})

t.test(
  'neither comes through: it is asked for, at least every 6 minutes, and when the tab wakes',
  async t => {
    const { tab, page } = await openBehind('no-streams')
    t.equal(page.state.connection, 'polling')
    t.equal(tab.sources.length, 2)
    t.ok(tab.sources.every(({ isClosed }) => isClosed))
    for (let times = 0; times < 10; times++) {
      const before = polls(tab)
      await refuse(tab, 6 * minuteMs)
      t.ok(polls(tab) > before)
    }
    t.equal(page.state.connection, 'polling')
    tab.serve(b)
    tab.version = () => Response.json(told(b, 2, 'ready'))
    tab.document.dispatchEvent(new Event('visibilitychange'))
    await tab.clock.advance(500)
    t.same(page.names(), ['update'])
    t.equal(page.state.connection, 'polling')
  },
)

t.test('a better way is tried after half a minute, and then ever more rarely', async t => {
  const { tab } = await openBehind('no-streams')
  const tried: number[] = []
  for (let minutes = 0; minutes < 120; minutes++) {
    const before = tab.sockets.length
    await refuse(tab, minuteMs)
    if (tab.sockets.length > before) tried.push(minutes)
  }
  t.same(tried, [0, 1, 3, 7, 15, 31, 61, 91])
})

t.test('a stream of which only the head comes through is no way, and is known for it in seconds', async t => {
  const { tab, page } = await openBehind('no-sockets')
  for (let streams = 1; streams <= 2; streams++) {
    t.equal(tab.sources.length, streams)
    tab.source().open()
    await tab.clock.advance(15_000)
    t.equal(tab.sources[streams - 1]?.isClosed, true)
  }
  await refuse(tab, 30_000)
  t.equal(page.state.connection, 'polling')
})

t.test('a stream whose first event is a heartbeat, as none is known yet, is kept', async t => {
  const { tab, page } = await openBehind('no-sockets')
  tab.source().open()
  tab.source().say({ v: 1, type: 'heartbeat' })
  await tab.clock.advance(60_000)
  t.equal(page.state.connection, 'events')
  await tab.clock.advance(3_000)
  t.equal(tab.sources[0]?.isClosed, true, 'for as long as heartbeats come')
})

t.test('a tab that nobody looks at is not deaf for good: it tries a better way, and is told', async t => {
  // Seen: pods without a sidecar answered for a minute, and the tab settled for polling.
  const { tab, page } = await openBehind('no-streams')
  tab.document.visibilityState = 'hidden'
  const before = polls(tab)
  await refuse(tab, 120 * minuteMs)
  t.ok(polls(tab) - before < 30, 'a few times with each attempt, and not in between')
  tab.serve(b)
  await redialled(tab)
  await tab.hear(told(b, 2, 'ready'))
  t.same(page.names(), ['update'])
  t.equal(page.state.connection, 'open')
})

t.test(
  'a stream’s close says when to come back, as a WebSocket’s would, and what follows is a stream',
  async t => {
    const { tab, page } = await openBehind('no-sockets')
    tab.source().open()
    tab.source().say(told(a, 1, 'ready'))
    tab.source().say({ code: 1012, reason: '{"d":400}' }, 'close')
    t.equal(page.state.connection, 'closed')
    t.equal(tab.source().isClosed, true)
    await tab.clock.advance(199)
    t.equal(tab.sources.length, 1)
    await tab.clock.advance(1)
    t.equal(tab.sources.length, 2)
    t.equal(tab.sockets.length, 2)
  },
)

t.test(
  'where a stream ends after that, a better way is tried again, and given up after one failure',
  async t => {
    const { tab, page } = await openBehind('no-sockets')
    tab.source().open()
    tab.source().say(told(a, 1, 'ready', { heartbeatMs: 3_600_000 }))
    await tab.clock.advance(31 * minuteMs)
    t.equal(tab.sockets.length, 2, 'a stream that works is left alone')
    tab.source().say({ code: 4001, reason: '' }, 'close')
    await tab.clock.advance(5_000)
    t.equal(tab.sockets.length, 3)
    tab.socket().end()
    await tab.clock.advance(1_000)
    t.equal(tab.sources.length, 2)

    tab.source().open()
    tab.source().say(told(a, 1, 'ready', { heartbeatMs: 3_600_000 }))
    await tab.clock.advance(31 * minuteMs)
    tab.source().fail()
    await tab.clock.advance(1_000)
    await tab.hear(told(a, 1, 'ready'))
    t.equal(page.state.connection, 'open')
    t.equal(tab.sources.filter(({ isClosed }) => !isClosed).length, 0)
  },
)

t.test('polling goes up again too, and another network is tried at once', async t => {
  const { tab, page } = await openBehind('no-streams')
  await refuse(tab, 60 * minuteMs)
  const dialled = tab.sockets.length
  tab.window.dispatchEvent(new Event('online'))
  await tab.clock.advance(500)
  t.equal(tab.sockets.length, dialled + 1)
  await tab.hear(told(a, 1, 'ready'))
  t.equal(page.state.connection, 'open')
  await tab.clock.advance(15_000)
  await refuse(tab, 20_000)
  t.equal(page.state.connection, 'polling')
  const again = tab.sockets.length
  await refuse(tab, 40_000)
  t.ok(tab.sockets.length > again, 'a WebSocket that held is soon tried again')
})

t.test('a pod that is full three times in a row, or a refusal for what we are, is polled', async t => {
  const full = createTab()
  full.version = () => Response.json(told(a, 1, 'ready'))
  const page = full.open(a)
  await full.clock.settle()
  for (let times = 0; times < 3; times++) {
    t.not(page.state.connection, 'polling')
    full.socket().end(1013)
    await full.clock.advance(times < 2 ? 45_000 : 5_000)
  }
  t.equal(page.state.connection, 'polling')
  t.equal(full.sockets.length, 3)

  const refused = createTab()
  refused.version = full.version
  const other = refused.open(a)
  await refused.clock.settle()
  refused.socket().end(1008)
  await refused.clock.advance(5_000)
  t.equal(other.state.connection, 'polling')
})

t.test(
  'a server that stays full is asked for the state for as long as it is, whatever is tried meanwhile',
  async t => {
    const tab = createTab()
    tab.version = () => Response.json(told(a, 1, 'ready'))
    const page = tab.open(a)
    await tab.clock.settle()
    const refuse = async (ms: number) => {
      for (const end = tab.clock.now() + ms; tab.clock.now() < end; await tab.clock.advance(1_000))
        if (!tab.socket().isClosed) tab.socket().end(1013)
    }
    await refuse(10 * minuteMs)
    const dialled = tab.sockets.length
    tab.serve(b)
    tab.version = () => Response.json(told(b, 2, 'ready'))
    await refuse(30 * minuteMs)
    t.same(page.names(), ['update'])
    t.equal(page.state.connection, 'polling')
    t.ok(tab.sockets.length - dialled <= 4, `${tab.sockets.length - dialled} dials in half an hour`)
  },
)

t.test('a server of another protocol is polled, and understood again when it speaks ours', async t => {
  const tab = createTab()
  tab.version = () => Response.json({ v: 2 })
  const page = tab.open(a)
  await tab.clock.settle()
  tab.socket().open()
  tab.socket().say({ v: 2, type: 'state' })
  t.equal(tab.socket().isClosed, true)
  await tab.clock.advance(5_000)
  t.equal(page.state.connection, 'polling')
  t.equal(page.state.status, 'unknown')
  tab.serve(b)
  tab.version = () => Response.json(told(b, 2, 'ready'))
  await tab.clock.advance(5 * minuteMs)
  t.same(page.names(), ['update'])
})

t.test('without WebSocket there is the stream, without both polling, without anything nothing', async t => {
  const tab = createTab()
  tab.open(a, { env: { WebSocket: undefined } })
  await tab.clock.settle()
  t.equal(tab.sources.length, 1)
  const bare = createTab()
  const page = bare.open(a, { env: { WebSocket: undefined, EventSource: undefined, fetch: undefined } })
  await bare.clock.settle()
  t.equal(page.state.connection, 'off')
  t.same(bare.clock.armed(), [])
})

t.test('a stream that looks open when the tab wakes has to bring the next heartbeat in time', async t => {
  const { tab } = await openBehind('no-sockets')
  tab.source().open()
  tab.source().say(told(a, 1, 'ready', { heartbeatMs: 20_000 }))
  await tab.clock.advance(10_000)
  tab.document.dispatchEvent(new Event('visibilitychange'))
  await tab.clock.advance(14_000)
  tab.source().say({ v: 1, type: 'heartbeat' })
  await tab.clock.advance(20_000)
  t.equal(tab.source().isClosed, false)
  tab.document.dispatchEvent(new Event('visibilitychange'))
  await tab.clock.advance(5_000)
  t.equal(tab.sources[0]?.isClosed, true, '25 s after the last sign of life, not 50')
  await tab.clock.advance(1_000)
  t.equal(tab.sockets.length, 3, 'by then a better way is tried first')
})

t.test(
  'a page that is left for the back/forward cache has no stream open, and one again when it is back',
  async t => {
    const { tab, page } = await openBehind('no-sockets')
    tab.source().open()
    tab.source().say(told(a, 1, 'ready'))
    tab.window.dispatchEvent(new Event('pagehide'))
    t.equal(tab.source().isClosed, true)
    t.same(tab.clock.armed(), [])
    tab.window.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }))
    await tab.clock.advance(500)
    t.equal(tab.sources.length, 2)
    tab.serve(b)
    tab.source().open()
    tab.source().say(told(b, 2, 'ready'))
    await tab.clock.advance(0)
    t.same(page.names(), ['update'])
  },
)

t.test('what polls stops with the page, and with the back/forward cache', async t => {
  const { tab, page } = await openBehind('no-streams')
  tab.window.dispatchEvent(new Event('pagehide'))
  t.same(tab.clock.armed(), [])
  page.stop()
  await tab.clock.advance(30 * minuteMs)
  t.same(tab.clock.armed(), [])
  t.equal(page.state.connection, 'off')
})

t.test('a tab that nobody looks at waits longer, and not once it is looked at', async t => {
  const tab = createTab()
  tab.open(a)
  tab.document.visibilityState = 'hidden'
  await tab.clock.settle()
  for (let failures = 0; failures < 12; failures++) {
    tab.socket().end()
    await redialled(tab)
  }
  tab.socket().end()
  await tab.clock.settle()
  t.same(tab.clock.armed(), [30_000], 'a random part of a minute')
  const dialled = tab.sockets.length
  tab.document.visibilityState = 'visible'
  tab.document.dispatchEvent(new Event('visibilitychange'))
  await tab.clock.advance(500)
  t.equal(tab.sockets.length, dialled + 1)
})

/** A browser that names the protocol by which the document came. */
function speaking(nextHopProtocol: string): Partial<Env> {
  const entries = [{ serverTiming: parseServerTiming(serverTiming(a)), nextHopProtocol }]
  return { performance: { getEntriesByType: () => entries as unknown as PerformanceEntryList } }
}

function look(tab: Tab, visibilityState: DocumentVisibilityState): void {
  Object.assign(tab.document, { visibilityState })
  tab.document.dispatchEvent(new Event('visibilitychange'))
}

t.test(
  'where the browser does not say which protocol it was, as WebKit after a login, it is taken for HTTP/1.1',
  async t => {
    const { tab } = await openBehind('no-sockets', createTab(), speaking(''))
    tab.source().open()
    look(tab, 'hidden')
    t.ok(tab.sources.every(({ isClosed }) => isClosed))
  },
)

t.test('over HTTP/1.1 a tab that nobody looks at leaves its connection to the others', async t => {
  const { tab, page } = await openBehind('no-sockets', createTab(), speaking('http/1.1'))
  tab.source().open()
  tab.source().say(told(a, 1, 'ready'))
  look(tab, 'hidden')
  t.ok(tab.sources.every(({ isClosed }) => isClosed))
  await refuse(tab, 60 * minuteMs)
  t.equal(tab.sources.length, 1, 'and opens none, whatever it tries meanwhile')
  tab.serve(b)
  look(tab, 'visible')
  await tab.clock.advance(1_000)
  tab.source().open()
  tab.source().say(told(b, 2, 'ready'))
  await tab.clock.advance(0)
  t.same(page.names(), ['update'])
  t.equal(page.state.connection, 'events')

  look(tab, 'hidden')
  page.stop()
  look(tab, 'visible')
  look(tab, 'hidden')
  t.same(tab.clock.armed(), [])
})

t.test('a stream that is still to come is not opened once nobody looks at the tab', async t => {
  const dialled = await openBehind('no-sockets', createTab(), speaking('http/1.1'))
  look(dialled.tab, 'hidden')
  t.equal(dialled.tab.source().isClosed, true)

  const probing = await openBehind('no-sockets', createTab(), speaking('http/1.1'))
  probing.tab.version = () => new Promise(() => {})
  probing.tab.source().fail()
  await probing.tab.clock.advance(5_000)
  probing.tab.source().fail()
  await probing.tab.clock.advance(5_000)
  t.equal(probing.page.state.connection, 'connecting')
  look(probing.tab, 'hidden')
  await probing.tab.clock.advance(10_000)
  t.ok(probing.tab.sources.every(({ isClosed }) => isClosed))
  t.equal(probing.page.state.connection, 'closed')
})

t.test('over HTTP/2 and HTTP/3 a hidden tab keeps its stream', async t => {
  for (const protocol of ['h2', 'h3']) {
    const { tab, page } = await openBehind('no-sockets', createTab(), speaking(protocol))
    tab.source().open()
    tab.source().say(told(a, 1, 'ready'))
    look(tab, 'hidden')
    await tab.clock.advance(20_000)
    t.equal(page.state.connection, 'events', protocol)
  }
})

t.test('a clock that is set back neither keeps a dead line nor makes a tab deaf', async t => {
  const dayMs = 24 * 60 * minuteMs
  for (const setBackMs of [dayMs, 60 * dayMs]) {
    const skewed = (tab: Tab) => {
      let isSetBack = false
      const now = () => tab.clock.now() - (isSetBack ? setBackMs : 0)
      return { now, setBack: () => void (isSetBack = true) }
    }

    const tab = createTab()
    const { now, setBack } = skewed(tab)
    tab.open(a, { env: { now } })
    await tab.hear(told(a, 1, 'ready'))
    setBack()
    await tab.clock.advance(63_000)
    t.equal(tab.sockets.length, 2, 'a silence is a silence')
    await tab.hear(told(a, 1, 'ready'))
    look(tab, 'visible')
    await tab.clock.advance(6_000)
    t.equal(tab.sockets.length, 3)

    const full = createTab()
    const refused = skewed(full)
    full.open(a, { env: { now: refused.now } })
    await full.clock.settle()
    full.socket().end(1013, '{"d":60000}')
    refused.setBack()
    look(full, 'visible')
    await full.clock.advance(minuteMs)
    t.ok(full.sockets.length > 1)

    const stream = createTab()
    const streamed = skewed(stream)
    await openBehind('no-sockets', stream, { now: streamed.now })
    stream.source().open()
    stream.source().say(told(a, 1, 'ready'))
    streamed.setBack()
    look(stream, 'visible')
    await stream.clock.advance(63_000)
    t.equal(stream.sources[0]?.isClosed, true)

    const polling = createTab()
    const polled = skewed(polling)
    const { page } = await openBehind('no-streams', polling, { now: polled.now })
    polled.setBack()
    look(polling, 'hidden')
    const dialled = polling.sockets.length
    await polling.clock.advance(6 * minuteMs)
    t.ok(polling.sockets.length > dialled)
    t.not(page.state.connection, 'off')
  }
})
