// The container and the volumes that are added to a pod. They pass Pod Security `restricted`, and a quota that the app passes.
// The pod's ServiceAccount token is kept out: whoever breaks into a public-facing sidecar finds nothing. Only feed `watch` needs one.

import {
  containerName,
  file,
  label,
  annotation,
  lingerSec,
  maxDrainSec,
  sidecarEnv,
} from '../protocol/names.ts'
import type { Plan } from './plan.ts'
import { object } from '../release/raw.ts'
import type { ContainerList } from './pod.ts'
import type { Raw } from '../release/raw.ts'

export interface Settings {
  /** The sidecar's image. */
  image: string
  /** Overrides how long it drains, in seconds. */
  drainSec: number | undefined
  /** Of the init container of capture `redirect`. */
  redirectImage?: string | undefined
  /** Names of Secrets, for pulling the image. */
  pullSecrets: readonly string[]
  /** Whether new sidecars are native: asked for each pod. */
  isNative(): boolean
}

export interface Place {
  where: ContainerList
  /** A mesh was in the pod before us: what comes to our port from outside, the kubelet's questions too, has to pass its proxy. */
  isBehindMesh: boolean
}

export const volume = {
  pod: 'spa-reloader-pod',
  run: 'spa-reloader-run',
  noToken: 'spa-reloader-no-token',
  token: 'spa-reloader-token',
} as const

/** Where Kubernetes' clients look for the token. */
const secretsDir = '/var/run/secrets/kubernetes.io/serviceaccount'

/** Builds the sidecar for a pod, without its resources. A native one starts before the app, and is sent SIGTERM after the app has ended. */
export function sidecarContainer(
  pod: Raw,
  plan: Plan,
  { image, drainSec }: Settings,
  { where, isBehindMesh }: Place,
): Raw {
  const seconds = drainSec ?? drainSecOf(pod)
  return {
    name: containerName,
    image,
    imagePullPolicy: 'IfNotPresent',
    ...(where === 'initContainers' && { restartPolicy: 'Always' }),
    env: environment(plan, seconds),
    ports: [{ name: 'spa-admin', containerPort: plan.admin, protocol: 'TCP' }],
    ...(isBehindMesh ? probesInside(plan) : probes(plan)),
    ...(seconds > 0 && { lifecycle: { preStop: { exec: { command: ['node', '/spa-reloader/drain.js'] } } } }),
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
      secretsMount(plan),
    ],
  }
}

function probes({ admin }: Plan): Raw {
  return {
    // Quick, because the pod is not ready before it; there is no startup probe, which another injector's rewrite could deadlock.
    readinessProbe: {
      httpGet: { path: '/readyz', port: admin },
      periodSeconds: 2,
      timeoutSeconds: 2,
      failureThreshold: 3,
    },
    // A process that has not answered for a minute will not answer: without it the app can be reached again after a restart.
    livenessProbe: {
      httpGet: { path: '/livez', port: admin },
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 6,
    },
  }
}

/**
 * Asked within the pod, where no proxy takes part: Istio with STRICT mTLS refuses the kubelet, unless it rewrites the probe, and it has been here before
 * our container was (istio#36353). Each asking starts a node, so it is seldom.
 */
function probesInside({ admin }: Plan): Raw {
  const program = `require('http').get('http://127.0.0.1:${admin}/readyz',r=>process.exit(r.statusCode===200?0:1)).on('error',()=>process.exit(1))`
  return {
    readinessProbe: {
      exec: { command: ['node', '-e', program] },
      periodSeconds: 5,
      timeoutSeconds: 5,
      failureThreshold: 3,
    },
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

/** The ServiceAccount plugin runs again after us and mounts the token into each container, unless something is mounted there. */
export function secretsMount(plan: Plan): Raw {
  return { name: secretsVolume(plan), mountPath: secretsDir, readOnly: true }
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
  const { name, app, capture, front, moved, admin, feed } = plan
  const { expose, forwarded, revalidate, missing, page, cache, accessLog, maxTabs } = plan
  const literals = {
    [sidecarEnv.mode]: 'sidecar',
    [sidecarEnv.name]: name,
    [sidecarEnv.appPort]: moved ?? app.port,
    [sidecarEnv.frontPort]: front,
    [sidecarEnv.adminPort]: admin,
    [sidecarEnv.drainSec]: drainSec,
    ...(capture !== 'name' && { [sidecarEnv.capture]: capture }),
    ...(feed !== 'downward' && { [sidecarEnv.feed]: feed }),
    ...(expose !== 'image' && { [sidecarEnv.expose]: expose }),
    ...(forwarded !== 'add' && { [sidecarEnv.forwarded]: forwarded }),
    ...(revalidate !== 'add' && { [sidecarEnv.revalidate]: revalidate }),
    ...(missing !== 'refuse' && { [sidecarEnv.missing]: missing }),
    ...(page !== 'plain' && { [sidecarEnv.page]: page }),
    ...(cache === 'off' && { [sidecarEnv.cacheMib]: 0 }),
    ...(accessLog !== 'off' && { [sidecarEnv.accessLog]: accessLog }),
    ...(maxTabs !== undefined && { [sidecarEnv.maxTabs]: maxTabs }),
  }
  const fields = {
    [sidecarEnv.namespace]: 'metadata.namespace',
    [sidecarEnv.hash]: `metadata.labels['${label.podTemplateHash}']`,
    [sidecarEnv.podIP]: 'status.podIPs',
  }
  return [
    ...Object.entries(literals).map(([name, value]) => ({ name, value: String(value) })),
    ...Object.entries(fields).map(([name, fieldPath]) => ({ name, valueFrom: { fieldRef: { fieldPath } } })),
  ]
}

/** The kubelet kills at the end of the grace period (30 s by default), so draining ends 5 s before. */
function drainSecOf(pod: Raw): number {
  return Math.min(maxDrainSec, Math.max(1, graceSecOf(pod) - 5))
}

function graceSecOf(pod: Raw): number {
  const { terminationGracePeriodSeconds } = object(pod.spec)
  return typeof terminationGracePeriodSeconds === 'number' ? terminationGracePeriodSeconds : 30
}

/**
 * An app that ends as soon as it is told to refuses what is dialled until kube-proxy has followed, whatever stands before it. The sidecar stays as long anyway, so the pod
 * ends no later. Undefined where the app has a preStop, which then knows better; where its time would be short (the API server refuses a sleep beyond the grace period); and where draining is off.
 */
export function preStopOf(app: Raw, pod: Raw, { drainSec }: Settings): Raw | undefined {
  if (object(app.lifecycle).preStop !== undefined) return undefined
  return drainSec === 0 || graceSecOf(pod) < 5 + lingerSec ? undefined : { sleep: { seconds: lingerSec } }
}
