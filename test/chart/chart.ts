// The chart renders manifests/, and what its values say.

import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import type { KubernetesObject } from '../cluster/api.ts'
import { helmBinary } from '../cluster/binaries.ts'
import { run } from '../cluster/process.ts'
import { chart, renderManifests, template } from './render.ts'

t.test(
  'manifests/ is the chart with its default values, and in folders what is off by default (npm run manifests)',
  async t => {
    const rendered = await renderManifests()
    const files = readdirSync('manifests').filter(
      file => file.endsWith('.yaml') && file !== '00-namespace.yaml',
    )
    const apart = ['feed-watch/rbac.yaml', 'restart/rbac.yaml']
    t.same([...rendered.keys()].sort(), [...files, ...apart].sort())
    for (const [file, text] of rendered) t.equal(readFileSync(join('manifests', file), 'utf8'), text, file)
  },
)

t.test('helm lint has nothing to say', async t => {
  t.match(await run(helmBinary(), ['lint', '--strict', chart]), '0 chart(s) failed')
})

t.test('the versions are those of the package', async t => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  const text = readFileSync(join(chart, 'Chart.yaml'), 'utf8')
  t.match(text, `\nversion: ${version}\n`)
  t.match(text, `\nappVersion: ${version}\n`)
})

t.test('it can be installed in another namespace, and names it everywhere', async t => {
  const objects = parse(await template([], 'tools'))
  const text = JSON.stringify(objects)
  t.notMatch(text, '"namespace":"spa-reloader"')
  t.match(text, 'system:serviceaccount:tools:spa-reloader-webhook')
  const [webhook] = find(objects, 'MutatingWebhookConfiguration').webhooks as Record<string, unknown>[]
  t.match(JSON.stringify(webhook?.namespaceSelector), '"kube-node-lease","tools"]')
})

t.test('everything switched on: monitors, rule, dashboard, feed', async t => {
  const switches = ['podMonitor', 'prometheusRule', 'dashboard', 'feedWatch', 'restart'].map(
    name => `${name}.enabled=true`,
  )
  const objects = parse(
    await template(['--set', [...switches, 'podMonitor.labels.release=prometheus'].join(',')]),
  )
  const monitors = objects.filter(({ kind }) => kind === 'PodMonitor')
  t.equal(monitors.length, 2)
  t.match(monitors, [{ metadata: { labels: { release: 'prometheus' } } }, {}])
  const { groups } = find(objects, 'PrometheusRule').spec as {
    groups: { rules: { alert: string; expr: string }[] }[]
  }
  t.ok(
    groups.flatMap(({ rules }) => rules).every(({ alert, expr }) => alert.startsWith('SpaReloader') && expr),
  )
  const data = find(objects, 'ConfigMap').data as Record<string, string>
  t.match(JSON.parse(data['spa-reloader.json'] ?? ''), { title: 'spa-reloader' })
  t.ok(
    objects.some(
      ({ kind, metadata }) => kind === 'ClusterRoleBinding' && metadata.name === 'spa-reloader-feed',
    ),
  )
})

t.test('everything switched off leaves what is needed', async t => {
  const off = ['podDisruptionBudget', 'networkPolicy', 'admissionPolicy'].map(name => `${name}.enabled=false`)
  const kinds = parse(await template(['--set', [...off, 'aggregateToView=false'].join(',')])).map(
    ({ kind }) => kind,
  )
  t.same(
    new Set(kinds),
    new Set([
      'ClusterRole',
      'ClusterRoleBinding',
      'CustomResourceDefinition',
      'Deployment',
      'MutatingWebhookConfiguration',
      'Role',
      'RoleBinding',
      'Service',
      'ServiceAccount',
    ]),
  )
})

t.test('images, by tag or digest, and what concerns the pods', async t => {
  const digest = `sha256:${'a'.repeat(64)}`
  const sets = [
    'image.repository=registry/webhook,image.tag=v2',
    `sidecar.image.repository=registry/sidecar,sidecar.image.digest=${digest}`,
    'sidecar.drainSeconds=0,hostNetwork=true,priorityClassName=system-cluster-critical,imagePullSecrets[0].name=pull',
    'sidecar.form=plain,sidecar.imagePullSecrets={pull,other}',
    'redirect.mode=on,redirect.image.tag=v3',
    'sidecar.resources.requests.cpu=50m,sidecar.resources.limits.cpu=1,sidecar.resources.requests.memory=128Mi,sidecar.resources.limits.memory=256Mi',
    'nodeSelector.pool=system,podLabels.team=web,podAnnotations.note=x',
  ]
  const { spec } = find(parse(await template(sets.flatMap(set => ['--set', set]))), 'Deployment')
  t.match(spec?.template, {
    metadata: { labels: { team: 'web' }, annotations: { note: 'x' } },
    spec: {
      hostNetwork: true,
      priorityClassName: 'system-cluster-critical',
      imagePullSecrets: [{ name: 'pull' }],
      nodeSelector: { pool: 'system' },
      containers: [{ image: 'registry/webhook:v2' }],
    },
  })
  const text = JSON.stringify(spec)
  t.match(text, `{"name":"SPA_SIDECAR_IMAGE","value":"registry/sidecar@${digest}"}`)
  t.match(text, '{"name":"SPA_SIDECAR_DRAIN_SEC","value":"0"}')
  t.match(text, '{"name":"SPA_SIDECAR_FORM","value":"plain"}')
  t.match(text, '{"name":"SPA_IMAGE_PULL_SECRETS","value":"pull,other"}')
  t.match(text, '{"name":"SPA_SIDECAR_CPU","value":"50m"}')
  t.match(text, '{"name":"SPA_SIDECAR_CPU_LIMIT","value":"1"}')
  t.match(text, '{"name":"SPA_SIDECAR_MEMORY","value":"128Mi"}')
  t.match(text, '{"name":"SPA_SIDECAR_MEMORY_LIMIT","value":"256Mi"}')
  t.match(text, '{"name":"SPA_REDIRECT","value":"on"}')
  t.match(text, '{"name":"SPA_REDIRECT_IMAGE","value":"spa-reloader-redirect:v3"}')
})

t.test('on the network of its node the webhook leaves the kubelet its port', async t => {
  const { spec } = find(parse(await template(['--set', 'hostNetwork=true'])), 'Deployment')
  t.match(spec, { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } } })
  t.match(spec?.template, {
    spec: { hostNetwork: true, containers: [{ ports: [{ name: 'https', containerPort: 14010 }, {}] }] },
  })
  t.match(JSON.stringify(spec), '{"name":"SPA_WEBHOOK_PORT","value":"14010"}')
})

t.test('the certificate of cert-manager, by an issuer of its own or by yours', async t => {
  const own = parse(await template(['--set', 'certManager.enabled=true']))
  const kinds = own.filter(({ apiVersion }) => apiVersion === 'cert-manager.io/v1').map(({ kind }) => kind)
  t.same(kinds, ['Certificate', 'Certificate', 'Issuer', 'Issuer'])
  const text = JSON.stringify(find(own, 'Deployment'))
  t.match(text, '{"name":"SPA_TLS_DIR","value":"/etc/spa-reloader/tls"}')
  t.match(text, '"volumes":[{"name":"tls","secret":{"secretName":"spa-reloader-webhook-tls"}}]')
  const sets =
    'certManager.enabled=true,certManager.issuerRef.kind=ClusterIssuer,certManager.issuerRef.name=corp'
  const yours = parse(await template(['--set', sets]))
  const certificates = yours.filter(({ apiVersion }) => apiVersion === 'cert-manager.io/v1')
  t.match(certificates, [
    { kind: 'Certificate', spec: { issuerRef: { kind: 'ClusterIssuer', name: 'corp' } } },
  ])
  t.equal(certificates.length, 1)
})

t.test('wrong values are refused by name', async t => {
  const wrongs = {
    'replicas=0': /replicas/,
    'imagee.tag=1': /imagee/,
    'image.digest=latest': /image.*digest/,
    'sidecar.drainSeconds=-1': /drainSeconds/,
    'sidecar.drainSeconds=3601': /drainSeconds/,
    'podMonitor.interval=often': /interval/,
    'sidecar.form=big': /form/,
    'sidecar.resources.limits.memory=much': /resources.*memory/,
    'sidecar.resources.requests.gpu=1': /gpu/,
  }
  for (const [set, name] of Object.entries(wrongs))
    await t.rejects(template(['--set', set]), { message: name }, set)
})

t.test('what Helm renders is the same every time: nothing in it is random', async t => {
  t.equal(await template(), await template())
})

function parse(text: string): KubernetesObject[] {
  return parseAllDocuments(text).flatMap(document => (document.toJS() as KubernetesObject | null) ?? [])
}

function find(objects: readonly KubernetesObject[], wanted: string): KubernetesObject {
  const found = objects.find(({ kind }) => kind === wanted)
  if (!found) throw new Error(`no ${wanted} was rendered`)
  return found
}
