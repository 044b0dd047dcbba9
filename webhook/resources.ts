// What the sidecar asks of its node: by default, or as its people want it. Whatever they want, the API server takes the pod, and its class of service stays.

import { containerName, redirectContainerName } from '../protocol/names.ts'
import { isObject, isString } from '../protocol/release.ts'
import { list, object } from '../release/raw.ts'
import type { Raw } from '../release/raw.ts'
import { addQuantities, greatest, isBetween } from './quantity.ts'

/** Quantities, as somebody wrote them; undefined: nobody did. */
export type Wishes = Partial<Record<Wish, string | undefined>>
export type Wish = (typeof wishes)[number]
export const wishes = ['cpu', 'cpuLimit', 'memory', 'memoryLimit'] as const

/** What they come to. */
export interface Amounts {
  cpu: string
  /** Undefined: it depends on the pod. */
  cpuLimit?: string | undefined
  memory: string
  memoryLimit: string
}

/** What nobody can mean is refused: `128m` of memory is an eighth of a byte. */
const range = { cpu: ['1m', '1k'], memory: ['1Mi', '1Ti'] } as const

export function isSane(wish: Wish, text: string): boolean {
  const [least, most] = wish === 'cpu' || wish === 'cpuLimit' ? range.cpu : range.memory
  return isBetween(text, least, most)
}

const limitOf = { cpu: 'cpuLimit', memory: 'memoryLimit' } as const

/**
 * Takes what the pod says, and the installation where that says nothing. A limit below the request is raised to it, since the API server would refuse the pod; one of
 * memory to the least that serves. `raised` names what the pod says and does not get for that.
 */
export function amountsOf(
  own: Wishes,
  installed: Wishes,
  { idle, least, most }: Needs,
): { amounts: Amounts; raised: Wish[] } {
  const of = (wish: Wish) => own[wish] ?? installed[wish]
  const [cpu, cpuLimit, memory] = [of('cpu') ?? '10m', of('cpuLimit'), of('memory') ?? idle]
  const amounts: Amounts = {
    cpu,
    cpuLimit: cpuLimit && greatest(cpuLimit, cpu),
    memory,
    memoryLimit: greatest(of('memoryLimit') ?? most, memory, least),
  }
  const raised = (['cpu', 'memory'] as const).flatMap(request => {
    const limit = limitOf[request]
    const said = [limit, request].find(wish => own[wish] !== undefined)
    return said && of(limit) !== undefined && of(limit) !== amounts[limit] ? [said] : []
  })
  return { amounts, raised }
}

export interface Needs {
  idle: string
  least: string
  most: string
}

/** Of memory. */
export function needs({ feed }: { feed: 'downward' | 'watch' }): Needs {
  // 20 MiB idle, and up to 50 of Node's own pages where it is the first of the node to read them; 7 KiB for each of the 6,000 tabs that it
  // takes by default and as much of the kernel's, 16 MiB of assets, 28 under load, and 8 for the preStop program at the end (bench/README.md).
  // Of Node's pages the kernel drops those for which there is no room: at 96 MiB it answers as at 192 while there are few tabs, at 80 it hangs.
  // The client of the API server takes 20 MiB (seen).
  return feed === 'watch'
    ? { idle: '96Mi', least: '128Mi', most: '224Mi' }
    : { idle: '64Mi', least: '96Mi', most: '192Mi' }
}

/**
 * Requests always, or autoscaling by utilisation fails for the whole pod. Guaranteed pods stay Guaranteed. A CPU limit only where it is asked for, or each
 * container has one: such a namespace may have a quota that asks for it, elsewhere it would only slow the app's traffic down.
 */
export function resources(pod: Raw, { cpu, cpuLimit, memory, memoryLimit }: Amounts): Raw {
  const { containers, initContainers, resources } = object(pod.spec)
  const others = [...list(containers), ...list(initContainers)].filter(({ name }) => !ours.includes(name))
  // What is said for the whole pod goes before what its containers say (KEP-2837).
  const told = isObject(resources) ? [object(pod.spec)] : others
  const isLimited = told.every(container => limitsOf(container).cpu !== undefined)
  // A missing request equals its limit. The API server sends quantities in their canonical form, so equal ones are equal strings.
  const isGuaranteed = told.every(container =>
    ['cpu', 'memory'].every(kind => {
      const limit = limitsOf(container)[kind]
      return limit !== undefined && (requestsOf(container)[kind] ?? limit) === limit
    }),
  )
  const most = cpuLimit ?? (isLimited ? greatest('250m', cpu) : undefined)
  const limits = { ...(most !== undefined && { cpu: most }), memory: memoryLimit }
  return { requests: isGuaranteed ? limits : { cpu, memory }, limits }
}

const ours: unknown[] = [containerName, redirectContainerName]

/**
 * What a pod with resources of its own must have with the sidecar: as much more as that takes, or the API server refuses the pod (the containers'
 * requests may not be more than the pod's), or the app has less memory than before. Of resources that the pod does not name, nothing.
 */
export function podResources(pod: Raw, sidecar: Raw): { requests: Raw; limits: Raw } {
  const [requests, limits] = [requestsOf(sidecar), limitsOf(sidecar)]
  const whole = object(pod.spec)
  return {
    requests: raised(requestsOf(whole), requests),
    limits: raised(limitsOf(whole), { ...requests, ...limits }),
  }
}

function raised(present: Raw, by: Raw): Raw {
  const kinds = Object.keys(by).filter(kind => isString(present[kind]))
  return Object.fromEntries(kinds.map(kind => [kind, addQuantities(String(present[kind]), String(by[kind]))]))
}

function limitsOf({ resources }: Raw): Raw {
  return object(object(resources).limits)
}

function requestsOf({ resources }: Raw): Raw {
  return object(object(resources).requests)
}
