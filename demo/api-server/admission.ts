// Mutating admission: asks the webhooks of the MutatingWebhookConfigurations about a new object, over HTTPS.
// matchConditions are left out (CEL needs an interpreter): a webhook is asked more often than it would be by a real API server.

import { randomUUID } from 'node:crypto'
import https from 'node:https'
import { text } from 'node:stream/consumers'
import { reason } from '../../protocol/log.ts'
import type { Log } from '../../protocol/log.ts'
import { isString } from '../../protocol/release.ts'
import { refuse } from './answer.ts'
import type { Answer } from './answer.ts'
import { parseObject } from './objects.ts'
import { list, object } from '../../release/raw.ts'
import type { KubeObject } from './objects.ts'
import { applyJsonPatch } from './patches.ts'
import type { Resource } from './resources.ts'
import { matchesLabels, requirementsOf } from './selectors.ts'

export interface AdmissionOptions {
  configurations: () => KubeObject[]
  namespace: (name: string) => KubeObject | undefined
  /** Where a Service of the cluster is reached; undefined: nowhere. */
  resolveService: (namespace: string, name: string) => { host: string; port: number } | undefined
  log: Log
}

export interface Admission {
  /** Takes an object that is about to be created; returns it as the webhooks want it, or their refusal. */
  admit(
    resource: Resource,
    incoming: KubeObject,
    namespace: string | undefined,
    isDryRun: boolean,
  ): Promise<KubeObject | Answer>
  close(): void
}

interface Webhook {
  name: string
  clientConfig: Record<string, unknown>
  rules: Record<string, unknown>[]
  namespaceSelector: unknown
  objectSelector: unknown
  failurePolicy: 'Fail' | 'Ignore'
  timeoutMs: number
}

export function createAdmission({
  configurations,
  namespace: namespaceOf,
  resolveService,
  log,
}: AdmissionOptions): Admission {
  const agent = new https.Agent({ keepAlive: true })
  return { admit, close: () => agent.destroy() }

  async function admit(
    resource: Resource,
    incoming: KubeObject,
    namespace: string | undefined,
    isDryRun: boolean,
  ) {
    let admitted = incoming
    for (const webhook of webhooks()) {
      if (!concerns(webhook, resource, admitted, namespace)) continue
      try {
        const response = await ask(webhook, resource, admitted, namespace, isDryRun)
        if (response.allowed !== true) return denied(webhook, response)
        admitted = patched(admitted, response)
      } catch (error) {
        log('webhook failed', { webhook: webhook.name, policy: webhook.failurePolicy, reason: reason(error) })
        if (webhook.failurePolicy === 'Fail')
          return refuse(500, 'InternalError', `failed calling webhook "${webhook.name}": ${reason(error)}`)
      }
    }
    return admitted
  }

  function webhooks(): Webhook[] {
    return configurations()
      .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
      .flatMap(({ webhooks }) => list(webhooks).map(parseWebhook))
  }

  function concerns(
    webhook: Webhook,
    resource: Resource,
    incoming: KubeObject,
    namespace: string | undefined,
  ): boolean {
    const labels = namespace === undefined ? undefined : namespaceOf(namespace)?.metadata.labels
    return (
      webhook.rules.some(rule => isAbout(rule, resource)) &&
      (namespace === undefined || matchesLabels(requirementsOf(webhook.namespaceSelector), labels)) &&
      matchesLabels(requirementsOf(webhook.objectSelector), incoming.metadata.labels)
    )
  }

  async function ask(
    webhook: Webhook,
    resource: Resource,
    incoming: KubeObject,
    namespace: string | undefined,
    isDryRun: boolean,
  ) {
    const uid = randomUUID()
    const { group, version, kind, plural } = resource
    const review = {
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      request: {
        uid,
        kind: { group, version, kind },
        resource: { group, version, resource: plural },
        requestKind: { group, version, kind },
        requestResource: { group, version, resource: plural },
        ...(incoming.metadata.name && { name: incoming.metadata.name }),
        ...(namespace !== undefined && { namespace }),
        operation: 'CREATE',
        userInfo: { username: 'system:anonymous', groups: ['system:unauthenticated'] },
        object: incoming,
        oldObject: null,
        dryRun: isDryRun,
        options: { apiVersion: 'meta.k8s.io/v1', kind: 'CreateOptions' },
      },
    }
    const answered: unknown = JSON.parse(await post(webhook, JSON.stringify(review)))
    const response = object(object(answered).response)
    if (response.uid !== uid) throw new Error('the answer is for another request')
    return response
  }

  function post({ clientConfig, timeoutMs }: Webhook, body: string): Promise<string> {
    const { caBundle } = clientConfig
    const signal = AbortSignal.timeout(timeoutMs)
    return new Promise((resolve, reject) => {
      const req = https.request({
        ...address(clientConfig),
        ...(isString(caBundle) && { ca: Buffer.from(caBundle, 'base64') }),
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) },
        agent,
        signal,
      })
      req.on('response', res => {
        if (res.statusCode === 200) text(res).then(resolve, reject)
        else reject(new Error(`status ${res.statusCode}`))
      })
      req.on('error', reject)
      req.end(body)
    })
  }

  /** The certificate is checked against the Service's DNS name, wherever it is reached. */
  function address({ url, service }: Record<string, unknown>): https.RequestOptions {
    if (isString(url)) {
      const { hostname, port, pathname } = new URL(url)
      return { host: hostname, port, path: pathname }
    }
    const { namespace, name, path = '/' } = object(service)
    const reached = resolveService(String(namespace), String(name))
    if (!reached) throw new Error(`Service ${String(namespace)}/${String(name)} has no endpoint`)
    return { ...reached, path: String(path), servername: `${String(name)}.${String(namespace)}.svc` }
  }
}

function isAbout(rule: Record<string, unknown>, { group, version, plural }: Resource): boolean {
  return (
    includes(rule.operations, 'CREATE') &&
    includes(rule.apiGroups, group) &&
    includes(rule.apiVersions, version) &&
    includes(rule.resources, plural)
  )
}

function includes(wanted: unknown, value: string): boolean {
  return Array.isArray(wanted) && (wanted.includes(value) || wanted.includes('*'))
}

function patched(incoming: KubeObject, { patch }: Record<string, unknown>): KubeObject {
  if (!isString(patch)) return incoming
  const outcome = applyJsonPatch(incoming, JSON.parse(Buffer.from(patch, 'base64').toString()))
  if ('invalid' in outcome) throw new Error(outcome.invalid)
  const parsed = parseObject(outcome.patched)
  if (!parsed) throw new Error('the patch leaves no object')
  return parsed
}

function denied({ name }: Webhook, { status }: Record<string, unknown>): Answer {
  const { code, message } = object(status)
  const said = isString(message) ? `: ${message}` : ' without explanation'
  return refuse(
    typeof code === 'number' ? code : 403,
    'Forbidden',
    `admission webhook "${name}" denied the request${said}`,
  )
}

function parseWebhook(data: Record<string, unknown>): Webhook {
  return {
    name: String(data.name),
    clientConfig: object(data.clientConfig),
    rules: list(data.rules),
    namespaceSelector: data.namespaceSelector,
    objectSelector: data.objectSelector,
    failurePolicy: data.failurePolicy === 'Ignore' ? 'Ignore' : 'Fail',
    timeoutMs: (typeof data.timeoutSeconds === 'number' ? data.timeoutSeconds : 10) * 1000,
  }
}
