// The documents and the code agree.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { usage } from '../cli/arguments.ts'
import { causes } from '../cli/causes.ts'
import * as names from '../protocol/names.ts'
import { readConfig } from '../sidecar/config.ts'
import { reasons, warnings } from '../webhook/reasons.ts'
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
  for (const [, name = ''] of configuration.matchAll(/`(SPA_[A-Z_]+|spa-reloader\.io\/[a-z-]+)`/g))
    t.ok(known.has(name), name)
})

t.test('the defaults that the documents name are those of the code', async t => {
  const config = readConfig({
    SPA_NAMESPACE: 'shop',
    SPA_NAME: 'web',
    SPA_HASH: '6c487dcc49',
    SPA_POD_IP: '10.0.0.7',
    SPA_APP_PORT: '8080',
  })
  const limits: [variable: string, unit: string, value: number][] = [
    ['SPA_MAX_CONNECTIONS', '', config.maxConnections],
    ['SPA_MAX_HEAD_KIB', ' KiB', config.maxHeadBytes / 1024],
    ['SPA_MAX_HEAD_LINES', '', config.maxHeadLines],
    ['SPA_HEAD_SEC', ' s', config.headMs / 1_000],
    ['SPA_BUFFER_KIB', ' KiB', config.maxBufferBytes / 1024],
    ['SPA_MAX_PIPELINED', '', config.maxAwaited],
    ['SPA_CACHE_MIB', ' MiB', config.cacheBytes / 1024 / 1024],
    ['SPA_MAX_TABS', '', config.maxTabs],
    ['SPA_MAX_HANDSHAKES', '', config.maxHandshakes],
  ]
  const front = readFileSync('docs/front.md', 'utf8')
  const section = front.slice(front.indexOf('## Limits')).replace(/###[^]*/, '')
  for (const [variable, unit, value] of limits) {
    const told = `\`${variable}\`: ${value.toLocaleString('en')}${unit}`
    t.match(section, new RegExp(`${told}[ ;]`), `front.md: ${told}`)
    t.match(
      configuration,
      new RegExp(`\\| \`${variable}\` +\\| \`${value}\` `),
      `configuration.md: ${variable}`,
    )
  }
  for (const [, variable = ''] of section.matchAll(/`(SPA_[A-Z_]+)`/g))
    t.ok(
      limits.some(([name]) => name === variable),
      `${variable} is compared`,
    )
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

t.test('docs/cli.md prints the usage', async t => {
  t.ok(readFileSync('docs/cli.md', 'utf8').includes(`\n\`\`\`\n${usage}\`\`\`\n`))
})

t.test(
  'docs/client.md has every option, state and event of the client, and every attribute of its script tag',
  async t => {
    const page = readFileSync('docs/client.md', 'utf8')
    const api = readFileSync('client/api.ts', 'utf8')
    const [, options = ''] = /interface Options \{([^]*?)\n\}/.exec(api) ?? []
    const namesOf = (type: string) => new RegExp(`export type ${type} =(.*)`).exec(api)?.[1] ?? ''
    const attributes = /dataset: \{(.*?)\}/.exec(readFileSync('client/script.ts', 'utf8'))?.[1] ?? ''
    const told = [
      ...Array.from(options.matchAll(/^ {2}(\w+)\?/gm), ([, name]) => name),
      ...Array.from(`${namesOf('Status')} ${namesOf('EventName')}`.matchAll(/'(\w+)'/g), ([, name]) => name),
      ...Array.from(attributes.matchAll(/(\w+)(?: = '\w+')?(?:,|\s*$)/g), ([, name]) => `data-${name}`),
    ]
    t.equal(told.length, 4 + 5 + 5 + 2)
    for (const name of told) t.ok(page.includes(`\`${name}\``), String(name))
  },
)

t.test('docs/troubleshooting.md has every reason with its sentence, and no other', async t => {
  const page = readFileSync('docs/troubleshooting.md', 'utf8').replace(/## When injection fails[^]*/, '')
  const told = [...page.matchAll(/^- `([a-z-]+)`: (.+)$/gm)].map(([, code, sentence]) => [code, sentence])
  t.same(Object.fromEntries(told), { ...reasons, ...causes, ...warnings })
})

t.test('every link of the README and the docs leads somewhere', async t => {
  const pages = readdirSync('docs').filter(file => file.endsWith('.md')) // beside them are pictures
  const files = ['README.md', 'bench/README.md', ...pages.map(file => join('docs', file))]
  for (const file of files.filter(existsSync))
    for (const [, link = ''] of readFileSync(file, 'utf8').matchAll(/\]\(([^)#:]+)[^):]*\)/g))
      t.ok(existsSync(join(file, '..', link)), `${file}: ${link}`)
})

t.test('the version is the same everywhere', async t => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  const text = [
    JSON.stringify(manifests()),
    ...[
      'README.md',
      'docs/moving.md',
      'manifests/standalone/standalone.yaml',
      'manifests/static/static.yaml',
    ].map(file => readFileSync(file, 'utf8')),
  ].join('\n')
  for (const [, tag] of text.matchAll(/spa-reloader-(?:webhook|sidecar|redirect):(\d[^\s"]*)/g))
    t.equal(tag, version)
})

function leaves(value: unknown): (string | number)[] {
  if (typeof value === 'string' || typeof value === 'number') return [value]
  return Object.values(value as object).flatMap(leaves)
}
