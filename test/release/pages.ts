// Collections in pages.

import t from 'tap'
import type { ApiRequest } from '../../release/api.ts'
import { pagesOf } from '../../release/pages.ts'

function serve(...answers: { status: number; body: unknown }[]) {
  const asked: ApiRequest[] = []
  const request = async (request: ApiRequest) => {
    asked.push(request)
    return { headers: {}, ...answers[asked.length - 1]! }
  }
  return { asked, api: { request } }
}

async function statuses({ api }: ReturnType<typeof serve>): Promise<number[]> {
  const found: number[] = []
  for await (const { status } of pagesOf(api, { path: '/pods', query: { labelSelector: 'a=b' } }))
    found.push(status)
  return found
}

const page = (next?: string) => ({ status: 200, body: { metadata: { continue: next }, items: [] } })

t.test('each page is asked for where the last one ended, with the same query', async t => {
  const server = serve(page('here'), page('there'), page())
  t.same(await statuses(server), [200, 200, 200])
  t.same(
    server.asked.map(({ query }) => query),
    [undefined, 'here', 'there'].map(next => ({ labelSelector: 'a=b', limit: 500, continue: next })),
  )
})

t.test('behind an answer that refuses there is none, whatever it says of a next one', async t => {
  const refusal = { status: 410, body: { metadata: { continue: 'again' } } }
  t.same(await statuses(serve(page('here'), refusal)), [200, 410])
})
