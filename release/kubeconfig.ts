// Which cluster is meant, and with which credentials: the configuration as kubectl finds it. @kubernetes/client-node reads it but for KUBECONFIG with
// several files, where it takes the last current-context instead of the first and refuses a name that comes twice.

import { KubeConfig } from '@kubernetes/client-node/dist/config.js'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter } from 'node:path'

/** An entry that is not complete (`kubectl config set-context x` leaves one) is no matter where another one is meant. */
const tolerant = { onInvalidEntry: 'filter' } as const

/** KUBECONFIG, then ~/.kube/config, then the pod's service account. Throws when there is none of them. */
export function loadKubeConfig(): KubeConfig {
  const files = (process.env.KUBECONFIG ?? '').split(delimiter).filter(file => file !== '')
  if (files.length > 1) return merged(files)
  const config = new KubeConfig()
  config.loadFromDefault(tolerant)
  // What loadFromDefault makes up when it has found nothing.
  if (config.getCurrentContext() === 'loaded-context') {
    throw new Error('no KUBECONFIG, no ~/.kube/config and no service account: which cluster is meant?')
  }
  return config
}

/**
 * What the first file says of a name stands, and files that are not there, or empty, do not count
 * (kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/#merging-kubeconfig-files).
 */
function merged(files: readonly string[]): KubeConfig {
  const configs = files.filter(hasText).map(file => {
    const config = new KubeConfig()
    config.loadFromFile(file, tolerant)
    return config
  })
  const config = new KubeConfig()
  config.loadFromOptions({
    clusters: firstOfEach(configs.flatMap(({ clusters }) => clusters)),
    users: firstOfEach(configs.flatMap(({ users }) => users)),
    contexts: firstOfEach(configs.flatMap(({ contexts }) => contexts)),
    currentContext: configs.map(({ currentContext }) => currentContext).find(Boolean),
  })
  return config
}

function hasText(file: string): boolean {
  return existsSync(file) && readFileSync(file, 'utf8').trim() !== ''
}

function firstOfEach<T extends { name: string }>(items: readonly T[]): T[] {
  return items.filter((item, index) => items.findIndex(({ name }) => name === item.name) === index)
}
