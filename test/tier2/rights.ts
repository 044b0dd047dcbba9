// What a ServiceAccount may do, as the API server's authorizer has it: a role that was written a moment ago may not count yet.

import type { ControlPlane } from '../cluster/control-plane.ts'
import { until } from '../cluster/wait.ts'

export interface Right {
  namespace: string
  verb: string
  resource: string
  group?: string
}

/** Waits until the ServiceAccount (`namespace:name`) has the right, or has it no more. */
export async function untilMay(
  cluster: Pick<ControlPlane, 'api'>,
  account: string,
  right: Right,
  may = true,
): Promise<void> {
  await until(
    `${account} ${may ? '' : 'not '}to have the right to ${right.verb} ${right.resource}`,
    async () => {
      const { body } = await cluster.api('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
        spec: { user: `system:serviceaccount:${account}`, resourceAttributes: right },
      })
      return body.status?.allowed === may
    },
  )
}
