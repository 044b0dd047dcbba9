// Plan and raw pod → the patch that injects. It says for each place what should be there and changes what is not,
// so a pod that went through it before, or that others have changed since, comes out the same and a second patch is empty.

import { createHash } from 'node:crypto'
import { annotation, label } from '../protocol/names.ts'
import { compareStates, formatReleaseState, isObject } from '../protocol/release.ts'
import type { ReleaseState } from '../protocol/release.ts'
import { moveApp } from './capture-env.ts'
import { placeRedirect, redirectContainer } from './capture-redirect.ts'
import { preStopOf, sidecarContainer, sidecarVolumes } from './container.ts'
import type { Settings } from './container.ts'
import { append, replace, setMembers } from './patch.ts'
import type { Operation, Path } from './patch.ts'
import type { Plan } from './plan.ts'
import { containerOf, portsOf, sidecarOf } from './pod.ts'
import { list, object } from '../release/raw.ts'
import type { ContainerList } from './pod.ts'
import type { Raw } from '../release/raw.ts'
import { podResources, resources } from './resources.ts'
import { parseStamp } from './stamp.ts'
import type { Status } from './status.ts'

/** Takes the pod as the API server sent it and what {@link decide} planned for it. Changes neither. */
export function inject(pod: Raw, plan: Plan, settings: Settings): Operation[] {
  const app = containerOf(pod, plan.app.container)
  if (!app) throw new Error(`the pod has no container ${plan.app.container}`)
  const present = sidecarOf(pod)
  const where = present?.where ?? (settings.isNative() ? 'initContainers' : 'containers')
  const isBehindMesh = present ? hasExecProbe(present) : hasMesh(pod)
  const sidecar = sidecarContainer(pod, plan, settings, { where, isBehindMesh })
  const redirect = redirectContainer(plan, settings.redirectImage)
  const probes = plan.capture === 'name' ? namedPorts(app.container, plan) : []
  const status: Status = {
    name: plan.name,
    container: plan.app.container,
    port: plan.app.port,
    portName: plan.app.portName,
    capture: plan.capture,
    front: plan.front,
    moved: plan.moved,
    admin: plan.admin,
    image: settings.image,
    spec: createHash('sha256')
      .update(JSON.stringify(redirect ? [sidecar, redirect] : sidecar))
      .digest('hex')
      .slice(0, 10),
    original: {
      ...(present && plan.before?.original), // a mesh may have taken those probes over since
      ...Object.fromEntries(probes.map(({ path }) => [path.join('.'), plan.app.portName])),
    },
  }
  const at = ['spec', 'containers', app.index]
  const preStop = preStopOf(app.container, pod, settings)
  const isUnchanged = status.spec === plan.before?.spec
  return [
    ...writeMetadata(pod, plan, status),
    ...probes.flatMap(({ path, port }) => replace([...at, ...path], port, plan.app.port)),
    ...(preStop ? setMembers([...at, 'lifecycle'], app.container.lifecycle, { preStop }) : []),
    ...(plan.capture === 'name' ? movePort(at, app.container, plan) : moveApp(pod, at, app.container, plan)),
    ...placeRedirect(pod, redirect, plan.amounts, isUnchanged),
    ...(present
      ? changeContainer(present, sidecar, isUnchanged, plan.before)
      : addContainer(pod, where, { ...sidecar, resources: resources(pod, plan.amounts) }, redirect)),
    ...addVolumes(pod, plan),
    ...addPullSecrets(pod, settings),
  ]
}

function writeMetadata({ metadata }: Raw, { app, release, before }: Plan, status: Status): Operation[] {
  const { labels, annotations } = object(metadata)
  const present = object(annotations)
  return [
    ...setMembers(['metadata', 'labels'], labels, { [label.injected]: 'true' }),
    ...setMembers(['metadata', 'annotations'], annotations, {
      [annotation.status]: JSON.stringify(status),
      // kubectl logs and exec keep meaning the app.
      ...(!Object.hasOwn(present, defaultContainer) && { [defaultContainer]: app.container }),
      ...stateOf(release, present[annotation.release], before !== undefined),
    }),
  ]
}

const defaultContainer = 'kubectl.kubernetes.io/default-container'

/**
 * The last known state. One that came with the pod template was copied there by somebody and is not believed, only one that we wrote at an
 * earlier invocation for the same pod.
 */
function stateOf(
  release: ReleaseState | undefined,
  present: unknown,
  isOurs: boolean,
): Record<string, string> {
  const stamped = isOurs ? parseStamp(present) : undefined
  if (release && (!stamped || compareStates(release, stamped) > 0))
    return { [annotation.release]: formatReleaseState(release) }
  return present === undefined || isOurs ? {} : { [annotation.release]: '' }
}

const actions = ['httpGet', 'tcpSocket']
const portPaths: string[][] = [
  ...['livenessProbe', 'readinessProbe', 'startupProbe'].flatMap(probe =>
    actions.map(action => [probe, action]),
  ),
  ...['postStart', 'preStop'].flatMap(hook => actions.map(action => ['lifecycle', hook, action])),
].map(path => [...path, 'port'])

/**
 * Where the app's container uses the port's name, or did before we changed it: the kubelet resolves it inside that container, and
 * would follow it to the front. A tcpSocket probe that goes to a proxy can never fail.
 */
function namedPorts(container: Raw, { app, before }: Plan): { path: string[]; port: unknown }[] {
  return portPaths
    .map(path => ({ path, port: path.reduce<unknown>((data, key) => object(data)[key], container) }))
    .filter(({ path, port }) => {
      const wasNamed = before?.original[path.join('.')] === app.portName
      return port === app.portName || (wasNamed && port === before.port)
    })
}

/** EndpointSlices take the number that stands under the name; for the container itself it means nothing. */
function movePort(at: Path, container: Raw, { app, front }: Plan): Operation[] {
  const declared = portsOf(container).find(
    ({ port }) => port.name === app.portName && port.protocol !== 'UDP',
  )
  if (!declared) return []
  return replace([...at, 'ports', declared.index, 'containerPort'], declared.port.containerPort, front)
}

/** One that is there already stays in its place, whatever has become of the kubelets since. */
type Present = NonNullable<ReturnType<typeof sidecarOf>>

function hasExecProbe({ container }: Present): boolean {
  return object(container.readinessProbe).exec !== undefined
}

/** Istio's proxy, from a template that was injected by hand or from a webhook that came before us. Linkerd's lets the kubelet pass. */
function hasMesh(pod: Raw): boolean {
  return (['containers', 'initContainers'] as const).some(where => containerOf(pod, 'istio-proxy', where))
}

/** Last, so that the first container stays the app's, and init containers that bring its files need not share their time with it. */
function addContainer(pod: Raw, where: ContainerList, sidecar: Raw, redirect: Raw | undefined): Operation[] {
  const present = object(pod.spec)[where]
  // The redirect is in the list by now, though in `pod` there may be none.
  const before = redirect && where === 'initContainers' ? list(present) : present
  return [...append(['spec', where], before, [sidecar]), ...raisePodResources(pod, sidecar)]
}

/**
 * Changes what is to be another now, and leaves what others have made of the container: its resources, members that we do not know, and a
 * probe that no longer goes to our port, because a mesh took it over.
 */
function changeContainer(
  { where, index, container }: Present,
  sidecar: Raw,
  isUnchanged: boolean,
  before: Status | undefined,
): Operation[] {
  if (isUnchanged) return []
  const ours = Object.entries(sidecar).filter(([key]) => !isTheirs(key))
  return setMembers(['spec', where, index], container, Object.fromEntries(ours))

  function isTheirs(key: string): boolean {
    if (key !== 'readinessProbe' && key !== 'livenessProbe') return false
    return object(object(container[key]).httpGet).port !== before?.admin
  }
}

function raisePodResources(pod: Raw, sidecar: Raw): Operation[] {
  const { resources } = object(pod.spec)
  if (!isObject(resources)) return []
  return Object.entries(podResources(pod, sidecar)).flatMap(([kind, members]) =>
    Object.keys(members).length > 0 ? setMembers(['spec', 'resources', kind], resources[kind], members) : [],
  )
}

function addVolumes(pod: Raw, plan: Plan): Operation[] {
  const { volumes } = object(pod.spec)
  const names = list(volumes).map(({ name }) => name)
  return append(
    ['spec', 'volumes'],
    volumes,
    sidecarVolumes(plan).filter(({ name }) => !names.includes(name)),
  )
}

/** The kubelet tries all of them, and passes over those that the namespace does not have. */
function addPullSecrets(pod: Raw, { pullSecrets }: Settings): Operation[] {
  const { imagePullSecrets } = object(pod.spec)
  const present = list(imagePullSecrets).map(({ name }) => name)
  const missing = pullSecrets.filter(name => !present.includes(name)).map(name => ({ name }))
  return append(['spec', 'imagePullSecrets'], imagePullSecrets, missing)
}
