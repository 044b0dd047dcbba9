// Where .ci/kubernetes and .ci/helm have put their programs: a cache outside the checkout, keyed by the versions named there.

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

export const kubernetesVersion = versionIn('.ci/kubernetes')

export function kubernetesBinary(name: string): string {
  return join(cacheDir, `kubernetes-${kubernetesVersion}`, name)
}

export function helmBinary(): string {
  return join(cacheDir, `helm-${versionIn('.ci/helm')}`, 'helm')
}

function versionIn(script: string): string {
  return /^version=(.+)$/m.exec(readFileSync(join(checkout, script), 'utf8'))?.[1] ?? 'unknown'
}
