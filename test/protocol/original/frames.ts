// Frames in the original's two forms (its last code: nested, its README: flat; the digests are made up), and what its browser plugin does with
// one: it tells the page when the frame is not older than the one it has stored, and of another digest.

import { readFileSync } from 'node:fs'
import t from 'tap'
import { originalMessage } from '../../../protocol/message.ts'
import type { ReleaseState } from '../../../protocol/release.ts'
import { releaseState } from '../../sidecar/state.ts'

interface Frame {
  created_at: string
  current_image?: { name: string; sha256: string }
  previous_image?: { name: string; sha256: string }
  image?: string
  sha256?: string
  [field: string]: unknown
}

const frames = JSON.parse(readFileSync(new URL('frames.json', import.meta.url), 'utf8')) as Frame[]
const telling = { spreadMs: 0, heartbeatMs: 25_000, expose: 'image' } as const

t.test('ours have every field of the original, with the same content', async t => {
  for (const frame of frames) {
    const { current_image, previous_image } = frame
    const state = releaseState({
      namespace: String(frame.namespace),
      name: String(frame.name),
      since: frame.created_at,
      target: {
        name: written(frame.image ?? current_image!.name),
        id: frame.sha256 ?? current_image!.sha256,
        hash: 'x',
      },
      previous: previous_image ? { name: written(previous_image.name), id: previous_image.sha256 } : null,
    })
    t.match(originalMessage(state, telling), frame)
  }
})

t.test('image names are written as the original wrote them', async t => {
  const names = {
    nginx: 'docker.io/library/nginx',
    'nginx:1.14.1': 'docker.io/library/nginx:1.14.1',
    'toucan/spa:2': 'docker.io/toucan/spa:2',
    'index.docker.io/nginx:1': 'docker.io/library/nginx:1',
    'docker.io/nginx:1': 'docker.io/library/nginx:1',
    'localhost/spa:1': 'localhost/spa:1',
    'registry:5000/spa:1': 'registry:5000/spa:1',
    'registry.example/team/spa@sha256:00': 'registry.example/team/spa@sha256:00',
  }
  for (const [name, expected] of Object.entries(names)) {
    const state = releaseState({ target: { ...releaseState().target, name }, previous: null })
    const message = originalMessage(state, telling)
    t.equal(message.current_image.name, expected)
    t.equal(message.image, name, 'the flat form has it as it stands in the pod spec')
    t.same(message.previous_image, {})
  }
  const hidden = originalMessage(releaseState(), { ...telling, expose: 'id' })
  t.same(Object.keys(hidden.current_image), ['sha256'])
})

t.test('the plugin tells the page of each change, whichever of us told the last one', async t => {
  const before = frames[0]!
  const next = (change: Partial<ReleaseState>) =>
    JSON.parse(JSON.stringify(originalMessage(releaseState(change), telling))) as Frame
  const first = next({ since: '2026-11-22T09:00:00.000Z' })
  const second = next({
    since: '2026-11-22T09:05:00.000Z',
    target: { id: '1'.repeat(64), name: 'web:2', hash: 'h' },
  })
  t.ok(isTold(first, before), 'after an image swap')
  t.ok(isTold(second, first))
  t.notOk(isTold(second, second))
  t.notOk(isTold(first, second), 'not backwards: times must never go back')
})

/** Names under docker.io are written short in pod specs. */
function written(name: string): string {
  return name.replace(/^docker\.io\/(library\/)?/, '')
}

function isTold(frame: Frame, stored: Frame): boolean {
  if (new Date(frame.created_at) < new Date(stored.created_at)) return false
  return frame.current_image!.sha256 !== stored.current_image!.sha256
}
