// Whether the traffic that reaches the app will reach the front. With capture `name` it comes on another port of the pod, and policies see
// that one: a rule with the port's name follows it, a rule with its number drops the traffic.

import { isDeepStrictEqual } from 'node:util'
import type { App } from '../release/app.ts'
import type { PodTemplate } from '../release/objects.ts'
import { includes, policiesOf } from './policy.ts'
import type { NetworkPolicy, OtherPolicy, Peer, Policy, PolicyPort, PolicyRule } from './policy.ts'
import { takes } from './selector.ts'

export interface Around {
  /** The Namespace's. */
  name: string
  labels: Record<string, string>
  annotations: Record<string, string>
  /** Of every namespace. */
  policies: readonly Policy[]
}

export interface Obstacle {
  code: 'numeric-policy' | 'other-policy'
  /** The policy, or the annotation. */
  subject: string
}

/**
 * Takes the pod as it was before injection. Returns the policies that let traffic come to the app's port and keep it from the front, at the
 * pod's end (`ingress`) and at its clients' (`egress`).
 */
export function obstacles(
  pod: Pick<PodTemplate, 'labels' | 'annotations' | 'spec'>,
  { app, front }: { app: App; front: number },
  around: Around,
): Obstacle[] {
  const network = around.policies.filter(policy => 'pods' in policy)
  const others = [
    ...around.policies.filter(policy => 'ports' in policy),
    ...policiesOf(pod.annotations, around.annotations),
  ].filter(isOnlyForApp)
  return [
    ...[...new Set([...atThePod(network), ...atClients(network)])].map(policy =>
      told('numeric-policy', policy),
    ),
    ...others.map(policy => told('other-policy', policy)),
  ]

  function atThePod(all: readonly NetworkPolicy[]): NetworkPolicy[] {
    const own = all.filter(({ namespace, pods }) => namespace === around.name && takes(pods, pod.labels))
    const rules = own.flatMap(({ ingress = [] }) => ingress).filter(rule => leadsTo(rule, 'front'))
    return own.filter(({ ingress = [] }) =>
      ingress.some(rule => isOnlyTo(rule) && !rules.some(other => isFromAll(other, rule))),
    )
  }

  function atClients(all: readonly NetworkPolicy[]): NetworkPolicy[] {
    const leading = all.flatMap(policy => {
      const rules = (policy.egress ?? []).filter(
        ({ peers }) => !peers || peers.some(peer => isUs(policy, peer)),
      )
      return rules.length > 0 ? [{ policy, rules }] : []
    })
    // Another policy may let the same clients through: then nothing is dropped.
    const open = leading.filter(({ rules }) => rules.some(rule => leadsTo(rule, 'front')))
    return leading
      .filter(
        ({ policy, rules }) => rules.some(isOnlyTo) && !open.some(other => isForAll(other.policy, policy)),
      )
      .map(({ policy }) => policy)
  }

  function isUs({ namespace }: NetworkPolicy, { namespaces, pods, block }: Peer): boolean {
    if (block) return block === 'all'
    const isHere = namespaces ? takes(namespaces, around.labels) : namespace === around.name
    return isHere && takes(pods, pod.labels)
  }

  function isOnlyTo(rule: PolicyRule): boolean {
    return leadsTo(rule, 'app') && !leadsTo(rule, 'front')
  }

  function leadsTo({ ports }: PolicyRule, end: 'app' | 'front'): boolean {
    return !ports || ports.some(port => isOf(port, end))
  }

  function isOf(port: PolicyPort, end: 'app' | 'front'): boolean {
    if (!('name' in port)) return includes(port, end === 'app' ? app.port : front)
    if (port.name === app.portName) return true
    return end === 'app' && declared(port.name) === app.port
  }

  function declared(name: string): number | undefined {
    const ports = pod.spec.containers.flatMap(({ ports }) => ports)
    return ports.find(port => port.name === name && port.protocol === 'TCP')?.containerPort
  }

  /** Whom it is about cannot be told, only where: a policy for one namespace is not another's. */
  function isOnlyForApp({ namespace, ports }: OtherPolicy): boolean {
    if (namespace !== '' && namespace !== around.name) return false
    return ports.some(port => includes(port, app.port)) && !ports.some(port => includes(port, front))
  }
}

function isFromAll(rule: PolicyRule, of: PolicyRule): boolean {
  return rule.peers === undefined || isDeepStrictEqual(rule.peers, of.peers)
}

function isForAll(policy: NetworkPolicy, of: NetworkPolicy): boolean {
  return (
    policy.namespace === of.namespace && (policy.pods.length === 0 || isDeepStrictEqual(policy.pods, of.pods))
  )
}

function told(code: Obstacle['code'], { kind, namespace, name }: Policy): Obstacle {
  return { code, subject: `${kind} ${namespace ? `${namespace}/` : ''}${name}` }
}
