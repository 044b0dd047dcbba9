// What the webhook is set to: from the environment in its Deployment, where that may be read.

import { reason } from '../protocol/log.ts'
import { webhookEnv, webhookServiceName } from '../protocol/names.ts'
import { isString } from '../protocol/release.ts'
import { redirectSettings } from '../webhook/capture-redirect.ts'
import type { RedirectSetting } from '../webhook/capture-redirect.ts'
import { readSizes } from '../webhook/config.ts'
import { containersOf } from '../webhook/pod.ts'
import type { Wishes } from '../webhook/resources.ts'
import { list } from '../release/raw.ts'
import type { Raw } from '../release/raw.ts'
import { isRefused, orRefused } from './cluster.ts'
import type { Cluster } from './cluster.ts'
import { podOf } from './template.ts'

export interface WebhookSettings {
  /** The sidecar's image; undefined where it is not known. */
  image: string | undefined
  /** Where it is not known: the default. */
  redirect: RedirectSetting
  /** What sidecars have whose pods do not say otherwise. Where it is not known: the defaults. */
  sizes: Wishes
}

/** What may not be read, or is not there, is added to `unread`, as a sentence. */
export async function readSettings(
  cluster: Cluster,
  systemNamespace: string,
  unread: string[],
): Promise<WebhookSettings> {
  const path = `/apis/apps/v1/namespaces/${systemNamespace}/deployments/${webhookServiceName}`
  const deployment = (await orRefused(cluster.read(path))) ?? {
    refused: `there is no Deployment ${webhookServiceName} in namespace ${systemNamespace} (--system-namespace)`,
  }
  if (isRefused(deployment)) {
    unread.push(
      `the webhook's settings, and so the sidecar's image and size, and whether it redirects (the defaults are taken, redirect as off: numeric-target may be wrong): ${deployment.refused}`,
    )
    return { image: undefined, redirect: 'off', sizes: {} }
  }
  const environment = environmentOf(deployment)
  return {
    image: environment[webhookEnv.sidecarImage],
    redirect: redirectSettings.find(setting => setting === environment[webhookEnv.redirect]) ?? 'off',
    sizes: sizes(),
  }

  /** By wrong ones its next pod stops at start; the present one may have others. */
  function sizes(): Wishes {
    try {
      return readSizes(environment)
    } catch (error) {
      unread.push(`the size of sidecars (the defaults are taken): ${reason(error)}`)
      return {}
    }
  }
}

/** What its containers are told in so many words. */
function environmentOf(deployment: Raw): Record<string, string> {
  const variables = containersOf(podOf(deployment)).flatMap(({ container }) => list(container.env))
  return Object.fromEntries(
    variables.flatMap(({ name, value }) => (isString(name) && isString(value) ? [[name, value]] : [])),
  )
}
