// What the webhook is set to: from the environment in its Deployment, where that may be read.

import { webhookEnv, webhookServiceName } from '../protocol/names.ts'
import { isString } from '../protocol/release.ts'
import { redirectSettings } from '../webhook/capture-redirect.ts'
import type { RedirectSetting } from '../webhook/capture-redirect.ts'
import { containersOf } from '../webhook/pod.ts'
import { list } from '../release/raw.ts'
import { isRefused, orRefused } from './cluster.ts'
import type { Cluster } from './cluster.ts'
import { podOf } from './template.ts'

export interface WebhookSettings {
  /** The sidecar's image; undefined where it is not known. */
  image: string | undefined
  /** Where it is not known: the default. */
  redirect: RedirectSetting
}

/** What may not be read is added to `unread`, as a sentence. */
export async function readSettings(
  cluster: Cluster,
  systemNamespace: string,
  unread: string[],
): Promise<WebhookSettings> {
  const path = `/apis/apps/v1/namespaces/${systemNamespace}/deployments/${webhookServiceName}`
  const deployment = await orRefused(cluster.read(path))
  if (isRefused(deployment))
    unread.push(
      `the webhook's settings, and so the sidecar's image and whether it redirects (taken as off: numeric-target may be wrong): ${deployment.refused}`,
    )
  if (!deployment || isRefused(deployment)) return { image: undefined, redirect: 'off' }
  const variables = containersOf(podOf(deployment)).flatMap(({ container }) => list(container.env))
  const redirect = valueOf(webhookEnv.redirect)
  return {
    image: valueOf(webhookEnv.sidecarImage),
    redirect: redirectSettings.find(setting => setting === redirect) ?? 'off',
  }

  function valueOf(variable: string): string | undefined {
    const value = variables.find(({ name }) => name === variable)?.value
    return isString(value) ? value : undefined
  }
}
