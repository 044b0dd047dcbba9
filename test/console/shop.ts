// A small company's apps, for pictures and for what is looked at in a browser: one of each kind.

import type { DeployLogLine } from '../../protocol/console.ts'
import type { FakeApi } from './fake-api.ts'
import { ago, digest, sampleApp, sampleDeploy, sampleInstance, sampleLine, sampleTabs } from './sample.ts'

const minute = 60_000

export function openShop(api: FakeApi): void {
  const image = (name: string, tag: string) => `registry.example/shop/${name}:${tag}`
  const version = (name: string, tag: string) => ({ id: digest(image(name, tag)), name: image(name, tag) })

  const web = sampleApp('shop', 'web', {
    status: 'rolling',
    since: ago(42_000),
    message: 'Waiting for deployment "web" rollout to finish: 2 old replicas are pending termination...',
    revision: 31,
    phase: 'rolling',
    target: version('web', '2026.11.28-1'),
    previous: version('web', '2026.11.27-3'),
    replicas: { desired: 6, updated: 5, available: 6, old: 2 },
    tabs: {
      ...sampleTabs(image('web', '2026.11.28-1'), image('web', '2026.11.27-3'), 0, 1_204),
      total: 1_204,
      current: 0,
      unnamed: 11,
      versions: [
        {
          hash: '5d9fb7c6b8',
          id: digest(image('web', '2026.11.27-3')),
          revision: 30,
          image: image('web', '2026.11.27-3'),
          tabs: 1_161,
        },
        {
          hash: '7f6d4b9c55',
          id: digest(image('web', '2026.11.25-2')),
          revision: 28,
          image: image('web', '2026.11.25-2'),
          tabs: 32,
        },
      ],
      adoption: [],
    },
  })
  const checkout = sampleApp('shop', 'checkout', {
    status: 'failing',
    since: ago(11 * minute),
    message:
      'deployment "checkout" exceeded its progress deadline: 1 out of 3 new replicas have been updated, ImagePullBackOff',
    revision: 12,
    phase: 'rolling',
    target: version('checkout', '4.2.0'),
    previous: version('checkout', '4.1.9'),
    replicas: { desired: 3, updated: 1, available: 3, old: 3 },
    tabs: sampleTabs(image('checkout', '4.2.0'), image('checkout', '4.1.9'), 0, 318),
  })
  const account = sampleApp('shop', 'account', {
    since: ago(14 * minute),
    revision: 44,
    target: version('account', '3.8.1'),
    previous: version('account', '3.8.0'),
    tabs: sampleTabs(image('account', '3.8.1'), image('account', '3.8.0'), 873, 26, 840),
  })
  const search = sampleApp('shop', 'search', {
    status: 'paused',
    since: ago(95 * minute),
    message: 'Waiting for deployment "search" rollout to finish: the rollout is paused',
    phase: 'rolling',
    target: version('search', '0.9.0-rc.2'),
    previous: version('search', '0.8.4'),
    replicas: { desired: 4, updated: 2, available: 4, old: 2 },
    tabs: sampleTabs(image('search', '0.9.0-rc.2'), image('search', '0.8.4'), 96, 41),
  })
  const others = [
    sampleApp('backoffice', 'orders', {
      since: ago(26 * 60 * minute),
      target: { id: digest('orders again'), name: 'registry.example/backoffice/orders:latest' },
      previous: { id: digest('orders'), name: 'registry.example/backoffice/orders:latest' },
      tabs: sampleTabs('registry.example/backoffice/orders:latest', '', 37, 0),
    }),
    sampleApp('backoffice', 'reports', {
      since: ago(9 * 24 * 60 * minute),
      tabs: sampleTabs('r', '', 12, 0),
      injection: {
        state: 'some',
        why: ['missed: 1 of 3 pods was created while the webhook was away: restart the Deployment'],
      },
    }),
    sampleApp('backoffice', 'legacy-admin', {
      since: ago(40 * 24 * 60 * minute),
      previous: null,
      revision: 0,
      replicas: { desired: 1, updated: 1, available: 1, old: 0 },
      tabs: null,
      injection: {
        state: 'none',
        why: [
          'numeric-port: the Service targets port 8080 by number and the app has no PORT to move it: name the port, or allow the capture by redirect',
        ],
      },
    }),
    sampleApp('docs', 'handbook', { since: ago(3 * 60 * minute), tabs: sampleTabs('h', 'i', 64, 3) }),
    sampleApp('docs', 'preview', {
      status: 'stopped',
      since: '',
      message: 'scaled to 0',
      replicas: { desired: 0, updated: 0, available: 0, old: 0 },
    }),
    sampleApp('docs', 'grpc-gateway', {
      since: ago(70 * 24 * 60 * minute),
      previous: null,
      revision: 0,
      tabs: null,
      injection: {
        state: 'none',
        why: ['not-http: the port is named grpc: what stands behind it is no web page'],
      },
    }),
  ]
  for (const app of [web, checkout, account, search, ...others]) api.apps.set(app.id, app)

  for (let n = 0; n < 5; n += 1) {
    const phase = n === 4 ? 'starting' : 'ready'
    put(sampleInstance(web, n, { phase, createdAt: ago((42 - 7 * n) * 1_000), tabs: 0, hash: '6c487dcc49' }))
  }
  for (let n = 5; n < 8; n += 1) {
    const old = {
      hash: '5d9fb7c6b8',
      revision: 30,
      image: web.previous?.name ?? '',
      version: web.previous?.id ?? '',
    }
    const phase = n === 7 ? 'terminating' : 'ready'
    put(
      sampleInstance(web, n, {
        ...old,
        phase,
        tabs: [612, 581, 0][n - 5] ?? 0,
        createdAt: ago(19 * 60 * minute),
      }),
    )
  }
  put(
    sampleInstance(checkout, 0, {
      phase: 'failing',
      reason: 'ImagePullBackOff: Back-off pulling image "registry.example/shop/checkout:4.2.0"',
      version: '',
      tabs: null,
      hash: '7c5ddbdf54',
    }),
  )
  for (let n = 1; n < 4; n += 1)
    put(
      sampleInstance(checkout, n, {
        hash: '68d7fdc8',
        revision: 11,
        image: image('checkout', '4.1.9'),
        tabs: 106,
      }),
    )
  for (const app of [account, search, ...others])
    for (let n = 0; n < app.replicas.desired; n += 1)
      put(sampleInstance(app, n, app.injection.state === 'none' ? { sidecar: '', capture: '' } : {}))

  const deploys = [
    sampleDeploy(web, 31, { status: 'rolling' }),
    sampleDeploy(web, 30, {
      startedAt: ago(19 * 60 * minute),
      finishedAt: ago(19 * 60 * minute - 74_000),
      status: 'superseded',
      version: version('web', '2026.11.27-3'),
      by: 'argocd-controller',
      changes: ['image of web: web:2026.11.27-2 → web:2026.11.27-3', 'env FEATURE_CART of web: off → on'],
    }),
    sampleDeploy(web, 29, {
      startedAt: ago(23 * 60 * minute),
      finishedAt: '',
      status: 'superseded',
      version: version('web', '2026.11.27-2'),
      by: 'argocd-controller',
      changes: ['image of web: web:2026.11.25-2 → web:2026.11.27-2'],
    }),
    sampleDeploy(web, 28, {
      startedAt: ago(3 * 24 * 60 * minute),
      finishedAt: ago(3 * 24 * 60 * minute - 61_000),
      status: 'superseded',
      version: version('web', '2026.11.25-2'),
      by: 'argocd-controller',
    }),
    sampleDeploy(checkout, 12, { status: 'failing' }),
    sampleDeploy(account, 44, { finishedAt: ago(13 * minute) }),
  ]
  for (const deploy of deploys) api.deploys.set(deploy.id, deploy)

  const pod = (hash: string) => `Pod web-6c487dcc49-${hash}`
  const at = (seconds: number) => ago(42_000 - seconds * 1_000)
  const story: [
    seconds: number,
    about: string,
    text: string,
    level?: DeployLogLine['level'],
    count?: number,
  ][] = [
    [0, 'Deployment web', 'image of web: web:2026.11.27-3 → web:2026.11.28-1, by kubectl-set'],
    [0, 'ReplicaSet web-6c487dcc49', 'Created: revision 31'],
    [0, 'Deployment web', 'Scaled up replica set web-6c487dcc49 from 0 to 2'],
    [1, pod('x2x7k'), 'Scheduled to node-2'],
    [1, pod('8fqlm'), 'Scheduled to node-3'],
    [2, pod('x2x7k'), 'Pulling image "registry.example/shop/web:2026.11.28-1"'],
    [6, pod('x2x7k'), 'Pulled in 3.9 s, 24.1 MB: sha256:9f2c41d0a7e3'],
    [7, pod('x2x7k'), 'Started container spa-reloader'],
    [7, pod('x2x7k'), 'Started container web'],
    [
      8,
      pod('8fqlm'),
      'Readiness probe failed: Get "http://10.244.2.18:14020/healthz": connect: connection refused',
      'warning',
      3,
    ],
    [11, pod('x2x7k'), 'Ready'],
    [
      12,
      'Deployment web',
      'Waiting for deployment "web" rollout to finish: 2 out of 6 new replicas have been updated...',
    ],
    [14, pod('8fqlm'), 'Ready'],
    [15, 'Deployment web', 'Scaled down replica set web-5d9fb7c6b8 from 6 to 4'],
    [18, pod('kk4zt'), 'Scheduled to node-1'],
    [21, pod('kk4zt'), 'Back-off restarting failed container web', 'error', 2],
    [
      21,
      pod('kk4zt'),
      '\u001b[31mError:\u001b[0m listen EADDRINUSE: address already in use :::8080',
      'error',
    ],
    [27, pod('kk4zt'), 'Started container web'],
    [31, pod('kk4zt'), 'Ready'],
    [33, 'Deployment web', 'Scaled up replica set web-6c487dcc49 from 4 to 5'],
    [
      36,
      'Deployment web',
      'Waiting for deployment "web" rollout to finish: 2 old replicas are pending termination...',
    ],
  ]
  const lines = story.map(([seconds, about, text, level = 'info', count = 1], n) =>
    sampleLine(n, { at: at(seconds), about, text, level, count }),
  )
  api.say('shop/web@31', lines)
  api.events.set('shop/web', lines.filter(({ about }) => about !== 'Deployment web').toReversed())

  function put(instance: ReturnType<typeof sampleInstance>): void {
    api.instances.set(instance.id, instance)
  }
}
