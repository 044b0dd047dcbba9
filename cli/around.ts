// What admission knows of a namespace, read once: the webhook has it from its watches.

import { webhookConfigurationName } from '../protocol/names.ts'
import { parseService } from '../release/objects.ts'
import type { Context } from '../webhook/decide.ts'
import { object } from '../webhook/pod.ts'
import { unasked } from './causes.ts'
import type { Cause } from './causes.ts'
import { isRefused, orRefused } from './cluster.ts'
import type { Cluster } from './cluster.ts'

const configurationPath = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${webhookConfigurationName}`

export interface Around {
  context: Context
  /** What keeps the API server from asking. */
  unasked: Cause[]
}

/** What may not be read is added to `unread`, as sentences, and taken as empty. */
export async function readAround(cluster: Cluster, unread: string[]): Promise<Around> {
  const { namespace } = cluster
  const [itself, services, configuration] = await Promise.all([
    orRefused(cluster.read(`/api/v1/namespaces/${namespace}`)),
    orRefused(cluster.list(`/api/v1/namespaces/${namespace}/services`)),
    orRefused(cluster.read(configurationPath).then(found => found ?? null)),
  ])
  if (isRefused(itself)) unread.push(`whether the Namespace is labelled, and its defaults: ${itself.refused}`)
  if (isRefused(services)) unread.push(`the Services: ${services.refused}`)
  const known = isRefused(itself) ? undefined : itself
  const asked = isRefused(configuration) ? undefined : configuration
  return {
    context: {
      annotations: object(object(known?.metadata).annotations) as Record<string, string>,
      services: isRefused(services) ? [] : services.flatMap(service => parseService(service) ?? []),
      release: () => undefined,
    },
    unasked: known ? unasked(known, asked) : [],
  }
}
