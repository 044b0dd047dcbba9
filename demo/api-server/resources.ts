// Which resources are served, and which of them a path speaks of. A CustomResourceDefinition adds one.

import { list, object } from '../../release/raw.ts'
import type { KubeObject } from './objects.ts'

export interface Resource {
  /** '' for the core group. */
  group: string
  version: string
  plural: string
  kind: string
  namespaced: boolean
  /** The status is written by itself, at /status, and every other write leaves it alone. */
  hasStatus: boolean
}

export interface Target {
  resource: Resource
  namespace: string | undefined
  name: string | undefined
  subresource: string | undefined
}

export interface Resources {
  all(): Iterable<Resource>
  define(definition: KubeObject): void
  /** Undefined: the path is not one of ours. */
  find(pathname: string): Target | undefined
}

type Kind = [plural: string, kind: string, traits?: { cluster?: true; status?: true }]

const builtIn: Record<string, Kind[]> = {
  '/v1': [
    ['namespaces', 'Namespace', { cluster: true, status: true }],
    ['pods', 'Pod', { status: true }],
    ['services', 'Service', { status: true }],
    ['secrets', 'Secret'],
    ['events', 'Event'],
  ],
  'apps/v1': [
    ['deployments', 'Deployment', { status: true }],
    ['replicasets', 'ReplicaSet', { status: true }],
  ],
  'coordination.k8s.io/v1': [['leases', 'Lease']],
  'networking.k8s.io/v1': [['networkpolicies', 'NetworkPolicy']],
  'admissionregistration.k8s.io/v1': [
    ['mutatingwebhookconfigurations', 'MutatingWebhookConfiguration', { cluster: true }],
  ],
  'apiextensions.k8s.io/v1': [
    ['customresourcedefinitions', 'CustomResourceDefinition', { cluster: true, status: true }],
  ],
}

export function createResources(): Resources {
  const resources = new Map<string, Resource>()
  for (const [groupVersion, kinds] of Object.entries(builtIn)) {
    const [group = '', version = ''] = groupVersion.split('/')
    for (const [plural, kind, { cluster = false, status = false } = {}] of kinds)
      add({ group, version, plural, kind, namespaced: !cluster, hasStatus: status })
  }
  return { all: () => resources.values(), define, find }

  function add(resource: Resource): void {
    resources.set(`${resource.group}/${resource.version}/${resource.plural}`, resource)
  }

  function define(definition: KubeObject): void {
    const { group, scope, names, versions } = object(definition.spec)
    const { plural, kind } = object(names)
    for (const version of list(versions))
      add({
        group: String(group),
        version: String(version.name),
        plural: String(plural),
        kind: String(kind),
        namespaced: scope === 'Namespaced',
        hasStatus: object(version.subresources).status !== undefined,
      })
  }

  function find(pathname: string): Target | undefined {
    const [, root, ...segments] = pathname.split('/')
    const group = root === 'api' ? '' : root === 'apis' ? segments.shift() : undefined
    const version = segments.shift()
    if (group === undefined || version === undefined) return undefined
    // /namespaces/shop/pods is in a namespace, /namespaces/shop and /namespaces/shop/status are one.
    const isInside = segments[0] === 'namespaces' && segments.length > 2 && segments[2] !== 'status'
    const namespace = isInside ? segments[1] : undefined
    const [plural = '', name, subresource, ...more] = isInside ? segments.slice(2) : segments
    const resource = resources.get(`${group}/${version}/${plural}`)
    if (!resource || more.length > 0) return undefined
    if (isInside && !resource.namespaced) return undefined
    if (resource.namespaced && name !== undefined && namespace === undefined) return undefined
    return { resource, namespace, name, subresource }
  }
}

export function apiVersion({ group, version }: Resource): string {
  return group === '' ? version : `${group}/${version}`
}

/** As error messages name it: `pods`, `deployments.apps`. */
export function qualified({ group, plural }: Resource): string {
  return group === '' ? plural : `${plural}.${group}`
}
