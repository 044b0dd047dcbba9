// What `spa-reloader explain` prints.

import t from 'tap'
import { explain } from '../../cli/explanation.ts'
import type { Facts } from '../../cli/explanation.ts'
import { podOf } from '../../cli/template.ts'
import { decide } from '../../webhook/decide.ts'
import { reasons, warnings } from '../../webhook/reasons.ts'
import { parseStatus } from '../../webhook/status.ts'
import { object } from '../../release/raw.ts'
import { admit, readGolden, readGoldens, releaseState, settings } from '../webhook/goldens.ts'

t.test('each golden is explained in the sentences of its reasons and warnings', async t => {
  for (const { name, pod, context } of readGoldens()) {
    const decision = decide(pod, context)
    const { text, exitCode } = explain(factsOf('pod', { decision }))
    t.equal(exitCode, 1, `${name}: it is not injected yet`)
    for (const { code, subject } of decision.warnings)
      t.match(text, `${code}: ${subject}: ${warnings[code]}`, name)
    if ('skip' in decision)
      for (const code of decision.skip)
        t.match(
          text,
          `\n${[code, ...(decision.about ? [decision.about] : []), reasons[code]].join(': ')}\n`,
          name,
        )
    else {
      t.match(text, `container ${decision.inject.app.container}, port ${decision.inject.app.port}`, name)
      t.match(text, 'missed: ', name)
    }
  }
})

t.test('a pod that is injected', async t => {
  const { pod, context } = readGolden('helm')
  const { decision, patched } = admit(pod, context)
  const annotations = object(object(patched.metadata).annotations) as Record<string, string>
  const status = parseStatus(annotations['spa-reloader.io/status'])
  const { text, exitCode } = explain(factsOf('pod', { decision, status, release: releaseState }))
  t.equal(exitCode, 0)
  t.equal(
    text,
    `pod/web-1 in namespace shop is injected.

app        container shop, port 80 (http)
capture    name: the port name http leads to the sidecar at 14020, and from there to 80; probes and hooks stay with 80
sidecar    container spa-reloader, image ${settings.image}, admin port 14021
release    revision 7 is ready since 2026-11-22T09:00:00Z, registry.example/shop:1.15.0, serial 31
`,
  )
  const later = explain(factsOf('pod', { decision, status, image: 'sidecar:2' }))
  t.match(later.text, '(new pods get sidecar:2)')
  const unlabelled = explain(factsOf('pod', { decision, status, unasked: ['not-labelled'] }))
  t.match(unlabelled.text, 'A pod that is made now would not be:\nnot-labelled: ')
  t.equal(unlabelled.exitCode, 0, 'it is injected all the same')
})

t.test('a Deployment: what its new pods get, and which of its pods were missed', async t => {
  const { pod, context } = readGolden('helm')
  const { decision } = admit(pod, context)
  const pods = [
    { name: 'web-1', injected: true },
    { name: 'web-2', injected: false },
  ]
  const { text, exitCode } = explain(factsOf('deployment', { decision, pods, name: 'web' }))
  t.equal(exitCode, 0)
  t.match(text, /^New pods of deployment\/web in namespace shop are injected\.\n/)
  t.match(text, 'pods       1 of 2 are injected\n\nNot injected:\nweb-2\nmissed: ')
  t.match(text, 'kubectl -n shop rollout restart deployment/web')
})

t.test('a namespace without the label is the first thing that is said, with the command', async t => {
  const { pod, context } = readGolden('helm')
  const { decision } = admit(pod, context)
  const { text, exitCode } = explain(factsOf('deployment', { decision, unasked: ['not-labelled'] }))
  t.equal(exitCode, 1)
  t.match(text, 'kubectl label namespace shop spa-reloader.io/inject=enabled')
  t.notMatch(text, 'missed')
})

t.test('what could not be read is said', async t => {
  const { pod, context } = readGolden('helm')
  const { decision } = admit(pod, context)
  const { text } = explain(factsOf('pod', { decision, unread: ['the Services: 403: forbidden'] }))
  t.match(text, '\nNot known:\nthe Services: 403: forbidden\n')
})

t.test('a Deployment is asked about as its ReplicaSet would make a pod of it', async t => {
  const { pod, context } = readGolden('helm')
  const { metadata, spec } = pod as { metadata: object; spec: object }
  const deployment = { metadata: { name: 'web' }, spec: { template: { metadata, spec } } }
  const decision = decide(podOf(deployment), context)
  t.match(decision, { inject: { name: 'web', app: { container: 'shop', port: 80 } } })
})

function factsOf(kind: Facts['kind'], facts: Partial<Facts> & Pick<Facts, 'decision'>): Facts {
  return {
    kind,
    namespace: 'shop',
    name: 'web-1',
    unasked: [],
    unread: [],
    status: undefined,
    image: settings.image,
    pods: [],
    release: undefined,
    ...facts,
  }
}
