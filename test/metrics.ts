// docs/metrics.md, the dashboard and the alerts speak of the metrics that there are.

import { readFileSync } from 'node:fs'
import { Registry } from 'prom-client'
import t from 'tap'
import { createCounters } from '../sidecar/front/counters.ts'
import { createMetrics as createSidecarMetrics } from '../sidecar/metrics.ts'
import type { MetricsOptions } from '../sidecar/metrics.ts'
import { createAuthority, signLeaf } from '../webhook/authority.ts'
import { registerGauges } from '../webhook/gauges.ts'
import { createMetrics as createWebhookMetrics } from '../webhook/metrics.ts'
import { releaseState } from './webhook/goldens.ts'

interface Told {
  name: string
  type: string
  help: string
  labels: string
}

const webhook = told(await webhookText())
const sidecar = told(await sidecarText())

t.test('docs/metrics.md lists every metric of ours, with its type, labels and help', async t => {
  const page = readFileSync('docs/metrics.md', 'utf8')
  const [, ofWebhook = '', ofSidecar = ''] = page.split(/^## .*$/m)
  t.same(rows(ofWebhook), webhook.map(row), 'webhook')
  t.same(rows(ofSidecar), sidecar.map(row), 'sidecar')
})

t.test('when a certificate ends is told in seconds since 1970', async t => {
  const text = await webhookText()
  const days = (certificate: string) =>
    Number(new RegExp(`expiry_timestamp_seconds\\{certificate="${certificate}"\\} (\\d+)`).exec(text)?.[1]) /
    86_400
  t.equal(days('leaf'), 7)
  t.equal(days('authority'), 365)
})

t.test('the dashboard and the alerts use metrics and labels that there are', async t => {
  const types = new Map([...webhook, ...sidecar].map(metric => [metric.name, metric]))
  for (const file of ['dashboard.json', 'alerts.yaml']) {
    const text = readFileSync(`charts/spa-reloader/files/${file}`, 'utf8')
    const uses = [...text.matchAll(/\b(spa_reloader_\w+)(?:\{([^}]*)\})?/g)]
    t.ok(uses.length > 0, file)
    for (const [, name = '', selector = ''] of uses) {
      const metric = types.get(name) ?? types.get(name.replace(/_(bucket|sum|count)$/, ''))
      t.ok(metric, `${file}: ${name}`)
      for (const [, label = ''] of selector.matchAll(/(\w+)=/g))
        t.ok(
          ['namespace', 'pod', ...(metric?.labels.split(', ') ?? [])].includes(label),
          `${file}: ${name}: ${label}`,
        )
    }
  }
})

t.test('what has not failed yet is told as 0: Prometheus sees no increase where a series begins', async t => {
  const registry = new Registry()
  createWebhookMetrics(registry)
  const text = await registry.metrics()
  for (const reason of ['context', 'internal'])
    t.match(text, `spa_reloader_injection_total{result="failed",reason="${reason}"} 0\n`)
  t.match(await sidecarText(), 'spa_reloader_tabs_refused_total{why="rate"} 0\n')
})

t.test(
  "what Node and the process tell is read from the sidecar alone, not from the app's endpoint beside it",
  async t => {
    const text = readFileSync('charts/spa-reloader/files/dashboard.json', 'utf8')
    const uses = [...text.matchAll(/\b(?:process|nodejs)_\w+\{[^}]*\}.{0,80}/g)].map(([use]) => use)
    t.ok(uses.length > 0)
    for (const use of uses) t.match(use, 'and on (namespace, pod, instance) spa_reloader_build_info')
  },
)

t.test('each gauge of the webhook has an alert, and so have reconciles that fail', async t => {
  const alerts = readFileSync('charts/spa-reloader/files/alerts.yaml', 'utf8')
  const names = webhook.filter(({ type }) => type === 'gauge').map(({ name }) => name)
  for (const name of [...names, 'spa_reloader_failed_reconciles_total']) t.match(alerts, name)
})

t.test('where no webhook is, one alert says so, and none leads to rights and the Lease', async t => {
  const alerts = readFileSync('charts/spa-reloader/files/alerts.yaml', 'utf8')
  t.same(alerts.match(/expr: .*\b(absent|vector)\(.*/g), [
    'expr: absent(up{job=~".*spa-reloader-webhook"} == 1)',
  ])
})

t.test('a webhook that is not ready says so, although it is up', async t => {
  t.match(await webhookText(), '\nspa_reloader_ready 0\n')
})

/** As `/metrics` prints it, with a sample of each metric that has labels. */
async function webhookText(): Promise<string> {
  const registry = new Registry()
  createWebhookMetrics(registry).admitted('skipped', 'no-service', 0.1)
  const { signer } = createAuthority(new Date(0))
  registerGauges(registry, {
    missed: () => 0,
    untold: () => 0,
    broken: () => 0,
    isLeading: () => true,
    unready: () => 'not yet',
    certificates: () => ({
      authority: signer.cert,
      leaf: signLeaf(signer, ['localhost'], new Date(0)).cert,
    }),
  })
  return registry.metrics()
}

async function sidecarText(): Promise<string> {
  const options = {
    version: '0.1.0',
    states: { state: () => releaseState },
    feeds: { errors: () => [['downward', 1]] },
    tabs: {
      pages: () => [['web-5d9fb7c6b8', 3]],
      count: () => ({ tabs: 3, streams: 1, original: 1 }),
      counters: { refusedRate: 0 },
    },
    memory: { pressure: () => 'none', limitBytes: 1 },
    front: { counters: createCounters(), cached: () => ({ bytes: 0, entries: 0 }), isPassive: () => false },
  }
  return createSidecarMetrics(options as unknown as MetricsOptions).text()
}

/** Those of ours; prom-client's own are Node's. */
function told(text: string): Told[] {
  return [...text.matchAll(/^# HELP (spa_reloader_\w+) (.+)\n# TYPE \S+ (\w+)\n(.*)/gm)].map(
    ([, name = '', help = '', type = '', sample = '']) => {
      const labels = [...(/\{(.*)\}/.exec(sample)?.[1] ?? '').matchAll(/(\w+)="/g)].map(
        ([, label = '']) => label,
      )
      return { name, type, help, labels: labels.filter(label => label !== 'le').join(', ') }
    },
  )
}

function row({ name, type, labels, help }: Told): string {
  return [`\`${name}\``, type, labels, help].join(' | ')
}

function rows(section: string): string[] {
  return [...section.matchAll(/^\| (`spa_reloader_.+?) \|$/gm)].map(([, cells = '']) =>
    cells
      .split('|')
      .map(cell => cell.trim())
      .join(' | '),
  )
}
