import t from 'tap'
import { checkAccess } from '../../../cli/check/access.ts'
import type { Cluster } from '../../../cli/cluster.ts'
import { object } from '../../../release/raw.ts'
import { kubeConfig, json, serve } from '../../release/server.ts'
import { createApi } from '../../../release/api.ts'

/** A cluster that grants the webhook everything but what is named, as `verb resource`. */
async function denying(...denied: string[]) {
  const server = await serve(({ body, res }) => {
    const { resourceAttributes } = object(object(JSON.parse(body)).spec)
    const { verb, resource } = object(resourceAttributes)
    json(res, 201, { status: { allowed: !denied.includes(`${String(verb)} ${String(resource)}`) } })
  })
  const api = createApi(() => kubeConfig(server.url))
  const finding = await checkAccess({ api } as Cluster)
  api.close()
  await server.close()
  return finding
}

t.test('a right that is missing fails the check, and is named', async t => {
  t.match(await denying(), { level: 'ok' })
  t.match(await denying('patch pods', 'list events'), { level: 'fail', text: /may not patch pods: apply/ })
})

t.test('what an installation without the console is not granted does not fail it', async t => {
  t.match(await denying('list events', 'watch events'), {
    level: 'warn',
    text: /list events \(console\.enabled\), watch events/,
  })
  t.match(await denying('create pods'), { level: 'warn', text: /create pods \(admissionPolicy\.enabled\)/ })
})
