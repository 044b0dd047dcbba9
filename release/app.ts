// Which container of a pod is the app, and on which port: where Services lead, or what an annotation names; never "container 0".
// The answer depends on the order of the containers, never on the order in which Services arrive.

import { containerName, option } from '../protocol/names.ts'
import { selects } from './objects.ts'
import type { Container, PodSpec, PodTemplate, Service, ServicePort } from './objects.ts'

export interface App {
  container: string
  port: number
  /** '' when the container port has no name. */
  portName: string
}

/** What annotations say, as they were written. */
export interface AppOptions {
  container?: string | undefined
  /** A name or a number. */
  port?: string | undefined
}

/** `ignored` names the options that fit nothing in this pod. */
export type Found = ({ app: App } | { none: NoApp }) & { ignored: (keyof AppOptions)[] }
export type NoApp = 'no-service' | 'port-not-found' | 'udp'

/** One port of a Service that leads to a container of the pod. */
export interface Route {
  service: string
  servicePort: ServicePort
  /** The Service targets a port name, which the pod resolves; otherwise a number, which nothing resolves. */
  byName: boolean
  app: App
}

type PodShape = Pick<PodTemplate, 'labels' | 'spec'>

/**
 * Finds the app of a pod, or of a pod template. In this order: what the options say, the port that a selecting Service targets
 * (an HTTP port before others), the only named TCP port. What is there for machines counts in neither.
 */
export function findApp(pod: PodShape, services: readonly Service[], options: AppOptions = {}): Found {
  const all = appContainers(pod)
  const ignored: (keyof AppOptions)[] = []
  const chosen = all.filter(({ name }) => name === options.container)
  if (options.container !== undefined && chosen.length === 0) ignored.push('container')
  const containers = chosen.length > 0 ? chosen : all
  if (options.port !== undefined) {
    const app = isNumber(options.port)
      ? byNumber(containers, Number(options.port))
      : byName(containers, options.port)
    if (app) return { app, ignored }
    ignored.push('port')
  }
  const best = routesOf(pod, services).find(({ app }) =>
    containers.some(({ name }) => name === app.container),
  )
  if (best) return { app: best.app, ignored }
  const [only, ...others] = containers.flatMap(container =>
    container.ports
      .filter(({ name, protocol }) => name !== '' && !isForMachines(name) && protocol === 'TCP')
      .map(({ name, containerPort }) => ({ container: container.name, port: containerPort, portName: name })),
  )
  if (only && others.length === 0) return { app: only, ignored }
  return { none: noApp(pod, services), ignored }
}

/**
 * The name of the app's container: where {@link findApp} finds none, the one that an annotation names; undefined where nothing tells.
 * `defaults` are the annotations of the Namespace.
 */
export function appContainer(
  template: PodTemplate,
  services: readonly Service[],
  defaults: Record<string, string> = {},
): string | undefined {
  const options = appOptions(template.annotations, defaults)
  const found = findApp(template, services, options)
  if ('app' in found) return found.app.container
  return appContainers(template).find(({ name }) => name === options.container)?.name
}

/**
 * The names of the containers whose images make the version: the app's first, then the init containers that bring its files, which is to say
 * that write into a volume that the app's container mounts too and that was empty before. An annotation may name others.
 * Undefined where nothing tells which one is the app.
 */
export function versionContainers(
  template: PodTemplate,
  services: readonly Service[],
  defaults: Record<string, string> = {},
): string[] | undefined {
  const { annotations, spec } = template
  const named = namedContainers(spec, annotations[option.version] ?? defaults[option.version] ?? '')
  if (named) return named
  const app = appContainer(template, services, defaults)
  return app === undefined ? undefined : [app, ...bringing(spec, app)]
}

/** Takes names, separated by commas; returns undefined unless the pod has a container or an init container of each name. */
export function namedContainers({ containers, initContainers }: PodSpec, text: string): string[] | undefined {
  const present = new Set([...containers, ...initContainers].map(({ name }) => name))
  const names = text.split(',').map(name => name.trim())
  return names.every(name => present.has(name)) ? [...new Set(names)] : undefined
}

function bringing({ containers, initContainers, emptyDirs }: PodSpec, app: string): string[] {
  const mounts = containers.find(({ name }) => name === app)?.mounts ?? []
  const shared = emptyDirs.filter(volume => mounts.includes(volume))
  return initContainers
    .filter(({ mounts }) => mounts.some(volume => shared.includes(volume)))
    .map(({ name }) => name)
}

export function appOptions(
  annotations: Record<string, string>,
  defaults: Record<string, string> = {},
): AppOptions {
  return {
    container: annotations[option.container] ?? defaults[option.container],
    port: annotations[option.port] ?? defaults[option.port],
  }
}

/**
 * The Services by which browsers come to the app. Others may select its pods too, and go on when these have turned to another Deployment: for the
 * metrics of all, or for another port. Where nothing tells the app's port, all count but those for machines.
 */
export function frontingServices(
  template: PodTemplate,
  services: readonly Service[],
  defaults: Record<string, string> = {},
): Service[] {
  const found = findApp(template, services, appOptions(template.annotations, defaults))
  return selecting(template, services).filter(service =>
    waysOf(template, service).some(way => !('app' in found) || comesTo(found.app.port, way)),
  )
}

/** By the number alone: the containers of a pod share one network, and an annotation may name a port that none of them declares. */
function comesTo(port: number, { servicePort: { protocol, targetPort }, app }: Way): boolean {
  return protocol === 'TCP' && (app?.port ?? targetPort) === port
}

export function leadsTo(app: App, route: Route): boolean {
  return route.app.container === app.container && route.app.port === app.port
}

/** The ways on which Services lead to a pod over TCP, those that look most like the app's own first. */
export function routesOf(pod: PodShape, services: readonly Service[]): Route[] {
  const containers = appContainers(pod)
  const routes = selecting(pod, services).flatMap(service =>
    waysOf(pod, service).flatMap(({ servicePort, app }) => {
      const byName = typeof servicePort.targetPort === 'string'
      return servicePort.protocol === 'TCP' && app
        ? [{ service: service.name, servicePort, byName, app }]
        : []
    }),
  )
  const rank = ({ app, servicePort }: Route): number => ranks.indexOf(kindOf(app, servicePort))
  const place = ({ app }: Route): number => containers.findIndex(({ name }) => name === app.container)
  return routes.toSorted((a, b) => rank(a) - rank(b) || place(a) - place(b) || a.app.port - b.app.port)
}

interface Way {
  servicePort: ServicePort
  /** Undefined where the containers do not tell to which of them it leads. */
  app: App | undefined
}

/** The ports of a Service, and what they lead to in a pod; but for those for machines. */
function waysOf(pod: PodShape, { ports }: Service): Way[] {
  const containers = appContainers(pod)
  return ports.flatMap(servicePort => {
    const { name, targetPort } = servicePort
    const app =
      typeof targetPort === 'string' ? byName(containers, targetPort) : byNumber(containers, targetPort)
    const names = [name, String(targetPort), app?.portName ?? '']
    return names.some(isForMachines) ? [] : [{ servicePort, app }]
  })
}

/** Nobody opens a page there, so it tells nothing of the app: not even where it is the only port to which a Service leads. */
function isForMachines(portName: string): boolean {
  return /(^|-)(metrics|prom|prometheus|health|healthz|probes?)$/i.test(portName)
}

export type Kind = 'http' | 'unknown' | 'side' | 'other'
const ranks: Kind[] = ['http', 'unknown', 'side', 'other']

/**
 * What a port speaks, as far as its names tell: `side` is HTTP, but not the app's front door (admin, status), `other` is not HTTP/1.x in the clear.
 * The container port's name goes before the Service port's: behind a load balancer that ends TLS, `https` leads to `http`.
 */
export function kindOf(app: Pick<App, 'portName'>, servicePort?: ServicePort): Kind {
  const { appProtocol = '', name = '' } = servicePort ?? {}
  const kinds = [appProtocol.replace(/^.*\//, ''), app.portName, name].map(kindOfName)
  return kinds.find(kind => kind !== 'unknown') ?? 'unknown'
}

/** Names follow the convention `protocol` or `protocol-suffix`, which Istio made common. */
function kindOfName(name: string): Kind {
  const lower = name.toLowerCase()
  if (/(^|-)(admin|debug|status)$/.test(lower)) return 'side'
  const [first = ''] = lower.split('-')
  if (otherProtocols.has(first)) return 'other'
  return /^(http|web|www|ws|ui|frontend)\d*$/.test(first) ? 'http' : 'unknown'
}

const otherProtocols = new Set(
  (
    'https wss tls ssl http2 h2 h2c grpc grpcs mysql postgres postgresql redis rediss mongo mongodb memcached ' +
    'cassandra kafka amqp amqps mqtt mqtts nats smtp smtps imap pop3 ftp ssh ldap ldaps dns thrift'
  ).split(' '),
)

/** All but our own container. */
function appContainers({ spec }: PodShape): Container[] {
  return spec.containers.filter(({ name }) => name !== containerName)
}

function selecting({ labels }: PodShape, services: readonly Service[]): Service[] {
  return services.filter(service => selects(service, labels))
}

/** As Kubernetes resolves a named targetPort: containers in their order, the first match wins. */
function byName(containers: readonly Container[], portName: string): App | undefined {
  for (const { name, ports } of containers) {
    const port = ports.find(port => port.name === portName && port.protocol === 'TCP')
    if (port) return { container: name, port: port.containerPort, portName }
  }
  return undefined
}

/** A port need not be declared to be reached; then only a single container can be its owner. */
function byNumber(containers: readonly Container[], number: number): App | undefined {
  for (const { name, ports } of containers) {
    const port = ports.find(port => port.containerPort === number && port.protocol === 'TCP')
    if (port) return { container: name, port: number, portName: port.name }
  }
  const [only, ...others] = containers
  return only && others.length === 0 ? { container: only.name, port: number, portName: '' } : undefined
}

function isNumber(port: string): boolean {
  return /^[1-9]\d{0,4}$/.test(port) && Number(port) <= 65_535
}

function noApp(pod: PodShape, services: readonly Service[]): NoApp {
  const ways = selecting(pod, services).flatMap(service => waysOf(pod, service))
  if (ways.length === 0) return 'no-service'
  return ways.every(({ servicePort }) => servicePort.protocol !== 'TCP') ? 'udp' : 'port-not-found'
}
