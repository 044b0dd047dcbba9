// The chart as Helm renders it, and manifests/ made of it. Comments of the templates stay: whoever reads the plain YAML needs them too.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { format } from 'prettier'
import { helmBinary } from '../cluster/binaries.ts'
import { run } from '../cluster/process.ts'

export const chart = 'charts/spa-reloader'

/** Takes `--set` and other flags; returns what Helm would install. Rejects with what Helm complains of. */
export function template(flags: readonly string[] = [], namespace = 'spa-reloader'): Promise<string> {
  const floor = ['--kube-version', '1.30.0'] // a helm of our own build knows no version by itself
  return run(helmBinary(), ['template', 'spa-reloader', chart, '--namespace', namespace, ...floor, ...flags])
}

/** What is applied only where it is wanted has a folder of its own: template → its file. */
const apart: Record<string, string> = {
  '80-feed-watch.yaml': 'feed-watch/rbac.yaml',
  '85-restart.yaml': 'restart/rbac.yaml',
}

/** Returns file name → text, one for each template that renders something by default, and those of {@link apart}. */
export async function renderManifests(): Promise<Map<string, string>> {
  const documents = new Map<string, string[]>()
  const text = await template(['--set', 'feedWatch.enabled=true,restart.enabled=true'])
  for (const document of text.split(/^---\n/m)) {
    const [, name = '', body = ''] = /^# Source: .*\/templates\/(\S+)\n([^]*)$/.exec(document) ?? []
    const file = apart[name] ?? name
    if (file !== '') documents.set(file, [...(documents.get(file) ?? []), body.trim()])
  }
  const files = new Map<string, string>()
  for (const [file, texts] of documents) {
    const text = texts.join('\n---\n')
    files.set(file, await format(text, { parser: 'yaml', singleQuote: true, printWidth: 110 }))
  }
  return files
}

/** For `npm run manifests`. The namespace is not of the chart, and its file stays as it is. */
export async function writeManifests(): Promise<void> {
  for (const [file, text] of await renderManifests()) writeFileSync(join('manifests', file), text)
}
