// A head has 15 seconds from its first byte, and a single word one second: told by a clock of the test's own.

import { mock } from 'node:test'
import t from 'tap'
import { defaultLimits } from '../../../sidecar/front/limits.ts'
import { createRequests } from '../../../sidecar/front/requests.ts'

function reader() {
  const events: string[] = []
  const requests = createRequests(
    {
      isBusy: () => false,
      begin: ({ target }) => void events.push(target),
      write: () => {},
      endBody: () => {},
      end: () => {},
      surplus: () => {},
      refuse: ({ status }) => void events.push(String(status)),
      leave: () => void events.push('leave'),
    },
    defaultLimits,
  )
  return { events, requests, take: (text: string) => requests.take(Buffer.from(text)) }
}

t.beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }))
t.afterEach(() => mock.timers.reset())

t.test('a head that comes byte by byte is refused after 15 seconds in all', async t => {
  const { events, take } = reader()
  take('GET ')
  for (const byte of '/ HTTP/1.1\r\nHo') {
    mock.timers.tick(1_000)
    take(byte)
  }
  t.same(events, [])
  take('st: a\r\n')
  mock.timers.tick(999)
  t.same(events, [])
  mock.timers.tick(1)
  t.same(events, ['408'])
})

t.test('a head that comes in time is not refused later, and the next has its own time', async t => {
  const { events, take } = reader()
  take('GET /1 HTTP/1.1\r\nHo')
  mock.timers.tick(14_999)
  take('st: a\r\n\r\nGET /2')
  mock.timers.tick(14_999)
  t.same(events, ['/1'])
  mock.timers.tick(1)
  t.same(events, ['/1', '408'])
})

t.test('a word that no more follows is not HTTP after a second', async t => {
  const { events, take } = reader()
  take('hello')
  mock.timers.tick(999)
  t.same(events, [])
  mock.timers.tick(1)
  t.same(events, ['leave'])
})

t.test('a body may take as long as it likes, and an idle connection too', async t => {
  const { events, take } = reader()
  take('POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na')
  mock.timers.tick(3_600_000)
  take('b')
  mock.timers.tick(3_600_000)
  take('GET /2 HTTP/1.1\r\nHost: a\r\n\r\n')
  t.same(events, ['/1', '/2'])
})

t.test('an empty line behind a body does not begin a head', async t => {
  const { events, requests, take } = reader()
  take('POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na\r\n')
  mock.timers.tick(60_000)
  take('\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n\r\n')
  requests.end()
  t.same(events, ['/1', '/2'])
})

t.test('no timer outlives its connection', async t => {
  const { events, requests, take } = reader()
  take('GET / HT')
  requests.close()
  mock.timers.tick(60_000)
  t.same(events, [])
})
