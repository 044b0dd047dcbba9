import t from 'tap'
import { annotation, label } from '../../protocol/names.ts'
import { formatReleaseState } from '../../protocol/release.ts'
import { createApi } from '../../release/api.ts'
import { parsePod } from '../../release/objects.ts'
import type { Pod } from '../../release/objects.ts'
import { stamp, unstamped } from '../../webhook/stamp.ts'
import { json, kubeConfig, serve } from '../release/server.ts'
import { releaseState } from '../sidecar/state.ts'

const state = releaseState()

function pod(name: string, change: { stamp?: string; injected?: boolean; terminating?: boolean } = {}): Pod {
  const { stamp, injected = true, terminating = false } = change
  return parsePod({
    metadata: {
      name,
      namespace: 'shop',
      labels: injected ? { [label.injected]: 'true' } : {},
      annotations: stamp === undefined ? {} : { [annotation.release]: stamp },
      ...(terminating && { deletionTimestamp: '2026-11-22T09:00:00Z' }),
    },
  })!
}

t.test('only living injected pods that do not carry the state yet are written', async t => {
  const later = formatReleaseState(releaseState({ serial: state.serial + 1 }))
  const pods = [
    pod('new'),
    pod('empty', { stamp: '' }),
    pod('older', { stamp: formatReleaseState(releaseState({ serial: 1 })) }),
    pod('of-another-epoch', { stamp: formatReleaseState(releaseState({ epoch: 'zzzzzz-1', serial: 99 })) }),
    pod('told', { stamp: formatReleaseState(state) }),
    pod('told-twice', { stamp: `${formatReleaseState(state)}\n` }),
    pod('told-more-than-we-know', { stamp: later }),
    pod('uninjected', { injected: false }),
    pod('terminating', { terminating: true }),
  ]
  t.same(
    unstamped(state, pods).map(({ name }) => name),
    ['new', 'empty', 'older', 'of-another-epoch'],
  )
})

t.test(
  'one refused pod does not keep the others from being told; one that is gone is no refusal',
  async t => {
    const names = Array.from({ length: 20 }, (_, index) => `web-${index}`)
    const written = new Set<string>()
    const server = await serve(({ url, res }) => {
      const name = url.pathname.split('/').at(-1) ?? ''
      if (name === 'web-0') return json(res, 403, { kind: 'Status', message: 'denied by policy' })
      if (name === 'web-1') return json(res, 404, { kind: 'Status', message: 'not found' })
      written.add(name)
      json(res, 200, {})
    })
    t.teardown(server.close)
    const api = createApi(() => kubeConfig(server.url))
    t.teardown(api.close)
    const result = await stamp(
      api,
      'text',
      names.map(name => pod(name)),
    )
    t.match(result.refused, [{ pod: { name: 'web-0' }, says: 'web-0: 403: denied by policy' }])
    t.equal(result.refused.length, 1)
    t.same(
      result.written.map(({ name }) => name),
      [...written],
    )
    t.equal(written.size, 18)
  },
)

t.test('an API server that cannot be reached is an error, and who was written is told', async t => {
  const server = await serve(({ req, url, res }) =>
    url.pathname.endsWith('web-0') ? json(res, 200, {}) : req.socket.destroy(),
  )
  t.teardown(server.close)
  const api = createApi(() => kubeConfig(server.url))
  t.teardown(api.close)
  t.match(await stamp(api, 'text', [pod('web-0'), pod('web-1')]), {
    written: [{ name: 'web-0' }],
    refused: [],
    error: { name: 'ApiUnreachable' },
  })
})
