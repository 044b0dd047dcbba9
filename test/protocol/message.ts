import t from 'tap'
import { formatClose, parseClose, parseMessage, stateMessage } from '../../protocol/message.ts'
import type { ReleaseState } from '../../protocol/release.ts'

const id = '9f2c'.repeat(16)
const old = '32fd'.repeat(16)
const state: ReleaseState = {
  namespace: 'shop',
  name: 'web',
  epoch: 't3k9x1-d3f1c2aa',
  serial: 31,
  revision: 7,
  phase: 'ready',
  since: '2026-11-22T09:00:00.000Z',
  target: { id, name: 'registry/web:1.15', hash: '6c487dcc49' },
  previous: { id: old, name: 'registry/web:1.14' },
  live: [{ id, pods: 3 }],
  known: [
    ['6c487dcc49', id, 7],
    ['5d9fb7c6b8', old, 6],
  ],
  why: 'rollout',
}
const telling = { spreadMs: 500, heartbeatMs: 25_000, expose: 'image' } as const

t.test('a message carries the fields of the original, flat and nested, beside ours', async t => {
  t.same(stateMessage(state, telling), {
    v: 1,
    type: 'state',
    created_at: '2026-11-22T09:00:00.000Z',
    namespace: 'shop',
    name: 'web',
    image: 'registry/web:1.15',
    sha256: id,
    current_image: { name: 'registry/web:1.15', sha256: id },
    previous_image: { name: 'registry/web:1.14', sha256: old },
    epoch: 't3k9x1-d3f1c2aa',
    serial: 31,
    revision: 7,
    phase: 'ready',
    live: [{ id, pods: 3 }],
    known: [
      ['6c487dcc49', id, 7],
      ['5d9fb7c6b8', old, 6],
    ],
    why: 'rollout',
    spread_ms: 500,
    heartbeat_ms: 25_000,
  })
})

/** What our client has no use for. */
const { created_at, namespace, current_image, previous_image, ...heard } = stateMessage(state, telling)

t.test('what is sent is what is parsed', async t => {
  const message = { created_at, namespace, current_image, previous_image, ...heard }
  t.same(parseMessage(JSON.stringify(message)), heard)
  t.same(parseMessage('{"v":1,"type":"heartbeat"}'), { v: 1, type: 'heartbeat' })
})

t.test('expose: id keeps the namespace and every image name from browsers', async t => {
  const text = JSON.stringify(stateMessage(state, { ...telling, expose: 'id' }))
  t.notMatch(text, 'registry')
  t.notMatch(text, 'shop')
  t.ok(parseMessage(text))
})

t.test(
  'without a version before, previous_image is there and empty: clients of the original read its fields',
  async t => {
    t.same(stateMessage({ ...state, previous: null }, telling).previous_image, {})
  },
)

t.test('unknown fields are ignored, so an older client can read a newer server', async t => {
  const message = stateMessage(state, telling)
  t.same(parseMessage(JSON.stringify({ ...message, later: { than: 'us' } })), heard)
})

t.test('what is not ours gives nothing and never throws', async t => {
  const message = stateMessage(state, telling)
  const broken = (change: object) => JSON.stringify({ ...message, ...change })
  for (const text of [
    undefined,
    new ArrayBuffer(3),
    '',
    '{',
    'null',
    '[]',
    '"p"',
    broken({ v: '2' }),
    broken({ type: 'later' }),
    broken({ serial: -1 }),
    broken({ serial: '31' }),
    broken({ phase: 'done' }),
    broken({ live: [{ id: 'short', pods: 1 }] }),
    broken({ known: [['hash', id]] }),
    broken({ known: {} }),
    broken({ epoch: 7 }),
  ])
    t.equal(parseMessage(text), undefined)
})

t.test('a message of another version of the protocol is known for one, and for nothing more', async t => {
  for (const text of ['{"v":2}', '{"v":0,"type":"state"}']) t.same(parseMessage(text), { type: 'unknown' })
})

t.test('a close is read as it was written, and nonsense is a loss', async t => {
  t.same(parseClose(formatClose(1012, '{"d":400}')), { code: 1012, reason: '{"d":400}' })
  for (const text of [undefined, '', '{', 'null', '[]', '{"code":"1012"}', '{"code":-1}'])
    t.same(parseClose(text), { code: 1006, reason: '' })
  t.same(parseClose('{"code":1013,"reason":7}'), { code: 1013, reason: '' })
})
