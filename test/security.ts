// What the manifests grant, what `check` asks for and what docs/security.md tells are the same.

import { readFileSync } from 'node:fs'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { accesses } from '../cli/check/access.ts'
import type { Access } from '../cli/check/access.ts'
import type { KubernetesObject } from './cluster/api.ts'
import { manifests } from './tier2/installation.ts'

interface Rule {
  apiGroups: string[]
  resources: string[]
  verbs: string[]
  resourceNames?: string[]
}

const page = readFileSync('docs/security.md', 'utf8')
const webhookRole = 'spa-reloader-webhook'

t.test('the webhook is granted what is listed, and nothing else', async t => {
  const granted = manifests()
    .filter(({ kind, metadata }) => /^(Cluster)?Role$/.test(kind ?? '') && metadata.name === webhookRole)
    .flatMap(role => rulesOf(role).flatMap(rule => singles(rule, role.kind === 'Role')))
  const listed = accesses.flatMap(({ group, resource, verbs, name, isLocal }) =>
    verbs.map(verb => single(group, resource, verb, name, isLocal ?? false)),
  )
  t.same(granted.sort(), listed.sort())
})

t.test('docs/security.md tells each verb of the webhook, with its use', async t => {
  t.same(table('What the webhook may do'), accesses.map(row))
})

t.test('docs/security.md tells what else the manifests grant', async t => {
  const roles = [
    ...manifests(),
    ...read('manifests/feed-watch/rbac.yaml'),
    ...read('manifests/restart/rbac.yaml'),
    ...read('manifests/standalone/rbac.yaml'),
  ]
    .filter(({ kind, metadata }) => /^(Cluster)?Role$/.test(kind ?? '') && metadata.name !== webhookRole)
    .flatMap(role =>
      rulesOf(role).map(({ apiGroups, resources, verbs }) => {
        const all = apiGroups.flatMap(group =>
          resources.map(resource => `\`${resourceName(group, resource)}\``),
        )
        return [`\`${role.metadata.name}\``, verbs.join(', '), all.join(', ')]
      }),
    )
  t.same(
    table('What others may do').map(cells => cells.slice(0, 3)),
    roles,
  )
})

t.test('nothing is granted by a wildcard', async t => {
  for (const role of manifests().filter(({ kind }) => /^(Cluster)?Role$/.test(kind ?? '')))
    t.notOk(JSON.stringify(rulesOf(role)).includes('*'), role.metadata.name)
})

function row({ group, resource, verbs, name, isLocal, use }: Access): string[] {
  const what = `\`${resourceName(group, resource)}\`${name ? ` \`${name}\`` : ''}`
  return [
    verbs.join(', '),
    what,
    isLocal ? 'its own namespace' : name ? 'the cluster' : 'every namespace',
    use,
  ]
}

function resourceName(group: string, resource: string): string {
  const [plural, subresource] = resource.split('/')
  return [[plural, group].filter(Boolean).join('.'), subresource].filter(Boolean).join('/')
}

function singles({ apiGroups, resources, verbs, resourceNames }: Rule, isLocal: boolean): string[] {
  return apiGroups.flatMap(group =>
    resources.flatMap(resource =>
      verbs.flatMap(verb =>
        (resourceNames ?? [undefined]).map(name => single(group, resource, verb, name, isLocal)),
      ),
    ),
  )
}

function single(group: string, resource: string, verb: string, name: string | undefined, isLocal: boolean) {
  return [isLocal ? 'local' : 'everywhere', verb, resourceName(group, resource), name ?? ''].join(' ').trim()
}

function rulesOf({ rules }: KubernetesObject): Rule[] {
  return rules as Rule[]
}

function read(file: string): KubernetesObject[] {
  return parseAllDocuments(readFileSync(file, 'utf8')).map(document => document.toJS() as KubernetesObject)
}

/** The cells of a section's table, without its head. */
function table(title: string): string[][] {
  const [, section = ''] = page.split(`## ${title}\n`)
  const lines = [...section.replace(/\n## [^]*/, '').matchAll(/^\| (.+) \|$/gm)].map(([, line = '']) => line)
  return lines.slice(2).map(line => line.split(' | ').map(cell => cell.trim()))
}
