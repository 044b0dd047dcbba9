// The pairs in pods/: a raw pod with what is around it (Services, the Namespace), and `.golden.yaml`: the pod that comes out, or the reasons why
// none does. SPA_UPDATE_GOLDENS=1 writes them anew; then read the difference.

import jsonpatch from 'fast-json-patch'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { parseAllDocuments, stringify } from 'yaml'
import type { ReleaseState } from '../../protocol/release.ts'
import { parseService } from '../../release/objects.ts'
import { redirectIn } from '../../webhook/capture-redirect.ts'
import type { Settings } from '../../webhook/container.ts'
import { decide } from '../../webhook/decide.ts'
import type { Context, Decision } from '../../webhook/decide.ts'
import { inject } from '../../webhook/inject.ts'
import type { Operation } from '../../webhook/patch.ts'
import { isObject } from '../../protocol/release.ts'
import { object } from '../../release/raw.ts'
import type { Raw } from '../../release/raw.ts'
import { parsePolicy } from '../../webhook/policy.ts'

const folder = new URL('pods/', import.meta.url)
export const settings: Settings = {
  image: 'registry.example/spa-reloader-sidecar:0.1.0',
  drainSec: undefined,
  redirectImage: 'registry.example/spa-reloader-redirect:0.1.0',
  pullSecrets: [],
  isNative: () => false,
}

export interface Golden {
  name: string
  pod: Raw
  context: Context
  /** What the golden's document of kind Settings says. */
  settings: Settings
  /** Documents of the golden file. */
  expected: unknown[]
}

export function readGoldens(): Golden[] {
  return readdirSync(folder)
    .filter(file => file.endsWith('.yaml') && !file.endsWith('.golden.yaml'))
    .map(file => file.slice(0, -'.yaml'.length))
    .map(name => ({ name, ...readGolden(name) }))
}

export function readGolden(name: string): Omit<Golden, 'name'> {
  const documents = readDocuments(`${name}.yaml`)
  const [pod] = documents
  const own = documents.find(({ kind }) => kind === 'Settings') ?? {}
  const namespace = object(documents.find(({ kind }) => kind === 'Namespace')?.metadata)
  return {
    pod: pod!,
    settings: {
      ...settings,
      pullSecrets: (own.pullSecrets ?? []) as string[],
      isNative: () => own.native === true,
    },
    context: {
      name: 'shop',
      labels: object(namespace.labels) as Record<string, string>,
      annotations: object(namespace.annotations) as Record<string, string>,
      policies: documents.flatMap(document => parsePolicy(document) ?? []),
      services: documents.filter(({ kind }) => kind === 'Service').map(service => parseService(service)!),
      release: () => undefined,
      // Only where the input has labels does the installation want it.
      redirect: isObject(namespace.labels)
        ? redirectIn('labelled', { annotations: {}, labels: namespace.labels as Record<string, string> })
        : undefined,
    },
    expected: update ? [] : readDocuments(`${name}.golden.yaml`),
  }
}

export const update = process.env['SPA_UPDATE_GOLDENS'] === '1'

export function writeGolden(name: string, documents: readonly unknown[]): void {
  const text = documents
    .map(document => stringify(document, { lineWidth: 0, aliasDuplicateObjects: false, singleQuote: true }))
    .join('---\n')
  writeFileSync(new URL(`${name}.golden.yaml`, folder), text)
}

function readDocuments(file: string): Raw[] {
  const text = readFileSync(new URL(file, folder), 'utf8')
  return parseAllDocuments(text).map(document => document.toJS() as Raw)
}

/** What the API server gets from us: the decision, the patch, and the pod as it makes it from both. */
export function admit(
  pod: Raw,
  context: Context,
  own: Settings = settings,
): { decision: Decision; patch: Operation[]; patched: Raw } {
  const decision = decide(pod, context)
  const patch = 'inject' in decision ? inject(pod, decision.inject, own) : []
  return { decision, patch, patched: apply(pod, patch) }
}

/** Applies a patch to a copy. Throws when a `test` fails or a path is not there, as the API server would refuse it. */
export function apply(pod: Raw, patch: readonly Operation[]): Raw {
  return jsonpatch.applyPatch(structuredClone(pod), structuredClone([...patch]), true).newDocument
}

export const releaseState: ReleaseState = {
  namespace: 'shop',
  name: 'web',
  epoch: 't3k9x1-d3f1c2aa',
  serial: 31,
  revision: 7,
  phase: 'ready',
  since: '2026-11-22T09:00:00Z',
  target: { id: 'a'.repeat(64), name: 'registry.example/shop:1.15.0', hash: '5d9fb7c6b8' },
  previous: null,
  live: [{ id: 'a'.repeat(64), pods: 2 }],
  known: [['5d9fb7c6b8', 'a'.repeat(64), 7]],
  why: 'rollout',
}
