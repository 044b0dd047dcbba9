// Kubernetes YAML in, the same with injected pods and pod templates out: for GitOps, reviews and tests. What the API server would be
// answered at admission is done here, by the same functions, with the Services and Namespaces that the input holds.

import jsonpatch from 'fast-json-patch'
import { parseAllDocuments, stringify } from 'yaml'
import { isObject, isString } from '../protocol/release.ts'
import { parseService } from '../release/objects.ts'
import type { Service } from '../release/objects.ts'
import type { Settings } from '../webhook/container.ts'
import { decide } from '../webhook/decide.ts'
import type { Context } from '../webhook/decide.ts'
import { inject } from '../webhook/inject.ts'
import { list, object } from '../release/raw.ts'
import type { Raw } from '../release/raw.ts'
import { parsePolicy } from '../webhook/policy.ts'
import { sayReasons, sayWarning } from '../webhook/reasons.ts'
import { nameOf, podOf, withPod } from './template.ts'

export interface Injected {
  /** YAML: documents that were not changed are as they came, comments included. */
  text: string
  /** One line for each pod and Deployment. */
  remarks: string[]
}

/** `namespace` is that of objects that name none. Throws an error with the line when the text is not YAML. */
export function injectYaml(text: string, namespace: string, settings: Settings): Injected {
  const documents = parseAllDocuments(text)
  const broken = [...documents].flatMap(({ errors }) => errors)[0]
  if (broken) throw new Error(`this is not YAML: ${broken.message}`)
  const values = [...documents].map(document => document.toJS() as unknown)
  const contextOf = contextsOf(values.flatMap(itemsOf), namespace)
  const remarks: string[] = []
  const texts = [...documents].map((document, index) => {
    const before = values[index]
    const after = injectValue(before, object => injectObject(object, contextOf, settings, remarks))
    if (after === before) return document.toString({ lineWidth: 0 }).replace(/^---\n/, '')
    return stringify(after, { lineWidth: 0, aliasDuplicateObjects: false })
  })
  return { text: texts.join('---\n'), remarks }
}

function itemsOf(value: unknown): Raw[] {
  if (!isObject(value)) return []
  return isList(value) ? list(value.items) : [value]
}

/** `kubectl get -o yaml` prints a List. */
function isList({ kind, items }: Raw): boolean {
  return typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items)
}

/** Returns what it was given where nothing changes. */
function injectValue(value: unknown, one: (object: Raw) => Raw): unknown {
  if (!isObject(value)) return value
  if (!isList(value)) return one(value)
  const before = value.items as unknown[]
  const after = before.map(item => (isObject(item) ? one(item) : item))
  return after.every((item, index) => item === before[index]) ? value : { ...value, items: after }
}

function injectObject(
  raw: Raw,
  contextOf: (raw: Raw) => Context,
  settings: Settings,
  remarks: string[],
): Raw {
  const isDeployment = raw.kind === 'Deployment' && String(raw.apiVersion).startsWith('apps/')
  if (!isDeployment && !(raw.kind === 'Pod' && raw.apiVersion === 'v1')) return raw
  const subject = `${String(raw.kind).toLowerCase()}/${nameOf(raw)}`
  const pod = isDeployment ? podOf(raw) : raw
  const decision = decide(pod, contextOf(raw))
  remarks.push(...decision.warnings.map(warning => `${subject}: ${sayWarning(warning)}`))
  if ('skip' in decision) {
    const said = sayReasons(decision.skip, decision.about)
    remarks.push(...said.map(sentence => `${subject}: not injected: ${sentence}`))
    return raw
  }
  const patch = inject(pod, decision.inject, settings)
  remarks.push(`${subject}: ${patch.length > 0 ? 'injected' : 'unchanged'}`)
  if (patch.length === 0) return raw
  const patched = jsonpatch.applyPatch(structuredClone(pod), patch, true).newDocument
  return isDeployment ? withPod(raw, patched) : patched
}

const nameLabel = 'kubernetes.io/metadata.name' // the API server writes it on each Namespace

/** What each object's namespace looks like, as far as the input tells. */
function contextsOf(all: readonly Raw[], otherwise: string): (raw: Raw) => Context {
  const services = all.flatMap(raw => {
    const service: Service | undefined = raw.kind === 'Service' ? parseService(raw) : undefined
    return service ? [{ ...service, namespace: service.namespace || otherwise }] : []
  })
  const namespaces = all.filter(({ kind }) => kind === 'Namespace')
  const policies = all.flatMap(raw => {
    const policy = parsePolicy(raw)
    const isOfAll =
      policy?.namespace === '' &&
      !('pods' in policy) &&
      /^Cluster|Clusterwide|^Global|Admin/.test(policy.kind)
    return policy ? [{ ...policy, namespace: isOfAll ? '' : policy.namespace || otherwise }] : []
  })
  return raw => {
    const { namespace: own } = object(raw.metadata)
    const namespace = isString(own) ? own : otherwise
    const found = namespaces.find(other => nameOf(other) === namespace)
    const { labels, annotations } = object(found?.metadata)
    return {
      name: namespace,
      labels: { [nameLabel]: namespace, ...(object(labels) as Record<string, string>) },
      annotations: object(annotations) as Record<string, string>,
      policies,
      services: services.filter(service => service.namespace === namespace),
      release: () => undefined,
    }
  }
}
