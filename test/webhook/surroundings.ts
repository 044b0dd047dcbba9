// Services and policies that come after the pods.

import t from 'tap'
import { parseDeployment, parsePod, parseService } from '../../release/objects.ts'
import type { Pod } from '../../release/objects.ts'
import { parseNetworkPolicy } from '../../webhook/policy.ts'
import { watchSurroundings } from '../../webhook/surroundings.ts'
import type { Surroundings } from '../../webhook/surroundings.ts'
import { admit, readGolden } from './goldens.ts'

const { pod: raw, context } = readGolden('helm')
const patched = admit(raw, context).patched
const deployment = parseDeployment({ metadata: { name: 'web', namespace: 'shop', uid: '1' }, spec: {} })!

function pod(created: string, from: object = patched): Pod {
  const { metadata, spec } = from as { metadata: object; spec: object }
  return parsePod({ metadata: { ...metadata, name: created, creationTimestamp: created }, spec })!
}

const numbered = parseService({
  metadata: { name: 'numbered' },
  spec: { selector: { 'app.kubernetes.io/name': 'shop' }, ports: [{ port: 80, targetPort: 80 }] },
})!
const policy = parseNetworkPolicy({
  metadata: { name: 'deny', namespace: 'shop' },
  spec: { podSelector: {}, ingress: [{ ports: [{ port: 80 }] }] },
})!

function watch() {
  const told: string[] = []
  const look = watchSurroundings((_, { code, subject }) => void told.push(`${code} ${subject}`))
  return (pods: Pod[], around: Partial<Surroundings>) => {
    look(deployment, pods, { ...context, ...around })
    return told.splice(0)
  }
}

t.test('a Service that targets the number later is told once, and again after it was away', async t => {
  const look = watch()
  const pods = [pod('2026-11-22T09:00:00Z')]
  const services = [...context.services, numbered]
  t.same(look(pods, {}), [])
  t.same(look(pods, { services }), ['bypassed numbered'])
  t.same(look(pods, { services }), [])
  t.same(look(pods, {}), [])
  t.same(look(pods, { services }), ['bypassed numbered'])
})

t.test('a policy that drops what goes to the sidecar is told', async t => {
  const look = watch()
  const pods = [pod('2026-11-22T09:00:00Z')]
  t.same(look(pods, { policies: [policy] }), ['numeric-policy NetworkPolicy shop/deny'])
  t.same(look(pods, { policies: [{ ...policy, namespace: 'other' }] }), [])
})

t.test('the newest injected pod speaks; where there is none there is nothing to tell', async t => {
  const around = { policies: [policy], services: [...context.services, numbered] }
  const terminating = { ...pod('2026-11-22T09:00:00Z'), terminating: true }
  t.same(watch()([], around), [])
  t.same(watch()([terminating, pod('2026-11-22T09:01:00Z', raw)], around), [])
  t.equal(watch()([terminating, pod('2026-11-22T09:00:00Z')], around).length, 2)
})

t.test(
  'whoever asks for the capture by name is told of NetworkPolicies, and not of what is a guess',
  async t => {
    const other = { kind: 'Other', namespace: '', name: 'x', ports: [{ from: 80, to: 80 }] }
    const pods = [pod('2026-11-22T09:00:00Z')]
    const annotations = { 'spa-reloader.io/capture': 'name' }
    t.same(watch()(pods, { policies: [other] }), ['other-policy Other x'])
    t.same(watch()(pods, { policies: [other], annotations }), [])
    t.same(watch()(pods, { policies: [policy], annotations }), ['numeric-policy NetworkPolicy shop/deny'])
  },
)
