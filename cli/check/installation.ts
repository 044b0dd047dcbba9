// Is the installation sound: what the API server needs to ask the webhook, and the webhook to do its work.

import { X509Certificate } from 'node:crypto'
import { group, resource, webhookConfigurationName, webhookServiceName } from '../../protocol/names.ts'
import { isString } from '../../protocol/release.ts'
import { containersOf } from '../../webhook/pod.ts'
import { list, object } from '../../release/raw.ts'
import type { Raw } from '../../release/raw.ts'
import { ourWebhook } from '../causes.ts'
import { isRefused, orRefused } from '../cluster.ts'
import type { Cluster } from '../cluster.ts'
import { nameOf, podOf } from '../template.ts'
import { checkAccess } from './access.ts'
import { fail, ok, skip, warn } from './finding.ts'
import type { Finding } from './finding.ts'

const floor = [1, 30] as const // matchConditions are stable from here on
const soonMs = 30 * 24 * 60 * 60_000

export async function checkInstallation(
  cluster: Cluster,
  systemNamespace: string,
  version: string,
  now = new Date(),
): Promise<Finding[]> {
  return [
    await checkVersion(cluster),
    await checkResource(cluster),
    ...(await checkConfigurations(cluster, systemNamespace, now)),
    ...(await checkWebhook(cluster, systemNamespace, version)),
    await checkAccess(cluster, systemNamespace),
  ]
}

async function checkVersion(cluster: Cluster): Promise<Finding> {
  const found = await orRefused(cluster.read('/version'))
  if (isRefused(found)) return skip(`the version of Kubernetes: ${found.refused}`)
  const { major, minor, gitVersion } = found ?? {}
  const [wantedMajor, wantedMinor] = floor
  const [isMajor, isMinor] = [Number(major), Number.parseInt(String(minor), 10)]
  return isMajor > wantedMajor || (isMajor === wantedMajor && isMinor >= wantedMinor)
    ? ok(`Kubernetes ${String(gitVersion)}`)
    : fail(`Kubernetes ${String(gitVersion)}: ${floor.join('.')} or newer is needed`)
}

async function checkResource(cluster: Cluster): Promise<Finding> {
  const found = await orRefused(cluster.read(`/apis/${group}/${resource.version}`))
  if (isRefused(found)) return skip(`the CustomResourceDefinition: ${found.refused}`)
  const has = list(found?.resources).some(({ name }) => name === `${resource.plural}/status`)
  const name = `${resource.plural}.${group}`
  return has
    ? ok(`the CustomResourceDefinition ${name}`)
    : fail(`there is no CustomResourceDefinition ${name}`)
}

async function checkConfigurations(cluster: Cluster, systemNamespace: string, now: Date): Promise<Finding[]> {
  const path = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations'
  const all = await orRefused(cluster.list(path))
  if (isRefused(all)) return [skip(`the webhook configuration: ${all.refused}`)]
  const ours = all.find(configuration => nameOf(configuration) === webhookConfigurationName)
  if (!ours) return [fail(`there is no MutatingWebhookConfiguration ${webhookConfigurationName}`)]
  const others = all.filter(other => other !== ours && ourWebhook(other)).map(nameOf)
  return [
    ...checkConfiguration(ours, systemNamespace, now),
    ...others.map(name =>
      warn(`the MutatingWebhookConfiguration ${name} asks for injection too: remove one`),
    ),
  ]
}

function checkConfiguration(configuration: Raw, systemNamespace: string, now: Date): Finding[] {
  const webhook = ourWebhook(configuration)
  if (!webhook) return [fail(`${webhookConfigurationName} has no webhook of ours: apply the manifests again`)]
  const { caBundle, service } = object(webhook.clientConfig)
  const findings: Finding[] = []
  if (webhook.failurePolicy !== 'Ignore')
    findings.push(
      warn('failurePolicy is not Ignore: when the webhook is away, no pod of a labelled namespace starts'),
    )
  const { namespace } = object(service)
  if (service && namespace !== systemNamespace)
    findings.push(fail(`the API server asks in namespace ${String(namespace)}, not in ${systemNamespace}`))
  return [...findings, checkBundle(caBundle, now)]
}

function checkBundle(caBundle: unknown, now: Date): Finding {
  if (!isString(caBundle) || caBundle === '')
    return fail(
      'the webhook configuration has no caBundle: the webhook writes it when it starts, look at its log',
    )
  const pems =
    Buffer.from(caBundle, 'base64')
      .toString()
      .match(/-----BEGIN[^]+?-----END CERTIFICATE-----/g) ?? []
  let newest = 0
  try {
    newest = Math.max(...pems.map(pem => Date.parse(new X509Certificate(pem).validTo)))
  } catch {
    return fail('the caBundle is not a certificate: the webhook writes its own within a minute, if it runs')
  }
  if (pems.length === 0)
    return fail('the caBundle is not a certificate: the webhook writes its own within a minute, if it runs')
  const until = new Date(newest).toISOString().slice(0, 10)
  if (newest < now.getTime()) return fail(`the certificate authority has ended on ${until}`)
  return newest < now.getTime() + soonMs
    ? warn(`the certificate authority ends on ${until}`)
    : ok(`the API server asks the webhook, and trusts it until ${until}`)
}

async function checkWebhook(cluster: Cluster, namespace: string, version: string): Promise<Finding[]> {
  const deployment = await orRefused(
    cluster.read(`/apis/apps/v1/namespaces/${namespace}/deployments/${webhookServiceName}`),
  )
  if (isRefused(deployment)) return [skip(`the webhook: ${deployment.refused}`)]
  if (!deployment) return [fail(`there is no Deployment ${webhookServiceName} in namespace ${namespace}`)]
  return [
    readiness(deployment, namespace),
    ...images(deployment, version),
    await checkEndpoints(cluster, namespace),
  ]
}

function readiness({ spec, status }: Raw, namespace: string): Finding {
  const wanted = Number(object(spec).replicas ?? 1)
  const ready = Number(object(status).availableReplicas ?? 0)
  const text = `${ready} of ${wanted} pods of the webhook are available`
  if (ready === 0)
    return fail(`${text}: kubectl -n ${namespace} get pods; pods are created without sidecar meanwhile`)
  return ready < wanted ? warn(text) : ok(text)
}

function images(deployment: Raw, version: string): Finding[] {
  const all = containersOf(podOf(deployment)).flatMap(({ container }) =>
    isString(container.image) ? [container.image] : [],
  )
  return all
    .map(image => /:(\d+\.\d+\.\d+[^@]*)/.exec(image)?.[1])
    .filter(tag => tag !== undefined)
    .map(tag =>
      tag === version
        ? ok(`the webhook is of version ${tag}, as this command`)
        : warn(
            `the webhook is of version ${tag}, this command of ${version}: it may explain otherwise than the webhook does`,
          ),
    )
}

async function checkEndpoints(cluster: Cluster, namespace: string): Promise<Finding> {
  const slices = await orRefused(
    cluster.list(`/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`, {
      labelSelector: `kubernetes.io/service-name=${webhookServiceName}`,
    }),
  )
  if (isRefused(slices)) return skip(`the endpoints of the webhook: ${slices.refused}`)
  const ready = slices
    .flatMap(({ endpoints }) => list(endpoints))
    .filter(({ conditions }) => object(conditions).ready !== false)
  return ready.length > 0
    ? ok(`the Service ${webhookServiceName} leads to ${ready.length} of them`)
    : fail(`the Service ${webhookServiceName} leads to no pod: the API server asks in vain`)
}
