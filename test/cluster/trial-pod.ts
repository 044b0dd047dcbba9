// A pod that is only asked for: a dry run goes through admission as every creation does, and leaves nothing behind.

import type { KubernetesObject } from './api.ts'
import type { ControlPlane } from './control-plane.ts'
import { until } from './wait.ts'

type Cluster = Pick<ControlPlane, 'api'>

const hash = '6c487dcc49'

/** Of the Deployment `web`, which need not be there. Returns what came out when the pod was not injected. */
export async function createPod(cluster: Cluster, namespace: string): Promise<string | undefined> {
  const { status, body } = await create(cluster, namespace, [http])
  const isInjected = 'spa-reloader.io/status' in annotationsOf(body)
  return isInjected ? undefined : `${status} ${JSON.stringify(body).slice(0, 200)}`
}

/** Waits until the API server asks the webhook about this namespace's pods, and the webhook knows of it. */
export async function untilInjected(cluster: Cluster, namespace: string, seconds?: number): Promise<void> {
  let last: string | undefined
  await until(
    () => `a pod of ${namespace} to be injected: ${last}`,
    async () => (last = await createPod(cluster, namespace)) === undefined,
    seconds,
  )
}

/** Waits until the webhook knows of the Service before `app: web`: one that targets the port's name makes it capture by `name`, its number by `env`. */
export async function untilServed(
  cluster: Cluster,
  namespace: string,
  capture: 'name' | 'env' = 'name',
): Promise<void> {
  let last = ''
  await until(
    () => `a pod of ${namespace} to be captured by ${capture}: ${last}`,
    async () => {
      // Of two ports no other thing than the Service says which is the app's.
      const { body } = await create(cluster, namespace, [http, { name: 'metrics', containerPort: 9_090 }])
      last = JSON.stringify(annotationsOf(body))
      return last.includes(`\\"capture\\":\\"${capture}\\"`)
    },
  )
}

const http = { name: 'http', containerPort: 8_080 }

function create(cluster: Cluster, namespace: string, ports: object[]) {
  const labels = { app: 'web', 'pod-template-hash': hash }
  const ownerReferences = [
    {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      name: `web-${hash}`,
      uid: '0d7a3c5e-6b0f-4a3e-9a45-2f1f4c5b6a70',
      controller: true,
    },
  ]
  const container = {
    name: 'web',
    image: 'web:1',
    ports,
    env: [{ name: 'PORT', value: '8080' }],
    resources: { limits: { memory: '16Mi' } }, // a quota on it refuses whoever says none
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
  }
  const securityContext = { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } }
  return cluster.api('POST', `/api/v1/namespaces/${namespace}/pods?dryRun=All`, {
    metadata: { generateName: `web-${hash}-`, labels, ownerReferences },
    spec: { securityContext, containers: [container] },
  })
}

function annotationsOf({ metadata }: KubernetesObject): object {
  return metadata.annotations ?? {}
}
