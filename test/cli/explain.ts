// What `spa-reloader explain` says to somebody who may not read all that an answer rests on.

import t from 'tap'
import type { Test } from 'tap'
import { explain } from '../../cli/explanation.ts'
import { readFacts } from '../../cli/explain.ts'
import { configurationPath, installed, openInstalled, webhookPath } from './fixtures/installed.ts'

async function explained(t: Test, ...refused: string[]) {
  const objects = installed()
  const cluster = await openInstalled(t, objects, ...refused)
  return explain(await readFacts(cluster, 'deployment', 'web', 'spa-reloader'))
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
    /\nNot known:\nthe webhook's settings, .*\(taken as off: .*\): GET \S+: 403: \S+ is forbidden\n/,
  )
  t.equal(exitCode, 1)
})
