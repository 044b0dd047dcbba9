import t from 'tap'
import { annotation, label } from '../../protocol/names.ts'
import type { ReleaseState } from '../../protocol/release.ts'
import { parseDeployment, parsePod } from '../../release/objects.ts'
import { parseStamp } from '../../webhook/stamp.ts'
import { createStamps } from '../../webhook/stamps.ts'
import { releaseState } from '../sidecar/state.ts'

const deployment = parseDeployment({ metadata: { namespace: 'shop', name: 'web', uid: 'd' } })!

/** Pods on an API server, and the controller that tells them. */
function start(...names: string[]) {
  const stamped = new Map<string, string>()
  const terminating = new Set<string>()
  const written: string[] = []
  const server = { status: 200, isFull: false, unreachableFor: '' }
  let ms = 0
  const request = async ({ path, body }: { path: string; body?: unknown }) => {
    const name = path.split('/').at(-1) ?? ''
    const { annotations } = (body as { metadata: { annotations: Record<string, string> } }).metadata
    if (name === server.unreachableFor) throw new Error('unreachable')
    written.push(name)
    if (server.status === 200) stamped.set(name, annotations[annotation.release]!)
    return { status: server.status, headers: {}, body: {} }
  }
  const stamps = createStamps({
    namespace: 'shop',
    pace: { of: () => ({ request }), isFull: () => server.isFull },
    tell: () => {},
    log: () => {},
    now: () => new Date(ms),
  })
  return {
    server,
    stamped,
    terminating,
    /** Returns which pods were written, and when to look again. */
    async look(afterMs: number, state: ReleaseState, of = names): Promise<[string[], number | undefined]> {
      ms += afterMs
      const pods = of.map(name =>
        parsePod({
          metadata: {
            namespace: 'shop',
            name,
            uid: name,
            labels: { [label.injected]: 'true' },
            annotations: stamped.has(name) ? { [annotation.release]: stamped.get(name) } : {},
            ...(terminating.has(name) && { deletionTimestamp: '2026-11-29T02:00:00Z' }),
          },
        })!,
      )
      const waitMs = await stamps.look({ deployment, state, pods })
      return [written.splice(0), waitMs]
    },
  }
}

const ready = releaseState({ phase: 'ready', serial: 1 })

t.test('a finished rollout is written once more a second later: the same state, in another text', async t => {
  const { look, stamped } = start('web-0', 'web-1')
  t.same(await look(0, ready), [['web-0', 'web-1'], 1_000])
  const first = stamped.get('web-0')
  t.same(await look(400, ready), [[], 600])
  t.same(await look(600, ready), [['web-0', 'web-1'], undefined])
  t.not(stamped.get('web-0'), first)
  t.same(parseStamp(stamped.get('web-0')), ready)
  t.same(await look(1_000, ready), [[], undefined])
})

t.test('each pod has its own second', async t => {
  const { look } = start('web-0', 'web-1')
  await look(0, ready, ['web-0'])
  t.same(await look(400, ready), [['web-1'], 600])
  t.same(await look(600, ready), [['web-0'], 400])
  t.same(await look(400, ready), [['web-1'], undefined])
})

t.test(
  'who was written has its second also where the API server went away before the others were',
  async t => {
    const { look, server } = start('web-0', 'web-1')
    server.unreachableFor = 'web-1'
    await t.rejects(look(0, ready), { message: 'unreachable' })
    server.unreachableFor = ''
    t.same(await look(400, ready), [['web-0', 'web-1'], 600])
    t.same(await look(600, ready), [['web-0'], 400])
  },
)

t.test('a rollout that goes on is not written again, and its end is', async t => {
  const { look } = start('web-0')
  const rolling = releaseState({ phase: 'rolling', serial: 1 })
  t.same(await look(0, rolling), [['web-0'], undefined])
  t.same(await look(5_000, releaseState({ serial: 2 })), [['web-0'], 1_000])
  t.same(await look(100, releaseState({ phase: 'rolling', serial: 3 })), [['web-0'], undefined])
  t.same(await look(5_000, releaseState({ serial: 4 })), [['web-0'], 1_000])
  t.same(await look(500, releaseState({ serial: 5 })), [['web-0'], 1_000], 'a newer state begins anew')
})

t.test('a pod that goes is not written again, nor one that could not be, more than once', async t => {
  const { look, server, terminating } = start('web-0', 'web-1')
  await look(0, ready)
  terminating.add('web-0')
  server.status = 503
  t.same(await look(1_000, ready), [['web-1'], undefined])
})

t.test('whoever has not been told at all comes first', async t => {
  const { look, server } = start('web-0')
  await look(0, ready)
  server.isFull = true
  t.same(await look(1_000, ready), [[], 1_000])
  server.isFull = false
  t.same(await look(1_000, ready), [['web-0'], undefined])
})
