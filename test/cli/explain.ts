// What `spa-reloader explain` says to somebody who may not read all that an answer rests on.

import t from 'tap'
import type { Test } from 'tap'
import { explain } from '../../cli/explanation.ts'
import { readFacts } from '../../cli/explain.ts'
import { option } from '../../protocol/names.ts'
import { object } from '../../release/raw.ts'
import { configurationPath, installed, openInstalled, webhookPath } from './fixtures/installed.ts'
import type { Objects } from './fixtures/installed.ts'
import { releaseState } from '../webhook/goldens.ts'

async function explained(t: Test, ...refused: string[]) {
  return explainedOf(t, installed(), ...refused)
}

async function explainedOf(t: Test, objects: Objects, ...refused: string[]) {
  const cluster = await openInstalled(t, objects, ...refused)
  return explain(await readFacts(cluster, 'deployment', 'web', 'spa-reloader'))
}

/** The app wants more memory than sidecars get by that environment of the webhook. */
function wanting(memory: string, environment: Record<string, string>): Objects {
  const objects = installed(environment)
  const web = object(objects['/apis/apps/v1/namespaces/shop/deployments/web'])
  object(object(object(web.spec).template).metadata).annotations = { [option.memory]: memory }
  return objects
}

t.test('who may read everything is told what is wrong', async t => {
  const { text, exitCode } = await explained(t)
  t.match(text, /are not injected:\nnot-trusted: /)
  t.match(text, 'redirect: what comes from outside for 8080')
  t.notMatch(text, 'Not known')
  t.equal(exitCode, 1)
})

t.test('a webhook configuration that may not be read is named, with what is taken for it', async t => {
  const { text, exitCode } = await explained(t, configurationPath)
  t.match(text, /^New pods of deployment\/web in namespace shop are injected, as far as could be read\.\n/)
  t.match(
    text,
    /\nNot known:\nthe webhook configuration, .*\(taken as yes\): GET \S+: 403: \S+ is forbidden\n$/,
  )
  t.equal(exitCode, 0)
})

t.test("the webhook's settings that may not be read are named, with what is taken for them", async t => {
  const { text, exitCode } = await explained(t, configurationPath, webhookPath)
  t.match(
    text,
    /^New pods of deployment\/web in namespace shop are not injected, as far as could be read:\nnumeric-target: /,
  )
  t.match(
    text,
    /\nNot known:\nthe webhook's settings, .*\(the defaults are taken, redirect as off: .*\): GET \S+: 403: \S+ is forbidden\n/,
  )
  t.equal(exitCode, 1)
})

t.test("a size is judged with the installation's, as at admission", async t => {
  const limit = 'SPA_SIDECAR_MEMORY_LIMIT'
  const raised = `\nWarnings:\nlimit-raised: ${option.memory}: `
  t.match((await explainedOf(t, wanting('300Mi', { [limit]: '256Mi' }))).text, raised)
  t.notMatch((await explainedOf(t, wanting('300Mi', { [limit]: '320Mi' }))).text, 'limit-raised')
  const { text } = await explainedOf(t, wanting('300Mi', { [limit]: '256' }))
  t.match(text, `\nNot known:\nthe size of sidecars (the defaults are taken): ${limit}: 256 is no quantity`)
})

t.test('a system namespace without the webhook is named, with what is taken for its settings', async t => {
  const objects = installed()
  delete objects[webhookPath]
  const { text } = await explainedOf(t, objects)
  t.match(
    text,
    /\nNot known:\nthe webhook's settings, .*: there is no Deployment spa-reloader-webhook in namespace spa-reloader \(--system-namespace\)\n/,
  )
})

t.test("Google's firewall is told of before the first rollout with sidecars, and not after it", async t => {
  const objects = installed()
  const metadata = { name: 'web', annotations: { 'cloud.google.com/neg-status': '{}' } }
  objects['/api/v1/namespaces/shop/services'] = [
    { metadata, spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }] } },
  ]
  t.match((await explainedOf(t, objects)).text, '\nWarnings:\nfirewall: web: ')
  const deployment = { revision: 7, resourceVersion: '1' }
  const rolling = {
    ...releaseState,
    phase: 'rolling',
    record: { replicaSets: [], targetUid: '1', deployment },
  }
  objects['/apis/spa-reloader.io/v1/namespaces/shop/releases'] = [
    { metadata: { name: 'web' }, status: rolling },
  ]
  t.match((await explainedOf(t, objects)).text, 'firewall: web: ', 'new pods may be waiting for it')
  const status = { ...releaseState, record: { replicaSets: [], targetUid: '1', deployment } }
  objects['/apis/spa-reloader.io/v1/namespaces/shop/releases'] = [{ metadata: { name: 'web' }, status }]
  t.notMatch((await explainedOf(t, objects)).text, 'firewall')
})
