// Asks the API server, by a dry run, what would become of a new pod: so it says itself whether it reaches the webhook, and what refuses
// an injected pod that it would take without a sidecar (Pod Security, quotas, other webhooks). Nothing is created.

import { label } from '../../protocol/names.ts'
import { refusal } from '../../release/api.ts'
import type { ApiResponse } from '../../release/api.ts'
import { isInjected } from '../explain.ts'
import { object } from '../../release/raw.ts'
import type { Raw } from '../../release/raw.ts'
import { nextPod } from '../../webhook/trial.ts'
import type { Cluster } from '../cluster.ts'
import { fail, ok, skip } from './finding.ts'
import type { Finding } from './finding.ts'

export async function dryRun(cluster: Cluster, namespace: string): Promise<Finding> {
  const without = await create(cluster, namespace, { [label.inject]: 'false' })
  if (without.status !== 201)
    return skip(`a dry run of a pod was refused even without a sidecar: ${refusal(without)}`)
  const injected = await create(cluster, namespace, {})
  if (injected.status !== 201) return fail(`an injected pod would be refused: ${refusal(injected)}`)
  return isInjected(object(injected.body))
    ? ok('a dry run of a new pod was injected, and admitted')
    : fail(
        'a dry run of a new pod was not injected: the API server does not reach the webhook (a firewall, a NetworkPolicy), or the webhook has just started',
      )
}

/** A pod as a Deployment makes it, that no Service selects: one named port is enough. It passes Pod Security `restricted`. */
function create({ api }: Cluster, namespace: string, labels: Record<string, string>): Promise<ApiResponse> {
  const hash = 'dryrun'
  const resources = { cpu: '10m', memory: '16Mi' }
  const template: Raw = {
    metadata: { labels: { [label.podTemplateHash]: hash, ...labels } },
    spec: {
      containers: [
        {
          name: 'app',
          image: 'app:1',
          ports: [{ name: 'http', containerPort: 8080 }],
          resources: { requests: resources, limits: resources },
          securityContext: {
            allowPrivilegeEscalation: false,
            runAsNonRoot: true,
            capabilities: { drop: ['ALL'] },
            seccompProfile: { type: 'RuntimeDefault' },
          },
        },
      ],
    },
  }
  return api.request({
    method: 'POST',
    path: `/api/v1/namespaces/${namespace}/pods`,
    query: { dryRun: 'All' },
    body: nextPod({ metadata: { name: `spa-reloader-check-${hash}`, uid: '0' }, spec: { template } }),
  })
}
