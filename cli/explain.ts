// Asks the cluster for what `explain` needs. What the user may not read is said, and the rest is still answered.

import { annotation, label } from '../protocol/names.ts'
import { parseRelease, releasesPath } from '../release/record.ts'
import { decide } from '../webhook/decide.ts'
import { deploymentOf, parseNewPod, sidecarOf } from '../webhook/pod.ts'
import { object } from '../release/raw.ts'
import type { Raw } from '../release/raw.ts'
import { parseStatus } from '../webhook/status.ts'
import { readAround } from './around.ts'
import { isRefused, orRefused } from './cluster.ts'
import type { Cluster } from './cluster.ts'
import type { Facts } from './explanation.ts'
import { readSettings } from './settings.ts'
import { annotationOf, nameOf, podOf } from './template.ts'

/** Throws when there is no such pod or Deployment, or when it may not be read. */
export async function readFacts(
  cluster: Cluster,
  kind: 'pod' | 'deployment',
  name: string,
  systemNamespace: string,
): Promise<Facts> {
  const { namespace } = cluster
  const path =
    kind === 'pod'
      ? `/api/v1/namespaces/${namespace}/pods/${name}`
      : `/apis/apps/v1/namespaces/${namespace}/deployments/${name}`
  const subject = await cluster.read(path)
  if (!subject) throw new Error(`there is no ${kind} ${name} in namespace ${namespace}`)
  const unread: string[] = []
  const settings = await readSettings(cluster, systemNamespace, unread)
  const around = await readAround(cluster, settings, unread)
  const pod = kind === 'pod' ? subject : podOf(subject)
  const decision = decide(pod, around.context)
  const deployment = kind === 'pod' ? decision.deployment : name
  const status =
    kind === 'pod' && isInjected(subject) ? parseStatus(annotationOf(subject, annotation.status)) : undefined
  return {
    kind,
    namespace,
    name,
    decision,
    unasked: around.unasked,
    unread,
    status,
    image: settings.image,
    pods: kind === 'deployment' ? await readPods(cluster, subject) : [],
    release: deployment === undefined ? undefined : await readState(cluster, deployment),
  }
}

/** The Deployment's living pods. */
async function readPods(cluster: Cluster, deployment: Raw): Promise<Facts['pods']> {
  const pods = await cluster.list(`/api/v1/namespaces/${cluster.namespace}/pods`)
  const name = nameOf(deployment)
  return pods
    .filter(pod => isLiving(pod) && ownerOf(pod) === name)
    .map(pod => ({ name: nameOf(pod), injected: isInjected(pod) }))
}

async function readState(cluster: Cluster, deployment: string): Promise<Facts['release']> {
  const release = await orRefused(cluster.read(`${releasesPath(cluster.namespace)}/${deployment}`))
  return isRefused(release) ? undefined : parseRelease(release)?.record?.state
}

/** The name of the Deployment that a pod belongs to. */
export function ownerOf(pod: Raw): string | undefined {
  const parsed = parseNewPod(pod)
  return parsed && deploymentOf(parsed)
}

export function isInjected(pod: Raw): boolean {
  return sidecarOf(pod) !== undefined && object(object(pod.metadata).labels)[label.injected] === 'true'
}

export function isLiving({ metadata, status }: Raw): boolean {
  const { phase } = object(status)
  return object(metadata).deletionTimestamp === undefined && phase !== 'Succeeded' && phase !== 'Failed'
}
