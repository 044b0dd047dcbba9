// `spa-reloader inject`: the same as the webhook does, on YAML.

import t from 'tap'
import { readFileSync } from 'node:fs'
import { parseAllDocuments } from 'yaml'
import { injectYaml } from '../../cli/inject.ts'
import { reasons } from '../../webhook/reasons.ts'
import { parseDeployment } from '../../release/objects.ts'
import type { Raw } from '../../release/raw.ts'
import { readGoldens, settings } from '../webhook/goldens.ts'

const pods = new URL('../webhook/pods/', import.meta.url)
const deployment = `# our shop
apiVersion: v1
kind: Service
metadata: { name: web } # the only one
spec: { selector: { app: web }, ports: [{ port: 80, targetPort: http }] }
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: &labels { app: web }
spec:
  replicas: 3
  selector: { matchLabels: *labels }
  template:
    metadata: { labels: *labels }
    spec:
      containers:
        - name: web
          image: registry.example/web:1
          ports: [{ name: http, containerPort: 8080 }]
          readinessProbe: { httpGet: { path: /, port: http } }
`

t.test('each golden comes out as from the webhook, or stays and is told why', async t => {
  for (const { name, pod, context, settings, expected } of readGoldens()) {
    if (context.redirect !== undefined) continue // that is the installation's to decide
    const input = readFileSync(new URL(`${name}.yaml`, pods), 'utf8')
    const { text, remarks } = injectYaml(input, 'shop', settings)
    const [out] = documents(text)
    const [golden] = expected as (Raw & { skip?: (keyof typeof reasons)[]; about?: string })[]
    const isPod = pod.kind === 'Pod'
    if (golden?.kind === 'Pod') t.same(out, golden, name)
    else {
      t.same(out, pod, name)
      const about = golden?.about ? `${golden.about}: ` : ''
      for (const code of isPod ? (golden?.skip ?? []) : [])
        t.ok(
          remarks.some(remark => remark.endsWith(`not injected: ${code}: ${about}${reasons[code]}`)),
          `${name}: ${code}`,
        )
    }
  }
})

t.test('the controller reads a template that was injected here as it was before', async t => {
  const read = (text: string) => parseDeployment(documents(text)[1])?.template.spec.containers
  const { text } = injectYaml(deployment, 'default', settings)
  t.match(text, /containerPort: 14020/)
  t.same(read(text), read(deployment))
})

t.test("a Deployment's template is injected, and nothing else of it changes", async t => {
  const { text, remarks } = injectYaml(deployment, 'default', settings)
  t.same(remarks, ['deployment/web: injected'])
  const [, before] = documents(deployment) as [Raw, Shape]
  const [, after] = documents(text) as [Raw, Shape]
  const { metadata, spec } = after.spec.template
  t.same(
    metadata.labels,
    { app: 'web', 'spa-reloader.io/injected': 'true' },
    'no hash: that is for the API server',
  )
  t.same(
    after.spec.selector,
    { matchLabels: { app: 'web' } },
    'an anchor of the input does not tie the selector to it',
  )
  t.match(spec.containers, [
    {
      name: 'web',
      ports: [{ name: 'http', containerPort: 14020 }],
      readinessProbe: { httpGet: { port: 8080 } },
    },
    { name: 'spa-reloader', image: settings.image },
  ])
  t.same(
    { ...after, spec: { ...after.spec, template: 0 } },
    { ...before, spec: { ...before.spec, template: 0 } },
  )
})

t.test('what comes out is not injected a second time', async t => {
  const once = injectYaml(deployment, 'default', settings)
  const twice = injectYaml(once.text, 'default', settings)
  t.equal(twice.text, once.text)
  t.same(twice.remarks, ['deployment/web: unchanged'])
})

t.test('documents that are not changed stay as they were written', async t => {
  const { text } = injectYaml(deployment, 'default', settings)
  t.match(text, '# our shop')
  t.match(text, 'metadata: { name: web } # the only one')
  const other = 'a: 1 # one\n---\nkind: ConfigMap\n'
  t.equal(injectYaml(other, 'default', settings).text, other)
})

t.test('the items of a List are injected', async t => {
  const items = documents(deployment)
  const { text } = injectYaml(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }), 'default', settings)
  const [list] = documents(text) as [{ items: [Raw, Shape] }]
  t.match(list.items[1].spec.template.spec.containers, [{ name: 'web' }, { name: 'spa-reloader' }])
})

t.test('Services of another namespace are not meant, and the defaults of the Namespace are', async t => {
  const elsewhere = deployment.replace('metadata: { name: web }', 'metadata: { name: web, namespace: other }')
  const numeric = elsewhere.replace('targetPort: http', 'targetPort: 8080')
  t.same(
    injectYaml(numeric, 'default', settings).remarks,
    ['deployment/web: injected'],
    'by its only named port',
  )
  t.match(injectYaml(numeric, 'other', settings).remarks[0], 'numeric-target')
  const annotations = '{ spa-reloader.io/capture: none }'
  const namespace = `---\nkind: Namespace\nmetadata: { name: default, annotations: ${annotations} }\n`
  t.match(injectYaml(deployment + namespace, 'default', settings).remarks[0], 'capture-none')
})

t.test('what is not YAML is refused with its place', async t => {
  t.throws(() => injectYaml('a: [1', 'default', settings), { message: /not YAML.*line 1/s })
})

interface Shape extends Raw {
  spec: { selector: unknown; template: { metadata: Raw; spec: { containers: unknown[] } } }
}

function documents(text: string): unknown[] {
  return parseAllDocuments(text).map(document => document.toJS() as unknown)
}
