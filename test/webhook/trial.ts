import t from 'tap'
import type { Api, ApiResponse } from '../../release/api.ts'
import { label } from '../../protocol/names.ts'
import { object } from '../../release/raw.ts'
import { tryPod } from '../../webhook/trial.ts'
import { readGolden } from './goldens.ts'

const { pod } = readGolden('helm')

/** An API server that answers so of a pod with the sidecar, and of one without it. */
function answering(
  injected: number,
  plain: number,
  labels: Record<string, string> = { [label.injected]: 'true' },
): Pick<Api, 'request'> {
  return {
    request: async ({ body }): Promise<ApiResponse> => {
      const isPlain = object(object(object(body).metadata).labels)[label.inject] === 'false'
      const status = isPlain ? plain : injected
      return {
        status,
        headers: {},
        body: status < 300 ? { metadata: { labels } } : { message: `said ${status}` },
      }
    },
  }
}

t.test('a refusal is ours where the pod is taken without the sidecar', async t => {
  const tried = (injected: number, plain: number) => tryPod(answering(injected, plain), 'shop', pod)
  t.same(await tried(201, 201), { verdict: 'accepted' })
  t.same(await tried(403, 201), { verdict: 'ours', refused: 'said 403' })
  t.same(await tried(403, 403), { verdict: 'theirs', refused: 'said 403' })
  t.same(await tried(500, 201), { verdict: 'ours', refused: 'said 500' }, 'a patch that does not apply')
  t.same(await tried(500, 500), { verdict: 'theirs', refused: 'said 500' })
})

t.test('a pod that is taken without the sidecar was not asked about', async t => {
  t.same(await tryPod(answering(201, 201, {}), 'shop', pod), { verdict: 'bare' })
})

t.test('an API server that cannot answer now says nothing of the pod', async t => {
  for (const status of [429, 503, 504])
    await t.rejects(tryPod(answering(status, 201), 'shop', pod), {
      message: `no trial: ${status}: said ${status}`,
    })
})
