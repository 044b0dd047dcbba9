// What `spa-reloader check` says to somebody who may not read all that it looks at.

import t from 'tap'
import type { Test } from 'tap'
import { check } from '../../../cli/check/check.ts'
import {
  configurationPath,
  configurationsPath,
  installed,
  openInstalled,
  webhookPath,
} from '../fixtures/installed.ts'

/** By somebody who may not read the webhook configuration, nor what else is named. */
async function checked(t: Test, ...refused: string[]) {
  const lines: string[] = []
  const cluster = await openInstalled(t, installed(), configurationPath, configurationsPath, ...refused)
  const options = { namespace: undefined, systemNamespace: 'spa-reloader' }
  const exitCode = await check(cluster, options, '0.1.0', line => lines.push(line))
  const [installation, shop, till] = lines.join('\n').split(/^namespace .*$/m)
  return { exitCode, installation, shop, till }
}

t.test('a list that is refused in one namespace is named, and the rest is looked at', async t => {
  for (const [path, what] of [
    ['/apis/apps/v1/namespaces/shop/deployments', 'the Deployments'],
    ['/api/v1/namespaces/shop/pods', 'the pods'],
  ] as const) {
    const { exitCode, shop, till } = await checked(t, path)
    t.match(shop, new RegExp(`\n  skip  ${what}, and so .*: GET ${path}: 403: ${path} is forbidden\n`))
    t.notMatch(shop, 'are injected', 'nothing is said of pods that were not seen')
    t.match(till, '\n  ok    deployment/web: 0 pods are injected')
    t.equal(exitCode, 0)
  }
})

t.test('settings of the webhook, and a configuration, that may not be read are named', async t => {
  const { exitCode, installation, shop } = await checked(t, webhookPath)
  t.match(installation, `\n  skip  the webhook's settings, and so `)
  t.match(shop, '\n  skip  the webhook configuration, and so ')
  t.match(shop, '\n  warn  deployment/web is not injected: numeric-target: ')
  t.equal(exitCode, 0)
})

t.test('what of the API server itself may not be asked is named, and the rest is looked at', async t => {
  const resourcePath = '/apis/spa-reloader.io/v1'
  const { exitCode, installation, shop } = await checked(t, '/version', '/apis', resourcePath)
  t.match(installation, '\n  skip  the version of Kubernetes: GET /version: 403: /version is forbidden\n')
  t.match(installation, `\n  skip  the CustomResourceDefinition: GET ${resourcePath}: 403: `)
  t.match(
    shop,
    '\n  skip  the policies about traffic, of all namespaces: GET /apis: 403: /apis is forbidden\n',
  )
  t.match(shop, '\n  ok    deployment/web: 0 pods are injected')
  t.equal(exitCode, 0)
})
