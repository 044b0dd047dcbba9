// Why a pod was not injected although it could be: what admission never hears of. Its own reasons are in webhook/reasons.ts.

import { isString } from '../protocol/release.ts'
import { label, webhookConfigurationName, webhookName } from '../protocol/names.ts'
import { list, object } from '../release/raw.ts'
import type { Raw } from '../release/raw.ts'
import { parseSelector, takes } from '../webhook/selector.ts'

export const causes = {
  'not-installed': `the cluster has no MutatingWebhookConfiguration ${webhookConfigurationName}: install spa-reloader first`,
  'not-trusted':
    'the webhook configuration has no caBundle yet, so the API server does not ask: look at the log of the webhook',
  'not-labelled': `the Namespace does not carry the label ${label.inject}=enabled: kubectl label namespace <namespace> ${label.inject}=enabled`,
  'not-selected': 'the webhook configuration leaves this Namespace out, by its name or another label of it',
  missed:
    'the pod was made before the Namespace was labelled or its Service was there, or while the webhook could not be reached: kubectl rollout restart deployment',
} as const satisfies Record<string, string>
export type Cause = keyof typeof causes

/**
 * What keeps the API server from asking about new pods of a namespace. Takes the Namespace, and the webhook configuration: `null` where there is
 * none, undefined where it may not be read; then only the label tells.
 */
export function unasked(namespace: Raw, configuration: Raw | null | undefined): Cause[] {
  const labels = object(object(namespace.metadata).labels) as Record<string, string>
  const found: Cause[] = []
  if (configuration === null) found.push('not-installed')
  if (labels[label.inject] !== 'enabled') found.push('not-labelled')
  const webhook = configuration && ourWebhook(configuration)
  if (webhook && !isString(object(webhook.clientConfig).caBundle)) found.push('not-trusted')
  const isLabelled = !found.includes('not-labelled')
  if (webhook && isLabelled && !takes(parseSelector(webhook.namespaceSelector), labels))
    found.push('not-selected')
  return found
}

export function ourWebhook(configuration: Raw): Raw | undefined {
  return list(configuration.webhooks).find(({ name }) => name === webhookName)
}
