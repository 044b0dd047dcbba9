// Policies about traffic, cut down to what we ask of them: NetworkPolicies field by field, and those of network plugins and meshes by
// the port numbers that they name, since each has a language of its own.

import { annotation } from '../protocol/names.ts'
import { isObject, isString } from '../protocol/release.ts'
import { parseMeta } from '../release/objects.ts'
import { list, object } from '../release/raw.ts'
import { parseSelector } from './selector.ts'
import type { Selector } from './selector.ts'

/** networking.k8s.io/v1. */
export interface NetworkPolicy {
  kind: string
  namespace: string
  name: string
  /** The pods that it is about. */
  pods: Selector
  /** Undefined: it says nothing of this direction. Empty: it lets nothing through. */
  ingress: PolicyRule[] | undefined
  egress: PolicyRule[] | undefined
}

export interface PolicyRule {
  /** Undefined: anybody. */
  peers: Peer[] | undefined
  /** Undefined: every port. */
  ports: PolicyPort[] | undefined
}

export interface Peer {
  /** Undefined: the policy's own namespace. */
  namespaces: Selector | undefined
  pods: Selector
  /** It names addresses; `all` those of everybody. */
  block: 'all' | 'some' | undefined
}

/** TCP only. A name is resolved by the pod that the traffic goes to. */
export type PolicyPort = { name: string } | Range
export interface Range {
  from: number
  to: number
}

/** Of any other kind, written as kubectl takes it: `CiliumNetworkPolicy.cilium.io`. */
export interface OtherPolicy {
  kind: string
  /** '' when it is the whole cluster's. */
  namespace: string
  name: string
  ports: Range[]
}

export type Policy = NetworkPolicy | OtherPolicy

/** Kinds of other people whose rules name ports: API group → resources. The webhook's ClusterRole lists the same. */
export const otherKinds: Record<string, readonly string[]> = {
  'cilium.io': ['ciliumnetworkpolicies', 'ciliumclusterwidenetworkpolicies'],
  'crd.projectcalico.org': ['networkpolicies', 'globalnetworkpolicies'],
  'crd.antrea.io': ['networkpolicies', 'clusternetworkpolicies'],
  'policy.networking.k8s.io': [
    'adminnetworkpolicies',
    'baselineadminnetworkpolicies',
    'clusternetworkpolicies',
  ],
  'security.istio.io': ['authorizationpolicies', 'peerauthentications'],
  'policy.linkerd.io': ['servers'],
}

/** Takes an object of any kind; undefined when it is no policy that we read. */
export function parsePolicy(raw: Record<string, unknown>): Policy | undefined {
  const [group = ''] = String(raw.apiVersion).split('/')
  const kind = String(raw.kind)
  if (group === 'networking.k8s.io' && kind === 'NetworkPolicy') return parseNetworkPolicy(raw)
  const isRead = otherKinds[group]?.includes(`${kind.toLowerCase().replace(/y$/, 'ie')}s`)
  return isRead ? parseOtherPolicy(`${kind}.${group}`, raw) : undefined
}

export function parseNetworkPolicy(data: unknown): NetworkPolicy | undefined {
  const meta = parseMeta(data)
  if (!meta || !isObject(data)) return undefined
  const { podSelector, policyTypes, ingress, egress } = object(data.spec)
  // The API server fills the types in; without them they follow from the rules (networking/v1 types.go).
  const types = Array.isArray(policyTypes) ? policyTypes : ['Ingress', ...(egress ? ['Egress'] : [])]
  return {
    kind: 'NetworkPolicy',
    namespace: meta.namespace,
    name: meta.name,
    pods: parseSelector(podSelector),
    ingress: types.includes('Ingress') ? list(ingress).map(rule => parseRule(rule, rule.from)) : undefined,
    egress: types.includes('Egress') ? list(egress).map(rule => parseRule(rule, rule.to)) : undefined,
  }
}

export function parseOtherPolicy(kind: string, data: unknown): OtherPolicy | undefined {
  const meta = parseMeta(data)
  if (!meta || !isObject(data)) return undefined
  // Cilium takes several specs in one object.
  const ports = [...portsIn(data.spec, false), ...portsIn(data.specs, false)]
  return { kind, namespace: meta.namespace, name: meta.name, ports }
}

/** Annotations for the ports whose traffic a mesh's proxy takes or leaves alone: Istio reads the pod's, Linkerd the Namespace's as well. */
export function policiesOf(
  ofPod: Record<string, string>,
  ofNamespace: Record<string, string>,
): OtherPolicy[] {
  const { istioIncludedPorts, istioExcludedPorts, linkerdSkippedPorts } = annotation
  const texts = {
    [istioIncludedPorts]: ofPod[istioIncludedPorts],
    [istioExcludedPorts]: ofPod[istioExcludedPorts],
    [linkerdSkippedPorts]: ofPod[linkerdSkippedPorts] ?? ofNamespace[linkerdSkippedPorts],
  }
  return Object.entries(texts).map(([name, text = '']) => ({
    kind: 'annotation',
    namespace: '',
    name,
    ports: text.split(',').flatMap(port => range(port.trim())),
  }))
}

export function includes({ from, to }: Range, port: number): boolean {
  return from <= port && port <= to
}

function parseRule({ ports }: Record<string, unknown>, peers: unknown): PolicyRule {
  const [somebody, some] = [list(peers), list(ports)]
  return {
    peers: somebody.length > 0 ? somebody.map(parsePeer) : undefined,
    ports: some.length > 0 ? some.flatMap(parsePort) : undefined,
  }
}

function parsePeer({ namespaceSelector, podSelector, ipBlock }: Record<string, unknown>): Peer {
  const { cidr, except } = object(ipBlock)
  const isAll = (cidr === '0.0.0.0/0' || cidr === '::/0') && list(except).length === 0
  return {
    namespaces: isObject(namespaceSelector) ? parseSelector(namespaceSelector) : undefined,
    pods: parseSelector(podSelector),
    block: ipBlock === undefined ? undefined : isAll && !Array.isArray(except) ? 'all' : 'some',
  }
}

function parsePort({ protocol = 'TCP', port, endPort }: Record<string, unknown>): PolicyPort[] {
  if (protocol !== 'TCP') return []
  if (port === undefined) return [{ from: 1, to: 65_535 }]
  if (isString(port)) return [{ name: port }]
  const from = Number(port)
  return [{ from, to: typeof endPort === 'number' ? endPort : from }]
}

/**
 * Port numbers wherever a policy names them: `port: "8080"` and `endPort` (Cilium), `ports: [8080, '8000:8100']` (Calico),
 * `portNumber: {port}` and `portRange: {start, end}` (AdminNetworkPolicy), `destinationPort: {number}` (ClusterNetworkPolicy), `ports: ['8080']` and
 * `portLevelMtls: {8080: …}` (Istio), `port: 8080` (Linkerd, Antrea).
 */
function portsIn(data: unknown, isPort: boolean): Range[] {
  if (Array.isArray(data)) return data.flatMap(item => portsIn(item, isPort))
  if (!isObject(data)) return isPort ? range(data) : []
  const { start = data.port, end = data.endPort } = data
  const [from, to] = [range(start)[0]?.from, range(end)[0]?.to]
  if (from !== undefined && to !== undefined) return [{ from, to }]
  return Object.entries(data).flatMap(([key, value]) => {
    if (key === 'portLevelMtls') return Object.keys(object(value)).flatMap(range)
    return portsIn(value, /^(to|not|destination)?ports?(number)?$/i.test(key) || (isPort && key === 'number'))
  })
}

function range(data: unknown): Range[] {
  const [, from, to = from] = /^(\d{1,5})(?:[:-](\d{1,5}))?$/.exec(String(data)) ?? []
  return from === undefined ? [] : [{ from: Number(from), to: Number(to) }]
}
