// Whether a new pod gets the sidecar, and how. Pure, and every refusal has a reason.
// It may be asked about a pod that it has changed before (reinvocationPolicy IfNeeded), and then decides on the pod as it was.

import { annotation, containerName, label, option, port, redirectContainerName } from '../protocol/names.ts'
import type { ReleaseState } from '../protocol/release.ts'
import { appOptions, findApp, kindOf, leadsTo, namedContainers, routesOf } from '../release/app.ts'
import type { App, Route } from '../release/app.ts'
import { specBefore } from '../release/injected.ts'
import { parsePodSpec } from '../release/objects.ts'
import type { PodSpec, Service } from '../release/objects.ts'
import { sayBreaker } from './breaker.ts'
import type { Breaker } from './breaker.ts'
import { bypasses, captureOf } from './capture.ts'
import type { Capture } from './capture.ts'
import type { Redirect } from './capture-redirect.ts'
import { volume } from './container.ts'
import { badOption, readOptions } from './options.ts'
import { containerOf, deploymentOf, isReplicaSet, parseNewPod, portsOf, sidecarOf } from './pod.ts'
import { list, object } from '../release/raw.ts'
import type { Plan } from './plan.ts'
import type { NewPod } from './pod.ts'
import type { Raw } from '../release/raw.ts'
import { obstacles } from './reach.ts'
import type { Around } from './reach.ts'
import type { Reason, Warning } from './reasons.ts'
import type { Wishes } from './resources.ts'
import { appOf, parseStatus } from './status.ts'
import type { Status } from './status.ts'

/** `about` is the object that is the reason, where it is another one; of a breaker, what it says. */
export type Decision = ({ inject: Plan } | { skip: Reason[]; about?: string }) & {
  /** Known as soon as the owner is. */
  deployment: string | undefined
  warnings: Warning[]
}

/** What must be known of the pod's namespace, and of the policies in the others. */
export interface Context extends Around {
  services: readonly Service[]
  /** The last known release state of a Deployment. */
  release: (deployment: string) => ReleaseState | undefined
  redirect?: Redirect
  /** What the installation wants sidecars to have. */
  sizes?: Wishes
  /** Why its pods are left alone for now: what became of others. */
  breaker?: (deployment: string) => Breaker | undefined
}

/** Takes the raw pod as the API server sends it. */
export function decide(raw: unknown, context: Context): Decision {
  const { annotations, services, release, redirect, sizes = {}, breaker } = context
  const pod = parseNewPod(raw)
  if (!pod) return { skip: ['not-a-pod'], deployment: undefined, warnings: [] }
  const before = parseStatus(pod.annotations[annotation.status])
  const name = deploymentOf(pod)
  const warnings: Warning[] = []
  const { capture: choice, ...settings } = readOptions(pod.annotations, annotations, sizes, warnings)
  const skip = (...skip: Reason[]): Decision => ({ skip, deployment: name, warnings })

  const unfit = unfitness(pod, before)
  if (choice === 'none') unfit.push('capture-none')
  if (unfit.length > 0 || name === undefined || choice === 'none') return skip(...unfit)

  const original = { labels: pod.labels, annotations: pod.annotations, spec: specBefore(pod.spec, before) }
  const found = findApp(original, services, appOptions(pod.annotations, annotations))
  // A default of the namespace need not fit every pod in it.
  for (const ignored of found.ignored)
    if (Object.hasOwn(pod.annotations, option[ignored])) warnings.push(badOption(option[ignored]))
  const version = pod.annotations[option.version]
  if (version !== undefined && !namedContainers(original.spec, version))
    warnings.push(badOption(option.version))
  const app = 'app' in found ? found.app : appBefore(original.spec, sidecarOf(pod.raw) ? before : undefined)
  if (!app) return skip('none' in found ? found.none : 'port-not-found')

  const routes = routesOf(original, services).filter(route => leadsTo(app, route))
  const problem = portProblem(app, routes, pod.raw)
  if (problem) return skip(problem)
  const declared = [...declaredPorts(original.spec), ...declaredPorts(initSpec(pod.raw))]
  const ports = freePorts([...declared, app.port])
  if (!ports) return skip('no-free-port')

  const inTheWay = obstacles(original, { app, front: ports.front }, context)
  const [obstacle] = inTheWay
  // Whoever asks for it knows what the policies do.
  const isDropped = obstacle !== undefined && choice !== 'name'
  const situation = { pod, app, routes, before, redirect, isDropped }
  const capture = captureOf(choice, situation)
  if (!capture && isDropped && captureOf(choice, { ...situation, isDropped: false }))
    return { ...skip(obstacle.code), about: obstacle.subject }
  if (!capture && redirect === 'refused' && routes.length > 0) return skip('pod-security')
  if (!capture) return skip(routes.length > 0 ? 'numeric-target' : 'port-without-name')
  const open = before ? undefined : breaker?.(name)
  if (open) return { ...skip('breaker'), about: sayBreaker(open) }

  // Here too, a default of the namespace need not fit.
  if (choice !== 'auto' && choice !== capture && Object.hasOwn(pod.annotations, option.capture))
    warnings.push(badOption(option.capture))
  if (capture === 'name') warnings.push(...inTheWay.filter(({ code }) => code === 'numeric-policy'))
  warnings.push(...bypassing(capture, app, routes))
  // The webhook's Release is there from the first pod with the sidecar on: of later ones there is no Event.
  if (!before && !release(name)) warnings.push(...firewalled(capture, app, routes, services))
  return {
    inject: {
      name,
      app,
      capture,
      front: capture === 'env' ? app.port : ports.front,
      moved: capture === 'env' ? ports.moved : undefined,
      admin: ports.admin,
      ...settings,
      anyUser: Object.hasOwn(annotations, annotation.openshiftUserIds),
      release: release(name),
      before,
    },
    deployment: name,
    warnings,
  }
}

function unfitness({ labels, hostNetwork, windows, owner, raw, spec }: NewPod, before?: Status): Reason[] {
  const unfit: Reason[] = []
  if (labels[label.inject] === 'false') unfit.push('opted-out')
  if (hostNetwork) unfit.push('host-network')
  if (windows) unfit.push('windows')
  if (!isReplicaSet(owner)) unfit.push('not-owned-by-replicaset')
  else if (!deploymentOf({ owner, labels })) unfit.push('not-owned-by-deployment')
  const { initContainers, volumes } = object(raw.spec)
  const names = [...spec.containers, ...list(initContainers), ...list(volumes)].map(({ name }) => name)
  const ours: unknown[] = [containerName, redirectContainerName, ...Object.values(volume)]
  if (!before && names.some(name => ours.includes(name))) unfit.push('already-injected')
  return unfit
}

/** What keeps any front from standing before that port. */
function portProblem(app: App, routes: readonly Route[], raw: Raw): Reason | undefined {
  if (kindOf(app, routes[0]?.servicePort) === 'other') return 'not-http'
  const found = containerOf(raw, app.container)
  const declared =
    found &&
    portsOf(found.container).find(({ port }) =>
      app.portName === '' ? port.containerPort === app.port : port.name === app.portName,
    )
  return Number(declared?.port.hostPort ?? 0) > 0 ? 'host-port' : undefined
}

/** The Services on whose routes the traffic does not pass the front. */
export function bypassing(capture: Capture, app: App, routes: readonly Route[]): Warning[] {
  const services = bypasses(capture, { app, routes }).map(({ service }) => service)
  return [...new Set(services)].map(subject => ({ code: 'bypassed', subject }))
}

/** The Services whose load balancer comes to another port number from now on, of which nobody tells its firewall (docs/injection.md). */
function firewalled(
  capture: Capture,
  app: App,
  routes: readonly Route[],
  services: readonly Service[],
): Warning[] {
  if (capture !== 'name') return []
  const bypassed = bypasses(capture, { app, routes })
  const moved = routes.filter(route => !bypassed.includes(route)).map(({ service }) => service)
  return services
    .filter(
      ({ name, annotations }) => moved.includes(name) && Object.hasOwn(annotations, annotation.negStatus),
    )
    .map(({ name }) => ({ code: 'firewall', subject: name }))
}

/** A port that is not declared is the only container's, until another webhook adds one. */
function appBefore({ containers }: PodSpec, before: Status | undefined): App | undefined {
  if (!before || !containers.some(({ name }) => name === before.container)) return undefined
  return appOf(before)
}

/** Of native sidecars, too, but of our own. */
function initSpec(raw: Raw): PodSpec {
  const { initContainers } = object(raw.spec)
  return parsePodSpec({ containers: list(initContainers).filter(({ name }) => name !== containerName) })
}

function declaredPorts({ containers }: PodSpec): number[] {
  return containers.flatMap(({ ports }) => ports.map(({ containerPort }) => containerPort))
}

const maxTries = 100

/** Ours by default, else the next that no container declares. */
function freePorts(taken: readonly number[]): { front: number; admin: number; moved: number } | undefined {
  const front = nextFree(port.front, taken)
  const admin = front && nextFree(port.admin, [...taken, front])
  const moved = front && admin && nextFree(port.moved, [...taken, front, admin])
  return front && admin && moved ? { front, admin, moved } : undefined
}

function nextFree(from: number, taken: readonly number[]): number | undefined {
  return Array.from({ length: maxTries }, (_, index) => from + index).find(port => !taken.includes(port))
}
