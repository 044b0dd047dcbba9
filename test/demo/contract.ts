// What this project asks of a Kubernetes cluster. The same tests run on the demo's own API server and controllers and
// on the real ones: where they differ, the demo is wrong.

import type { Test } from 'tap'
import type { Api } from '../../release/api.ts'
import { controllersContract } from './contract/controllers.ts'
import { endingsContract } from './contract/endings.ts'
import { objectsContract } from './contract/objects.ts'
import { watchesContract } from './contract/watches.ts'
import { webhooksContract } from './contract/webhooks.ts'

/** `api` speaks for an administrator of a cluster that has controllers and neither scheduler nor kubelet. */
export function clusterContract(t: Test, api: Api): void {
  objectsContract(t, api)
  watchesContract(t, api)
  endingsContract(t, api)
  webhooksContract(t, api)
  controllersContract(t, api)
}
