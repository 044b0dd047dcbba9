// The documents and the code agree.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import * as names from '../protocol/names.ts'
import { manifests } from './tier2/installation.ts'

const configuration = readFileSync('docs/configuration.md', 'utf8')
const explained = ['configuration', 'protocol', 'front']
  .map(page => readFileSync(`docs/${page}.md`, 'utf8'))
  .join('\n')

t.test('every name is in docs/configuration.md, docs/protocol.md or docs/front.md', async t => {
  for (const name of leaves(names)) t.ok(explained.includes(String(name)), String(name))
})

t.test('every variable and annotation in docs/configuration.md is a name', async t => {
  const known = new Set(leaves(names).map(String))
  for (const [, name = ''] of configuration.matchAll(/`(SPA_[A-Z_]+|spa-reloader\.io\/[a-z]+)`/g))
    t.ok(known.has(name), name)
})

t.test('the manifests use the names of the code', async t => {
  const text = JSON.stringify(manifests())
  const {
    webhookConfigurationName,
    webhookName,
    webhookServiceName,
    caSecretName,
    systemNamespace,
    label,
    port,
  } = names
  for (const name of [
    webhookConfigurationName,
    webhookName,
    webhookServiceName,
    caSecretName,
    systemNamespace,
    label.inject,
  ])
    t.ok(text.includes(`"${name}"`), name)
  t.ok(text.includes(`"containerPort":${port.webhook}`))
  t.ok(text.includes(`"containerPort":${port.webhookMetrics}`))
})

t.test('every link of the README and the docs leads somewhere', async t => {
  const files = ['README.md', 'bench/README.md', ...readdirSync('docs').map(file => join('docs', file))]
  for (const file of files.filter(existsSync))
    for (const [, link = ''] of readFileSync(file, 'utf8').matchAll(/\]\(([^)#:]+)[^):]*\)/g))
      t.ok(existsSync(join(file, '..', link)), `${file}: ${link}`)
})

t.test('the version is the same everywhere', async t => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  const text = [
    JSON.stringify(manifests()),
    ...['README.md', 'docs/moving.md', 'manifests/standalone/standalone.yaml'].map(file =>
      readFileSync(file, 'utf8'),
    ),
  ].join('\n')
  for (const [, tag] of text.matchAll(/spa-reloader-(?:webhook|sidecar):(\d[^\s"]*)/g)) t.equal(tag, version)
})

function leaves(value: unknown): (string | number)[] {
  if (typeof value === 'string' || typeof value === 'number') return [value]
  return Object.values(value as object).flatMap(leaves)
}
