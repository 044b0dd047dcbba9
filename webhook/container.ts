// The container and the volumes that are added to a pod. They pass Pod Security `restricted`, and a quota that the app passes.
// The pod's ServiceAccount token is kept out: whoever breaks into a public-facing sidecar finds nothing. Only feed `watch` needs one.

import { containerName, file, label, annotation, sidecarEnv } from '../protocol/names.ts'
import type { Plan } from './plan.ts'
import { list, object } from './pod.ts'
import type { Raw } from './pod.ts'

export interface Settings {
  /** The sidecar's image. */
  image: string
  /** Overrides how long it drains, in seconds. */
  drainSec: number | undefined
}

export const volume = {
  pod: 'spa-reloader-pod',
  run: 'spa-reloader-run',
  noToken: 'spa-reloader-no-token',
  token: 'spa-reloader-token',
} as const

/** Where Kubernetes' clients look for the token. */
const secretsDir = '/var/run/secrets/kubernetes.io/serviceaccount'

/** Builds the sidecar for a pod. */
export function sidecarContainer(pod: Raw, plan: Plan, { image, drainSec }: Settings): Raw {
  const seconds = drainSec ?? drainSecOf(pod)
  return {
    name: containerName,
    image,
    imagePullPolicy: 'IfNotPresent',
    env: environment(plan, seconds),
    ports: [{ name: 'spa-admin', containerPort: plan.admin, protocol: 'TCP' }],
    // Quick, because the pod is not ready before it; there is no startup probe, which another injector's rewrite could deadlock.
    readinessProbe: {
      httpGet: { path: '/readyz', port: plan.admin },
      periodSeconds: 2,
      timeoutSeconds: 2,
      failureThreshold: 3,
    },
    // A process that has not answered for a minute will not answer: without it the app can be reached again after a restart.
    livenessProbe: {
      httpGet: { path: '/livez', port: plan.admin },
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 6,
    },
    ...(seconds > 0 && { lifecycle: { preStop: { exec: { command: ['node', '/spa-reloader/drain.js'] } } } }),
    resources: resources(pod, plan),
    securityContext: {
      allowPrivilegeEscalation: false,
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      // Explicit, because a user id of 0 on the pod would contradict runAsNonRoot.
      ...(!plan.anyUser && { runAsUser: 65_532, runAsGroup: 65_532 }),
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: [
      { name: volume.pod, mountPath: file.podDir, readOnly: true },
      { name: volume.run, mountPath: file.runDir },
      // The ServiceAccount plugin runs again after us and mounts the token into each container, unless something is mounted there.
      { name: secretsVolume(plan), mountPath: secretsDir, readOnly: true },
    ],
  }
}

/** Builds the volumes that the sidecar mounts. */
export function sidecarVolumes(plan: Plan): Raw[] {
  const memory = { medium: 'Memory', sizeLimit: '1Mi' }
  return [
    {
      name: volume.pod,
      downwardAPI: {
        items: [
          { path: file.release, fieldRef: { fieldPath: `metadata.annotations['${annotation.release}']` } },
          { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
        ],
      },
    },
    { name: volume.run, emptyDir: memory },
    { name: secretsVolume(plan), ...(plan.feed === 'watch' ? { projected: token } : { emptyDir: memory }) },
  ]
}

function secretsVolume({ feed }: Plan): string {
  return feed === 'watch' ? volume.token : volume.noToken
}

/**
 * The token of the pod's ServiceAccount, for the API server's own audience, bound to the pod and renewed by the kubelet. Every namespace has the
 * ConfigMap (kubernetes.io/docs/concepts/storage/projected-volumes).
 */
const token = {
  sources: [
    { serviceAccountToken: { path: 'token', expirationSeconds: 3_600 } },
    { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
    { downwardAPI: { items: [{ path: 'namespace', fieldRef: { fieldPath: 'metadata.namespace' } }] } },
  ],
}

function environment(plan: Plan, drainSec: number): Raw[] {
  const { name, app, front, admin, feed, expose, forwarded, revalidate, missing, page, cache, accessLog } =
    plan
  const literals = {
    [sidecarEnv.mode]: 'sidecar',
    [sidecarEnv.name]: name,
    [sidecarEnv.appPort]: app.port,
    [sidecarEnv.frontPort]: front,
    [sidecarEnv.adminPort]: admin,
    [sidecarEnv.drainSec]: drainSec,
    ...(feed !== 'downward' && { [sidecarEnv.feed]: feed }),
    ...(expose !== 'image' && { [sidecarEnv.expose]: expose }),
    ...(forwarded !== 'add' && { [sidecarEnv.forwarded]: forwarded }),
    ...(revalidate !== 'add' && { [sidecarEnv.revalidate]: revalidate }),
    ...(missing !== 'refuse' && { [sidecarEnv.missing]: missing }),
    ...(page !== 'plain' && { [sidecarEnv.page]: page }),
    ...(cache === 'off' && { [sidecarEnv.cacheMib]: 0 }),
    ...(accessLog !== 'off' && { [sidecarEnv.accessLog]: accessLog }),
  }
  const fields = {
    [sidecarEnv.namespace]: 'metadata.namespace',
    [sidecarEnv.hash]: `metadata.labels['${label.podTemplateHash}']`,
    [sidecarEnv.podIP]: 'status.podIP',
  }
  return [
    ...Object.entries(literals).map(([name, value]) => ({ name, value: String(value) })),
    ...Object.entries(fields).map(([name, fieldPath]) => ({ name, valueFrom: { fieldRef: { fieldPath } } })),
  ]
}

/** The kubelet kills at the end of the grace period (30 s by default), so draining ends 5 s before. */
function drainSecOf(pod: Raw): number {
  const { terminationGracePeriodSeconds } = object(pod.spec)
  const grace = typeof terminationGracePeriodSeconds === 'number' ? terminationGracePeriodSeconds : 30
  return Math.max(1, grace - 5)
}

/**
 * Requests always, or autoscaling by utilisation fails for the whole pod. Guaranteed pods stay Guaranteed. A CPU limit only where each
 * container has one: such a namespace may have a quota that asks for it, elsewhere it would only slow the app's traffic down.
 */
function resources(pod: Raw, { feed }: Plan): Raw {
  const { containers, initContainers } = object(pod.spec)
  const others = [...list(containers), ...list(initContainers)].filter(({ name }) => name !== containerName)
  const isLimited = others.every(container => limitsOf(container).cpu !== undefined)
  // A missing request equals its limit. The API server sends quantities in their canonical form, so equal ones are equal strings.
  const isGuaranteed = others.every(container =>
    ['cpu', 'memory'].every(kind => {
      const limit = limitsOf(container)[kind]
      return limit !== undefined && (requestsOf(container)[kind] ?? limit) === limit
    }),
  )
  // 69 MiB idle on Node 24, 7 KiB for each of the 6,000 tabs that it takes by default, 16 MiB of assets, 28 under load, and 8 for the
  // preStop program at the end (bench/README.md).
  // The client of the API server takes 20 MiB (seen).
  const [idle, most] = feed === 'watch' ? ['96Mi', '224Mi'] : ['64Mi', '192Mi']
  const limits = { ...(isLimited && { cpu: '250m' }), memory: most }
  return { requests: isGuaranteed ? limits : { cpu: '10m', memory: idle }, limits }
}

function limitsOf({ resources }: Raw): Raw {
  return object(object(resources).limits)
}

function requestsOf({ resources }: Raw): Raw {
  return object(object(resources).requests)
}
