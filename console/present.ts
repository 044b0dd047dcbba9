// What the controller's copies say of one app, worked out when it is asked for.

import type { ConsoleApp } from '../protocol/console.ts'
import { deploymentOf } from '../release/next.ts'
import type { ReleaseRecord } from '../release/record.ts'
import { describeApp } from './app.ts'
import type { Source } from './source.ts'

/** Undefined where there is no such Deployment. Neither why it is not injected nor its tabs are asked for. */
export function presentApp(
  source: Pick<Source, 'namespace'>,
  namespace: string,
  name: string,
): { app: ConsoleApp; record: ReleaseRecord | undefined } | undefined {
  const found = source.namespace(namespace)
  const deployment = found?.copies.deployment(name)
  if (!found || !deployment) return undefined
  const { copies } = found
  const record = found.record(name)
  const pods = [...copies.pods()].filter(pod => deploymentOf(pod) === name)
  const replicaSets = [...copies.replicaSets()].filter(({ controller }) => controller?.uid === deployment.uid)
  const app = describeApp({
    deployment,
    replicaSets,
    pods,
    services: copies.services(),
    record,
    why: [],
    tabs: null,
  })
  return { app, record }
}
