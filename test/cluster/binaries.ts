// Where .ci/kubernetes has put the Kubernetes programs: a cache outside the checkout, keyed by the version named there.

import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import env from 'env-var'

export const checkout = process.cwd() // npm runs every script from there

/** Outlives the checkout; shared by all of them on this machine. */
export const cacheDir = env
  .get('SPA_TEST_CACHE')
  .default(join(env.get('XDG_CACHE_HOME').default(join(homedir(), '.cache')).asString(), 'spa-reloader'))
  .asString()

export const kubernetesVersion =
  /^version=(.+)$/m.exec(readFileSync(join(checkout, '.ci/kubernetes'), 'utf8'))?.[1] ?? 'unknown'

export function kubernetesBinary(name: string): string {
  return join(cacheDir, `kubernetes-${kubernetesVersion}`, name)
}
