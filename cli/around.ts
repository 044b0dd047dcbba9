// What admission knows of a namespace, read once: the webhook has it from its watches.

import { annotation, webhookConfigurationName } from '../protocol/names.ts'
import { parseService } from '../release/objects.ts'
import { parseRelease, releasesPath } from '../release/record.ts'
import { parseBreaker } from '../webhook/breaker.ts'
import type { Breaker } from '../webhook/breaker.ts'
import { redirectIn } from '../webhook/capture-redirect.ts'
import type { Context } from '../webhook/decide.ts'
import { object } from '../release/raw.ts'
import type { Raw } from '../release/raw.ts'
import { discoverPolicies, networkPoliciesPath } from '../webhook/policies.ts'
import { parseNetworkPolicy, parseOtherPolicy } from '../webhook/policy.ts'
import type { Policy } from '../webhook/policy.ts'
import { annotationOf, nameOf } from './template.ts'
import { unasked } from './causes.ts'
import type { Cause } from './causes.ts'
import { isRefused, orRefused } from './cluster.ts'
import type { Cluster } from './cluster.ts'
import type { WebhookSettings } from './settings.ts'

const configurationPath = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${webhookConfigurationName}`

export interface Around {
  context: Context
  /** What keeps the API server from asking. */
  unasked: Cause[]
}

/** What may not be read is added to `unread`, as sentences, and taken as empty; of the webhook configuration, as sound. */
export async function readAround(
  cluster: Cluster,
  { image, redirect, sizes }: WebhookSettings,
  unread: string[],
): Promise<Around> {
  const { namespace } = cluster
  const [itself, services, policies, releases, configuration] = await Promise.all([
    orRefused(cluster.read(`/api/v1/namespaces/${namespace}`)),
    orRefused(cluster.list(`/api/v1/namespaces/${namespace}/services`)),
    orRefused(readPolicies(cluster)),
    orRefused(cluster.list(releasesPath(namespace))),
    orRefused(cluster.read(configurationPath).then(found => found ?? null)),
  ])
  if (isRefused(itself)) unread.push(`whether the Namespace is labelled, and its defaults: ${itself.refused}`)
  if (isRefused(services)) unread.push(`the Services: ${services.refused}`)
  if (isRefused(policies)) unread.push(`the policies about traffic, of all namespaces: ${policies.refused}`)
  if (isRefused(releases)) unread.push(`the Releases, and so the breakers: ${releases.refused}`)
  if (isRefused(configuration))
    unread.push(
      `the webhook configuration, and so whether the API server asks the webhook (taken as yes): ${configuration.refused}`,
    )
  const known = isRefused(itself) ? undefined : itself
  const asked = isRefused(configuration) ? undefined : configuration
  const labels = object(object(known?.metadata).labels) as Record<string, string>
  const annotations = object(object(known?.metadata).annotations) as Record<string, string>
  const present = isRefused(releases) ? [] : releases
  const breakers = new Map(present.map(release => [nameOf(release), openBreaker(release, image)]))
  const states = present.map(release => [nameOf(release), parseRelease(release)?.record?.state] as const)
  // Until pods with the sidecar have been ready, what is told before they come holds.
  const ready = new Map(states.filter(([, state]) => state?.phase === 'ready'))
  return {
    context: {
      name: namespace,
      labels,
      annotations,
      redirect: redirectIn(redirect, { labels, annotations }),
      policies: isRefused(policies) ? [] : policies,
      services: isRefused(services) ? [] : services.flatMap(service => parseService(service) ?? []),
      release: deployment => ready.get(deployment),
      sizes,
      breaker: deployment => breakers.get(deployment),
    },
    unasked: known ? unasked(known, asked) : [],
  }
}

/** Where the image that is injected now is not known, any breaker counts. */
function openBreaker(release: Raw, image: string | undefined): Breaker | undefined {
  const breaker = parseBreaker(annotationOf(release, annotation.breaker))
  return image === undefined || breaker?.image === image ? breaker : undefined
}

async function readPolicies(cluster: Cluster): Promise<Policy[]> {
  const network = await cluster.list(networkPoliciesPath)
  const others = await Promise.all(
    [...(await discoverPolicies(path => cluster.read(path)))].map(async ([path, kind]) =>
      (await cluster.list(path)).map(raw => parseOtherPolicy(kind, raw)),
    ),
  )
  return [...network.map(parseNetworkPolicy), ...others.flat()].filter(policy => policy !== undefined)
}
