// Which way the traffic is led, for pods that differ in one point.

import t from 'tap'
import { parseService } from '../../release/objects.ts'
import { redirectIn } from '../../webhook/capture-redirect.ts'
import type { Redirect } from '../../webhook/capture-redirect.ts'
import { decide } from '../../webhook/decide.ts'
import type { Raw } from '../../release/raw.ts'
import { parseNetworkPolicy } from '../../webhook/policy.ts'

const replicaSet = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-1', controller: true }

interface Facts {
  capture?: string
  /** Of the Namespace. */
  defaults?: Record<string, string>
  targetPort?: string | number
  port?: object
  env?: object[] | null
  container?: object
  others?: object[]
  pod?: object
  redirect?: Redirect
  /** A NetworkPolicy allows the number only. */
  isDropped?: boolean
}

function pod({ capture, port, env, container, others = [], pod }: Facts): Raw {
  return {
    metadata: {
      labels: { app: 'web', 'pod-template-hash': '1' },
      ...(capture !== undefined && { annotations: { 'spa-reloader.io/capture': capture } }),
      ownerReferences: [replicaSet],
    },
    spec: {
      containers: [
        {
          name: 'node',
          ports: [{ containerPort: 8080, ...port }],
          env: env === undefined ? [{ name: 'PORT', value: '8080' }] : env,
          ...container,
        },
        ...others,
      ],
      ...pod,
    },
  }
}

/** The capture, or the reason why there is none. */
function captureFor(facts: Facts): string {
  const decision = decideOn(facts)
  return 'inject' in decision ? decision.inject.capture : decision.skip.join()
}

function decideOn(facts: Facts) {
  const { targetPort = 8080, defaults = {}, redirect } = facts
  const service = parseService({
    metadata: { name: 'web' },
    spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort }] },
  })!
  return decide(pod(facts), {
    name: 'shop',
    labels: {},
    annotations: defaults,
    services: [service],
    policies: facts.isDropped ? [numeric] : [],
    release: () => undefined,
    redirect,
  })
}

const numeric = parseNetworkPolicy({
  metadata: { name: 'web', namespace: 'shop' },
  spec: { podSelector: {}, ingress: [{ ports: [{ port: 8080 }] }] },
})!

t.test('where a policy drops what comes on another port, a capture that keeps the port is taken', async t => {
  const named: Facts = { targetPort: 'http', port: { name: 'http' }, isDropped: true }
  t.equal(captureFor(named), 'env')
  t.equal(captureFor({ ...named, env: [], redirect: 'admitted' }), 'redirect')
  t.equal(captureFor({ ...named, env: [] }), 'numeric-policy')
  t.equal(captureFor({ ...named, env: [], redirect: 'refused' }), 'numeric-policy')
  t.match(decideOn({ ...named, capture: 'name' }), {
    inject: { capture: 'name' },
    warnings: [{ code: 'numeric-policy' }],
  })
})

const exec = (...command: string[]) => ({ exec: { command } })

t.test('a number that the app has from PORT is captured by env', async t => {
  t.match(decideOn({}), {
    inject: { capture: 'env', app: { port: 8080 }, front: 8080, moved: 14022, admin: 14021 },
    warnings: [],
  })
  const fitting: Facts[] = [
    { port: { name: 'http' } },
    { container: { ports: undefined } },
    { env: [{ name: 'A' }, { name: 'PORT', value: '8080' }] },
    { container: { livenessProbe: exec('curl', 'localhost:8080') } },
    { container: { livenessProbe: { tcpSocket: { port: 8080 } } } },
  ]
  for (const facts of fitting) t.equal(captureFor(facts), 'env', JSON.stringify(facts))
})

t.test('a name goes before PORT, and PORT before nothing', async t => {
  const port = { name: 'http' }
  t.equal(captureFor({ port, targetPort: 'http' }), 'name')
  t.equal(captureFor({ port, targetPort: 'http', env: null }), 'name')
  t.equal(captureFor({ port, targetPort: 8080, env: null }), 'numeric-target')
})

t.test('PORT must be the number itself, and stand there once', async t => {
  const wrong: object[][] = [
    [{ name: 'PORT', value: '8081' }],
    [{ name: 'PORT', value: ' 8080' }],
    [{ name: 'PORT', value: 8080 }],
    [{ name: 'PORT' }],
    [{ name: 'PORT', valueFrom: { configMapKeyRef: { name: 'a', key: 'b' } } }],
    [{ name: 'port', value: '8080' }],
    [
      { name: 'PORT', value: '8080' },
      { name: 'PORT', value: '8080' },
    ], //
  ]
  for (const env of wrong) t.equal(captureFor({ env }), 'numeric-target', JSON.stringify(env))
})

t.test('what could not bear that the app moves keeps it where it is', async t => {
  const hook = exec('sh', '-c', 'until curl localhost:8080; do sleep 1; done')
  const unfit: Facts[] = [
    { container: { lifecycle: { postStart: hook } } },
    { others: [{ name: 'other', lifecycle: { postStart: hook } }] },
    { container: { livenessProbe: exec('sh', '-c', 'curl localhost:$PORT') } },
    { container: { startupProbe: exec('curl', 'localhost:$(PORT)') } },
    { container: { readinessProbe: exec('sh', '-c', 'curl localhost:${PORT}') } },
    { container: { lifecycle: { preStop: exec('sh', '-c', 'curl localhost:$PORT') } } },
  ]
  for (const facts of unfit) t.equal(captureFor(facts), 'numeric-target', JSON.stringify(facts))
  t.equal(captureFor({ port: { hostPort: 80 } }), 'host-port')
})

t.test('a low port needs the sysctl, which is not ours to change', async t => {
  const low = (sysctls?: object[]): Facts => ({
    targetPort: 80,
    env: [{ name: 'PORT', value: '80' }],
    container: { ports: [{ containerPort: 80 }] },
    ...(sysctls && { pod: { securityContext: { sysctls } } }),
  })
  const start = (value: string) => [{ name: 'net.ipv4.ip_unprivileged_port_start', value }]
  t.equal(captureFor(low()), 'env')
  t.equal(captureFor(low([{ name: 'net.ipv4.tcp_syncookies', value: '0' }])), 'env')
  t.equal(captureFor(low(start('80'))), 'env')
  t.equal(captureFor(low(start('81'))), 'numeric-target')
  t.equal(captureFor(low(start('x'))), 'numeric-target')
})

t.test('the owner’s choice goes first; one that does not fit is told, and the order applies', async t => {
  const warnings = [{ code: 'bad-option', subject: 'spa-reloader.io/capture' }]
  const named = { port: { name: 'http' }, targetPort: 'http' }
  t.match(decideOn({ ...named, capture: 'env' }), { inject: { capture: 'env', moved: 14022 }, warnings: [] })
  t.match(decideOn({ ...named, capture: 'name' }), { inject: { capture: 'name' }, warnings: [] })
  t.match(decideOn({ ...named, capture: 'auto' }), { inject: { capture: 'name' }, warnings: [] })
  t.match(decideOn({ ...named, capture: 'env', env: null }), { inject: { capture: 'name' }, warnings })
  t.match(decideOn({ capture: 'name' }), { inject: { capture: 'env' }, warnings })
  t.match(decideOn({ defaults: { 'spa-reloader.io/capture': 'name' } }), {
    inject: { capture: 'env' },
    warnings: { length: 0 },
  })
})

t.test('with env no Service passes the front by', async t => {
  t.same(decideOn({ port: { name: 'http' }, targetPort: 8080 }).warnings, [])
})

t.test('what neither name nor env fits is redirected, where that is admitted', async t => {
  const env = null
  t.match(decideOn({ env, redirect: 'admitted' }), {
    inject: { capture: 'redirect', app: { port: 8080 }, front: 14020, moved: undefined },
    warnings: { length: 0 },
  })
  t.equal(captureFor({ env, redirect: 'refused' }), 'pod-security')
  t.equal(captureFor({ env }), 'numeric-target')
  t.equal(captureFor({ redirect: 'admitted' }), 'env')
  t.equal(captureFor({ redirect: 'admitted', capture: 'redirect' }), 'redirect')
  t.match(decideOn({ capture: 'redirect' }), {
    inject: { capture: 'env' },
    warnings: [{ code: 'bad-option', subject: 'spa-reloader.io/capture' }],
  })
})

t.test(
  'a namespace admits the redirect where its label says so, or where nothing speaks against it',
  async t => {
    const says = (level?: string) => ({
      labels: { ...(level !== undefined && { 'pod-security.kubernetes.io/enforce': level }) },
      annotations: {},
    })
    t.equal(redirectIn('off', says('privileged')), undefined)
    t.equal(redirectIn('labelled', says('privileged')), 'admitted')
    t.equal(redirectIn('labelled', says()), 'refused', 'the default of the cluster is not known')
    t.equal(redirectIn('on', says()), 'admitted')
    for (const setting of ['labelled', 'on'] as const)
      for (const level of ['baseline', 'restricted', 'Privileged', ''])
        t.equal(redirectIn(setting, says(level)), 'refused', `${setting} ${level}`)
    const openshift = { ...says('privileged'), annotations: { 'openshift.io/sa.scc.uid-range': '1/2' } }
    t.equal(redirectIn('on', openshift), 'refused')
  },
)
