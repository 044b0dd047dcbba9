// What the webhook's ServiceAccount may do, and what for: all of it. The manifests grant this and nothing else, and docs/security.md prints
// it; a test compares the three. `check` asks the API server whether each is granted.

import {
  caSecretName,
  group,
  leaseName,
  resource,
  systemNamespace,
  webhookConfigurationName,
  webhookServiceName,
} from '../../protocol/names.ts'
import { refusal } from '../../release/api.ts'
import { object } from '../../release/raw.ts'
import { otherKinds } from '../../webhook/policy.ts'
import type { Cluster } from '../cluster.ts'
import { fail, ok, skip, warn } from './finding.ts'
import type { Finding } from './finding.ts'

export interface Access {
  group: string
  /** With its subresource: `releases/status`. */
  resource: string
  verbs: readonly string[]
  /** Only this object. */
  name?: string
  /** Only in the system namespace; otherwise in every namespace. */
  isLocal?: true
  /** The value of the chart without which it is not granted, nor needed. */
  value?: string
  use: string
}

export const accesses: readonly Access[] = [
  {
    group: '',
    resource: 'namespaces',
    verbs: ['list', 'watch'],
    use: 'which namespaces carry the label, and their defaults',
  },
  {
    group: '',
    resource: 'pods',
    verbs: ['list', 'watch'],
    use: 'what a release state is worked out from: which version is ready where',
  },
  {
    group: '',
    resource: 'services',
    verbs: ['list', 'watch'],
    use: 'which container and port of a pod is the app',
  },
  { group: 'apps', resource: 'deployments', verbs: ['list', 'watch'], use: 'how far a rollout is' },
  {
    group: 'networking.k8s.io',
    resource: 'networkpolicies',
    verbs: ['list', 'watch'],
    use: 'whether policies let traffic come to the sidecars',
  },
  ...Object.entries(otherKinds).flatMap(([group, resources]) =>
    resources.map(resource => ({
      group,
      resource,
      verbs: ['list', 'watch'],
      use: 'the same, of a network plugin or a mesh',
    })),
  ),
  { group: '', resource: 'nodes', verbs: ['list'], use: 'whether their kubelets run native sidecars' },
  {
    group: 'apps',
    resource: 'replicasets',
    verbs: ['get', 'list', 'watch'],
    use: 'which pod belongs to which rollout, and what its next pod would be',
  },
  {
    group,
    resource: resource.plural,
    verbs: ['get', 'list', 'watch', 'create', 'patch'],
    use: 'the record of each Deployment, made with its first injected pod, and its breaker',
  },
  { group, resource: `${resource.plural}/status`, verbs: ['update'], use: 'the release state itself' },
  {
    group: '',
    resource: 'pods',
    verbs: ['patch'],
    use: 'the release state as an annotation, on injected pods',
  },
  {
    group: '',
    resource: 'pods',
    verbs: ['create'],
    value: 'admissionPolicy.enabled',
    use: 'dry runs: what refuses pods with the sidecar, and not without it. A ValidatingAdmissionPolicy refuses anything else',
  },
  { group: '', resource: 'events', verbs: ['create'], use: 'why a pod was not injected, on its Deployment' },
  {
    group: '',
    resource: 'events',
    verbs: ['list', 'watch'],
    value: 'console.enabled',
    use: "what becomes of a rollout, in the console's logs",
  },
  {
    group: 'admissionregistration.k8s.io',
    resource: 'mutatingwebhookconfigurations',
    verbs: ['list', 'watch', 'patch'],
    name: webhookConfigurationName,
    use: 'our certificate authority in our own webhook configuration, and again where somebody wiped it',
  },
  {
    group: '',
    resource: 'secrets',
    verbs: ['create'],
    isLocal: true,
    use: 'our certificate authority, at the first start: a name cannot be asked for at creation',
  },
  {
    group: '',
    resource: 'secrets',
    verbs: ['get', 'list', 'watch', 'update'],
    name: caSecretName,
    isLocal: true,
    use: 'the same at each start, and when it is replaced',
  },
  {
    group: 'coordination.k8s.io',
    resource: 'leases',
    verbs: ['create'],
    isLocal: true,
    use: 'which replica writes, at the first start',
  },
  {
    group: 'coordination.k8s.io',
    resource: 'leases',
    verbs: ['get', 'update'],
    name: leaseName,
    isLocal: true,
    use: 'the same, every few seconds',
  },
]

/** By SubjectAccessReviews, so as the API server itself judges. */
export async function checkAccess(cluster: Cluster, namespace = systemNamespace): Promise<Finding> {
  const denied: string[] = []
  const optional: string[] = []
  for (const access of accesses)
    for (const verb of access.verbs) {
      const allowed = await isAllowed(cluster, access, verb, namespace)
      if (typeof allowed === 'string') return skip(`RBAC of the webhook: ${allowed}`)
      const right = `${verb} ${access.resource}${access.name ? ` ${access.name}` : ''}`
      if (!allowed && access.value) optional.push(`${right} (${access.value})`)
      else if (!allowed) denied.push(right)
    }
  const account = `the ServiceAccount ${webhookServiceName}`
  if (denied.length > 0)
    return fail(`${account} may not ${denied.join(', ')}: apply the manifests of this version again`)
  return optional.length > 0
    ? warn(`${account} may not ${optional.join(', ')}: as it should be where that value of the chart is off`)
    : ok(`${account} has all of its rights`)
}

async function isAllowed(
  { api }: Cluster,
  access: Access,
  verb: string,
  namespace: string,
): Promise<boolean | string> {
  const [resource, subresource] = access.resource.split('/')
  const response = await api.request({
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: {
        user: `system:serviceaccount:${namespace}:${webhookServiceName}`,
        groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
        resourceAttributes: {
          group: access.group,
          resource,
          verb,
          ...(subresource && { subresource }),
          ...(access.name && { name: access.name }),
          ...(access.isLocal && { namespace }),
        },
      },
    },
  })
  if (response.status >= 300) return refusal(response)
  return object(object(response.body).status).allowed === true
}
