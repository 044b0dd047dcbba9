// Every name that another program, a manifest or a person has to spell. Constants only.
// docs/configuration.md explains each one; a test compares the two.

export const group = 'spa-reloader.io'
export const systemNamespace = 'spa-reloader'
export const containerName = 'spa-reloader'
export const redirectContainerName = 'spa-reloader-redirect'
export const webhookConfigurationName = '0-spa-reloader' // sorts first: webhooks run in the order of their names
export const webhookName = 'inject.spa-reloader.io'
export const webhookServiceName = 'spa-reloader-webhook'
export const caSecretName = 'spa-reloader-ca'
export const leaseName = 'spa-reloader-controller' // who holds it writes Releases and tells pods
export const fieldManager = 'spa-reloader'

export const label = {
  /** On a Namespace: `enabled` opts in. On a Pod: `"false"` opts out. */
  inject: 'spa-reloader.io/inject',
  /** On a Pod, written by us: `"true"`, so that one selector finds every injected pod. */
  injected: 'spa-reloader.io/injected',
  /** On a Pod, written by the Deployment controller: names the ReplicaSet's template. */
  podTemplateHash: 'pod-template-hash',
  /** Kubernetes' own, on a Namespace: which pods it admits. */
  podSecurity: 'pod-security.kubernetes.io/enforce',
} as const

/** Options: on the pod template, or on the Namespace as defaults for all of its pods. */
export const option = {
  /** The app's container by name. Default: the one whose port the Service targets. */
  container: 'spa-reloader.io/container',
  /** The app's port, by name or number. Default: the one that the Service targets. */
  port: 'spa-reloader.io/port',
  /** `name`, `env`, `redirect` or `none`. Default: `auto`, the first that fits. */
  capture: 'spa-reloader.io/capture',
  /** Containers, separated by commas, whose images make the version. Default: the app's, and the init containers that bring its files. */
  version: 'spa-reloader.io/version',
  /** `downward` (default) or `watch`: how the sidecar hears of the release state. */
  feed: 'spa-reloader.io/feed',
  /** `image` (default) or `id`: whether browsers are told the namespace and the image names. */
  expose: 'spa-reloader.io/expose',
  /** `add` (default: X-Forwarded-For where there is none) or `off`. */
  forwarded: 'spa-reloader.io/forwarded',
  /** `add` (default: `Cache-Control: no-cache` on pages whose app says nothing of caching) or `off`. */
  revalidate: 'spa-reloader.io/revalidate',
  /** `plain` (default), `etag` (304s for pages, of their own version) or `stamp` (that, and a <meta> in each page). */
  page: 'spa-reloader.io/page',
  /** `memory` (default: the sidecar keeps assets that never change) or `off`. */
  cache: 'spa-reloader.io/cache',
  /** `refuse` (default: a missing asset is a 404 that nobody stores) or `off`. */
  missing: 'spa-reloader.io/missing',
  /** `off` (default) or `json`: one line for each answer. */
  accessLog: 'spa-reloader.io/access-log',
  /** The sidecar's requests and limits, as quantities. Default: what the installation says, or webhook/resources.ts. */
  cpu: 'spa-reloader.io/cpu',
  cpuLimit: 'spa-reloader.io/cpu-limit',
  memory: 'spa-reloader.io/memory',
  memoryLimit: 'spa-reloader.io/memory-limit',
  /** How many tabs a sidecar takes. Default: its own. */
  maxTabs: 'spa-reloader.io/max-tabs',
  /** `off` (default) or `auto`: a Deployment whose pods were missed, or that the sidecar keeps from starting, is restarted by us. */
  restart: 'spa-reloader.io/restart',
} as const

/** What we write on pods, and on Releases. */
export const annotation = {
  /** At admission: what was done to this pod, as JSON. */
  status: 'spa-reloader.io/status',
  /** The release state, as JSON: at admission the last known one, then kept up by the controller. */
  release: 'spa-reloader.io/release',
  /** On a Release: why new pods of this Deployment come without the sidecar for now, as JSON. Take it away, and the next pod tries again. */
  breaker: 'spa-reloader.io/breaker',
  /** On a pod that is created with dryRun: it is injected although the breaker is open. */
  trial: 'spa-reloader.io/trial',
  /** On a pod template: when we restarted the Deployment, because its people asked for it. */
  restarted: 'spa-reloader.io/restarted',
  /** Kubernetes' own: grows with each rollout and each rollback. */
  revision: 'deployment.kubernetes.io/revision',
  /** Kubernetes' own, on a ReplicaSet that was rolled back to: the revisions that it had before. */
  revisionHistory: 'deployment.kubernetes.io/revision-history',
  /** On Namespaces of OpenShift: the user ids that its pods may have. */
  openshiftUserIds: 'openshift.io/sa.scc.uid-range',
  /** Istio's, on a Pod: the numbers of the ports whose traffic its proxy takes, and leaves alone. */
  istioIncludedPorts: 'traffic.sidecar.istio.io/includeInboundPorts',
  istioExcludedPorts: 'traffic.sidecar.istio.io/excludeInboundPorts',
  /** Linkerd's, on a Pod or its Namespace: those that its proxy leaves alone. */
  linkerdSkippedPorts: 'config.linkerd.io/skip-inbound-ports',
  /** Google's, on a Service: its load balancers reach the pods themselves. (`cloud.google.com/neg` GKE writes on Services without one, too.) */
  negStatus: 'cloud.google.com/neg-status',
} as const

export const resource = { group, version: 'v1', plural: 'releases', kind: 'Release' } as const

export const port = {
  standalone: 8080,
  front: 14020,
  admin: 14021,
  /** Where an app is sent by its variable PORT. */
  moved: 14022,
  webhook: 10250,
  webhookMetrics: 9464,
  console: 8090,
} as const

/** The sidecar's environment. Injection sets it; its own defaults are in sidecar/config.ts. */
export const sidecarEnv = {
  mode: 'SPA_MODE',
  namespace: 'SPA_NAMESPACE',
  name: 'SPA_NAME',
  hash: 'SPA_HASH',
  podIP: 'SPA_POD_IP',
  appPort: 'SPA_APP_PORT',
  frontPort: 'SPA_FRONT_PORT',
  adminPort: 'SPA_ADMIN_PORT',
  capture: 'SPA_CAPTURE',
  listenAddress: 'SPA_LISTEN_ADDRESS',
  podDir: 'SPA_POD_DIR',
  runDir: 'SPA_RUN_DIR',
  feed: 'SPA_FEED',
  expose: 'SPA_EXPOSE',
  forwarded: 'SPA_FORWARDED',
  revalidate: 'SPA_REVALIDATE',
  missing: 'SPA_MISSING',
  page: 'SPA_PAGE',
  cacheMib: 'SPA_CACHE_MIB',
  accessLog: 'SPA_ACCESS_LOG',
  maxConnections: 'SPA_MAX_CONNECTIONS',
  memoryMib: 'SPA_MEMORY_MIB',
  maxHeadKib: 'SPA_MAX_HEAD_KIB',
  maxHeadLines: 'SPA_MAX_HEAD_LINES',
  headSec: 'SPA_HEAD_SEC',
  bufferKib: 'SPA_BUFFER_KIB',
  maxPipelined: 'SPA_MAX_PIPELINED',
  drainSec: 'SPA_DRAIN_SEC',
  maxTabs: 'SPA_MAX_TABS',
  maxHandshakes: 'SPA_MAX_HANDSHAKES',
  heartbeatSec: 'SPA_HEARTBEAT_SEC',
  maxAgeSec: 'SPA_MAX_AGE_SEC',
} as const

/** The standalone mode's environment: the original's four, and ours. The rest is as in a pod. */
export const standaloneEnv = {
  namespace: 'SPA_NAMESPACE',
  name: 'SPA_NAME',
  resyncSec: 'SPA_RESYNC_SEC',
  port: 'SPA_WEBSOCKET_PORT',
  origins: 'SPA_ORIGINS',
} as const

/** The static mode's environment: the image as the app itself. */
export const staticEnv = {
  root: 'SPA_ROOT',
  rootMib: 'SPA_ROOT_MIB',
  basePath: 'SPA_BASE_PATH',
  port: 'SPA_PORT',
} as const

/** The webhook's environment. */
export const webhookEnv = {
  sidecarImage: 'SPA_SIDECAR_IMAGE',
  sidecarDrainSec: 'SPA_SIDECAR_DRAIN_SEC',
  redirect: 'SPA_REDIRECT',
  redirectImage: 'SPA_REDIRECT_IMAGE',
  sidecarForm: 'SPA_SIDECAR_FORM',
  sidecarCpu: 'SPA_SIDECAR_CPU',
  sidecarCpuLimit: 'SPA_SIDECAR_CPU_LIMIT',
  sidecarMemory: 'SPA_SIDECAR_MEMORY',
  sidecarMemoryLimit: 'SPA_SIDECAR_MEMORY_LIMIT',
  imagePullSecrets: 'SPA_IMAGE_PULL_SECRETS',
  systemNamespace: 'SPA_SYSTEM_NAMESPACE',
  tlsDir: 'SPA_TLS_DIR',
  drainSec: 'SPA_WEBHOOK_DRAIN_SEC',
  port: 'SPA_WEBHOOK_PORT',
  metricsPort: 'SPA_METRICS_PORT',
  consolePort: 'SPA_CONSOLE_PORT',
  consoleHosts: 'SPA_CONSOLE_HOSTS',
  consolePodLogs: 'SPA_CONSOLE_POD_LOGS',
} as const

export const file = {
  /** The downward-API volume in the sidecar: the kubelet keeps `release` equal to the annotation. */
  podDir: '/etc/spa-reloader/pod',
  release: 'release',
  /** An emptyDir in memory that only the sidecar mounts. */
  runDir: '/run/spa-reloader',
  versionSocket: 'version.sock',
  drainSocket: 'drain.sock',
} as const

/** Matched as the last directory of a path, so `/shop/__spa/ws` works whether or not an Ingress strips `/shop`. */
export const path = {
  prefix: '/__spa/',
  ws: 'ws',
  events: 'events',
  version: 'version',
  client: 'client.js',
} as const

export const subprotocol = 'spa-reloader.v1'

/** The event that ends an event stream: its data has the code and the reason that a WebSocket would be closed with. */
export const closeEvent = 'close'

/**
 * `Server-Timing` metric names on HTML answers: `spa;desc="<Deployment>-<hash>"`, and either `spa-id;desc="<id>"` or
 * `spa-state;desc="<epoch>.<serial>"`.
 */
export const serverTiming = { page: 'spa', id: 'spa-id', state: 'spa-state' } as const

/** `<meta name="spa-version" content="<Deployment>-<hash>">`, with the other two in attributes of these names. */
export const meta = { name: 'spa-version', id: 'data-id', state: 'data-state' } as const

/** `X-SPA-Missing: 1` on an asset's 404: the app does not have it, or sent a page in its place. */
export const header = { missing: 'X-SPA-Missing' } as const

/**
 * In seconds, how long who is told to end goes on first. kube-proxy writes its rules about once a second: until it has, new connections come to the pod. Refused they are tried
 * elsewhere at once, but where the pod's network has gone they hang for half a minute and more (seen).
 */
export const lingerSec = 3

/** In seconds, how long a sidecar drains at most: one that is told more stops at its start. */
export const maxDrainSec = 3_600

/** WebSocket close codes (RFC 6455 §7.4 and the private range). */
export const closeCode = { draining: 1012, full: 1013, policy: 1008, maxAge: 4001 } as const
