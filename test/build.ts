// What the bundles in dist/ carry.

import { readFileSync } from 'node:fs'
import t from 'tap'

t.test('the client of the API server is in the bundles that need it, and not in the sidecar', async t => {
  const isIn = (bundle: string) => readFileSync(`dist/${bundle}.js`, 'utf8').includes('loadFromCluster')
  for (const bundle of ['standalone', 'watch', 'webhook', 'cli']) t.ok(isIn(bundle), bundle)
  for (const bundle of ['sidecar', 'drain', 'client']) t.notOk(isIn(bundle), bundle)
})
