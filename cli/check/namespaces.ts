// Each labelled namespace: what keeps its pods from being injected, and what keeps those that were from starting.

import { annotation, containerName, label } from '../../protocol/names.ts'
import { isString } from '../../protocol/release.ts'
import { decide } from '../../webhook/decide.ts'
import { sayReasons } from '../../webhook/reasons.ts'
import type { Reason } from '../../webhook/reasons.ts'
import { isWorthTelling } from '../../webhook/tell.ts'
import { parseStatus } from '../../webhook/status.ts'
import type { Status } from '../../webhook/status.ts'
import { list, object } from '../../release/raw.ts'
import type { Raw } from '../../release/raw.ts'
import { causes } from '../causes.ts'
import { readAround } from '../around.ts'
import { isRefused, orRefused } from '../cluster.ts'
import type { Cluster } from '../cluster.ts'
import { isInjected, isLiving, ownerOf } from '../explain.ts'
import type { WebhookSettings } from '../settings.ts'
import { annotationOf, nameOf, podOf } from '../template.ts'
import { dryRun } from './dry-run.ts'
import { fail, ok, skip, warn } from './finding.ts'
import type { Finding } from './finding.ts'

/** `cluster.namespace` is the one that is looked at; `settings` are the webhook's. */
export async function checkNamespace(cluster: Cluster, settings: WebhookSettings): Promise<Finding[]> {
  const { namespace } = cluster
  const unread: string[] = []
  const { context, unasked } = await readAround(cluster, settings, unread)
  if (unasked.length > 0)
    return unasked.map(code => fail(`${code}: ${causes[code].replace('<namespace>', namespace)}`))
  const [deployments, pods] = await Promise.all([
    orRefused(cluster.list(`/apis/apps/v1/namespaces/${namespace}/deployments`)),
    orRefused(cluster.list(`/api/v1/namespaces/${namespace}/pods`)),
  ])
  if (isRefused(deployments))
    unread.push(`the Deployments, and so which are not injected: ${deployments.refused}`)
  if (isRefused(pods)) unread.push(`the pods, and so which were missed or do not start: ${pods.refused}`)
  const living = isRefused(pods) ? [] : pods.filter(isLiving)
  return [
    ...unread.map(skip),
    await dryRun(cluster, namespace),
    ...(isRefused(deployments) ? [] : deployments.flatMap(checkDeployment)),
    ...checkSidecars(living, settings.image),
    ...(await checkPullSecrets(cluster, living)),
  ]

  function checkDeployment(deployment: Raw): Finding[] {
    const name = nameOf(deployment)
    const subject = `deployment/${name}`
    const decision = decide(podOf(deployment), context)
    if ('skip' in decision)
      return sayReasons(decision.skip.filter(isToBeMended), decision.about).map(sentence =>
        warn(`${subject} is not injected: ${sentence}`),
      )
    if (isRefused(pods)) return []
    const own = living.filter(pod => ownerOf(pod) === name)
    const missed = own.filter(pod => !isInjected(pod)).length
    if (missed === 0) return [ok(`${subject}: ${own.length} pods are injected`)]
    const restart = `kubectl -n ${namespace} rollout restart deployment/${name}`
    return [warn(`${subject}: ${missed} of ${own.length} pods are not injected (missed): ${restart}`)]
  }
}

/** The breaker has Events of its own, which may be gone by now. */
function isToBeMended(code: Reason): boolean {
  return code === 'breaker' || isWorthTelling(code)
}

export function checkSidecars(pods: readonly Raw[], image: string | undefined): Finding[] {
  const injected = pods.filter(isInjected)
  const older = injected.filter(pod => image !== undefined && statusOf(pod)?.image !== image)
  const waiting = injected.flatMap(pod => {
    const { containerStatuses, initContainerStatuses } = object(pod.status)
    const statuses = [...list(containerStatuses), ...list(initContainerStatuses)] // a native one is of the second
    const { state } = statuses.find(({ name }) => name === containerName) ?? {}
    const { reason, message } = object(object(state).waiting)
    return isString(reason) && !/^(ContainerCreating|PodInitializing)$/.test(reason)
      ? [
          fail(
            `the sidecar of pod/${nameOf(pod)} does not start: ${[reason, message].filter(isString).join(': ')}`,
          ),
        ]
      : []
  })
  return [
    ...waiting,
    ...(older.length > 0
      ? [warn(`${older.length} pods have another sidecar than ${image}: they get it when they are made anew`)]
      : []),
  ]
}

/** What it says was injected; in the spec another webhook may have turned the image to a mirror. */
function statusOf(pod: Raw): Status | undefined {
  return parseStatus(annotationOf(pod, annotation.status))
}

/** The sidecar's image is pulled with the pod's own secrets. */
async function checkPullSecrets(cluster: Cluster, pods: readonly Raw[]): Promise<Finding[]> {
  const names = pods.flatMap(({ spec }) => list(object(spec).imagePullSecrets).map(({ name }) => name))
  const findings: Finding[] = []
  for (const name of new Set(names.filter(isString))) {
    const secret = await orRefused(cluster.read(`/api/v1/namespaces/${cluster.namespace}/secrets/${name}`))
    if (secret === undefined) findings.push(warn(`the pull secret ${name}, which pods name, is not there`))
    else if (isRefused(secret)) findings.push(skip(`the pull secret ${name}: ${secret.refused}`))
  }
  return findings
}

/** Names of those that carry the label. */
export async function labelledNamespaces(cluster: Cluster): Promise<string[]> {
  const all = await cluster.list('/api/v1/namespaces', { labelSelector: `${label.inject}=enabled` })
  return all.map(nameOf)
}
