// Every way in which a Deployment can change, on the real controllers, told by the real webhook under its real rights. The tests run at once,
// each in a namespace of its own, and each checks the whole sequence of states.

import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { parseAllDocuments } from 'yaml'
import { annotation } from '../../protocol/names.ts'
import type { ReleaseState } from '../../protocol/release.ts'
import { imageIdFormats } from '../cluster/fake-kubelet.ts'
import type { Pod } from '../cluster/fake-kubelet.ts'
import { until } from '../cluster/wait.ts'
import { parseStatus } from '../../webhook/status.ts'
import { install, webDeployment, webService } from './installation.ts'
import {
  checkHistory,
  imageOf,
  isDeadline,
  isInjected,
  openShop,
  stampOf,
  story,
  templatePatch,
} from './shop.ts'
import type { Manifest, Shop } from './shop.ts'
import { untilServed } from '../cluster/trial-pod.ts'

const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(letter => letter.repeat(64)) as [string, string, string, string]
const installation = await install(t)
t.jobs = 6
let count = 0

scenario('RollingUpdate', async (shop, t) => {
  const first = await shop.roll(() => shop.apply(webService(), webDeployment('web:1', { replicas: 3 })), 1, a)
  t.ok((await shop.living()).every(isInjected), 'every pod came out injected')
  // Their controller follows the pods a moment later.
  const ports = await until('the endpoints of the Service', async () => {
    const slices = await installation.cluster.api<{ items: { ports: { port: number }[] }[] }>(
      'GET',
      `/apis/discovery.k8s.io/v1/namespaces/${shop.namespace}/endpointslices`,
    )
    const all = slices.body.items.flatMap(({ ports }) => ports.map(({ port }) => port))
    return all.length > 0 && all
  })
  t.same([...new Set(ports)], [14020], 'the Service leads to the front')
  t.same(idsOf(first.live), [a])
  const second = await shop.roll(() => shop.setImage('web:2'), 2, b)
  t.match(second, { target: { name: 'web:2' }, previous: { id: a, name: 'web:1' } })
  t.same(idsOf(second.live), [b])
  const known = second.known.map(([, id, revision]) => [id, revision])
  t.same(known, [
    [b, 2],
    [a, 1],
  ])
  const born = await births(shop, 3, name => name.includes(second.target.hash))
  t.ok(
    born.every(([, stamp]) => stamp),
    'a new pod knows from its first moment what was told last',
  )
  await until('the end of the rollout to be written once more', async () =>
    (await shop.living()).every(({ metadata }) => metadata.annotations?.[annotation.release]?.endsWith('\n')),
  )
  return ['1 rolling a rollout -', '1 ready a rollout -', '2 rolling b rollout a', '2 ready b rollout a']
})

scenario('Recreate', async (shop, t) => {
  const spec = { strategy: { type: 'Recreate' }, progressDeadlineSeconds: 1 }
  await shop.roll(() => shop.apply(webService(), webDeployment('web:1', { spec })), 1, a)
  shop.behaviour.terminationMs = 1_000
  const second = await shop.roll(() => shop.setImage('web:2'), 2, b)
  t.same(idsOf(second.live), [b])
  return ['1 rolling a rollout -', '1 ready a rollout -', '2 rolling b rollout a', '2 ready b rollout a']
})

scenario('paused half-way, changed meanwhile, and resumed', async (shop, t) => {
  const strategy = { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } }
  await shop.roll(() => shop.apply(webService(), webDeployment('web:1', { spec: { strategy } })), 1, a)
  const letGo = shop.hold(isImage('web:2'))
  await shop.setImage('web:2')
  await shop.told('rolling', state => state.revision === 2 && state.target.id === b)
  await shop.patch('web', { spec: { paused: true } })
  await shop.settled('paused', () => true)
  letGo()
  await shop.settled(
    'one new pod',
    ({ status }) => status.updatedReplicas === 1 && status.readyReplicas === 3,
  )
  t.match(shop.states.at(-1), { revision: 2, phase: 'rolling' }, 'half of it is not ready')
  await shop.setImage('web:3')
  await shop.settled('a template that waits', ({ status }) => !status.updatedReplicas)
  t.match(shop.states.at(-1), { revision: 2, phase: 'rolling' }, 'what waits is not told')
  await shop.roll(() => shop.patch('web', { spec: { paused: false } }), 3, c)
  return [
    '1 rolling a rollout -',
    '1 ready a rollout -',
    '2 rolling b rollout a',
    '3 rolling c rollout a',
    '3 ready c rollout a',
  ]
})

scenario('progress deadline exceeded and recovered', async (shop, t) => {
  const strategy = { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } }
  await shop.roll(
    () =>
      shop.apply(webService(), webDeployment('web:1', { spec: { strategy, progressDeadlineSeconds: 2 } })),
    1,
    a,
  )
  // One of the new pods becomes ready, so that nothing but the old pod is in the way.
  const stuck = await rollOutOnePod(shop)
  await shop.settled(
    'the deadline',
    ({ status }) => status.conditions?.some(isDeadline) === true && status.updatedReplicas === 2,
  )
  t.match(shop.states.at(-1), { revision: 2, phase: 'rolling' }, 'an old pod still answers')
  stuck()
  await shop.ready(2, b)
  return ['1 rolling a rollout -', '1 ready a rollout -', '2 rolling b rollout a', '2 ready b rollout a']
})

scenario(
  'one pod that cannot start does not mute the others once the deadline has passed',
  async (shop, t) => {
    const strategy = { rollingUpdate: { maxSurge: 0, maxUnavailable: '100%' } }
    await shop.roll(
      () =>
        shop.apply(webService(), webDeployment('web:1', { spec: { strategy, progressDeadlineSeconds: 2 } })),
      1,
      a,
    )
    const stuck = await rollOutOnePod(shop)
    const ready = await shop.ready(2, b)
    t.same(ready.live, [{ id: b, pods: 1 }])
    const { serial } = ready
    stuck()
    await shop.settled('the other pod', ({ status }) => status.readyReplicas === 2)
    t.equal(shop.states.at(-1)?.serial, serial, 'that it recovers is no news')
    return ['1 rolling a rollout -', '1 ready a rollout -', '2 rolling b rollout a', '2 ready b rollout a']
  },
)

scenario(
  'minReadySeconds and maxUnavailable 100 %: ready once the new pods are available',
  async (shop, t) => {
    const strategy = { rollingUpdate: { maxSurge: 0, maxUnavailable: '100%' } }
    const spec = { strategy, minReadySeconds: 3_600, progressDeadlineSeconds: 7_200 }
    await shop.roll(() => shop.apply(webService(), webDeployment('web:1', { spec: { strategy } })), 1, a)
    await shop.patch('web', { spec })
    await shop.setImage('web:2')
    await shop.told('rolling', state => state.revision === 2 && state.target.id === b)
    await shop.settled(
      'ready pods',
      ({ status }) => status.readyReplicas === 2 && status.updatedReplicas === 2,
    )
    t.match(shop.states.at(-1), { revision: 2, phase: 'rolling' }, 'ready, but not yet available')
    await shop.patch('web', { spec: { minReadySeconds: 1 } })
    await shop.ready(2, b)
    return ['1 rolling a rollout -', '1 ready a rollout -', '2 rolling b rollout a', '2 ready b rollout a']
  },
)

scenario('rollback before completion', async shop => {
  await shop.roll(() => shop.apply(webService(), webDeployment('web:1')), 1, a)
  const letGo = shop.hold(isImage('web:2'))
  await shop.setImage('web:2')
  await shop.told('rolling', state => state.revision === 2 && state.target.id === b)
  await shop.kubectl('rollout undo deployment/web')
  await shop.ready(3, a)
  letGo()
  return [
    '1 rolling a rollout -',
    '1 ready a rollout -',
    '2 rolling b rollout a',
    ...optional(shop, '3 rolling a rollback -'),
    '3 ready a rollback -',
  ]
})

scenario('rollback after completion, to any revision, and undo of the undo', async shop => {
  await shop.roll(() => shop.apply(webService(), webDeployment('web:1')), 1, a)
  await shop.roll(() => shop.setImage('web:2'), 2, b)
  await shop.roll(() => shop.setImage('web:3'), 3, c)
  await shop.roll(() => shop.kubectl('rollout undo deployment/web --to-revision=1'), 4, a)
  await shop.roll(() => shop.kubectl('rollout undo deployment/web'), 5, c)
  await shop.roll(() => shop.setImage('web:2'), 6, b)
  return [
    '1 rolling a rollout -',
    '1 ready a rollout -',
    '2 rolling b rollout a',
    '2 ready b rollout a',
    '3 rolling c rollout b',
    '3 ready c rollout b',
    '4 rolling a rollback c',
    '4 ready a rollback c',
    '5 rolling c rollback a',
    '5 ready c rollback a',
    '6 rolling b rollback c', // its ReplicaSet is used again, so it is one, whichever way it was asked for
    '6 ready b rollback c',
  ]
})

scenario('undo, what it copies, and then a third version', async (shop, t) => {
  const web = webDeployment('web:1')
  Object.assign(web.metadata, { annotations: { 'example.com/owner': 'first' } })
  await shop.roll(() => shop.apply(webService(), web), 1, a)
  await shop.roll(() => shop.setImage('web:2'), 2, b)
  await shop.kubectl('annotate deployment/web example.com/owner=second --overwrite')
  await shop.roll(() => shop.kubectl('rollout undo deployment/web'), 3, a)
  const owner = await shop.kubectl('get deployment/web -o jsonpath={.metadata.annotations}')
  t.match(owner, 'first', 'the annotations of the ReplicaSet came back')
  t.notMatch(owner, 'spa-reloader.io', 'none of them is ours')
  await shop.roll(() => shop.setImage('web:3'), 4, c)
  return [
    '1 rolling a rollout -',
    '1 ready a rollout -',
    '2 rolling b rollout a',
    '2 ready b rollout a',
    '3 rolling a rollback b',
    '3 ready a rollback b',
    '4 rolling c rollout a',
    '4 ready c rollout a',
  ]
})

scenario('restart with the same digest', async shop => {
  await shop.roll(() => shop.apply(webService(), webDeployment('web:1')), 1, a)
  await shop.roll(() => shop.restart(), 2, a)
  return ['1 rolling a rollout -', '1 ready a rollout -', '2 rolling a restart -', '2 ready a restart -']
})

scenario('re-pushed tag, and a rollback to a tag that was pushed again', async shop => {
  await shop.roll(() => shop.apply(webService(), webDeployment('web:1')), 1, a)
  shop.behaviour.images.set('web:1', d)
  await shop.roll(() => shop.restart(), 2, d)
  await shop.roll(() => shop.setImage('web:2'), 3, b)
  shop.behaviour.images.set('web:1', c)
  await shop.roll(() => shop.kubectl('rollout undo deployment/web'), 4, c)
  return [
    '1 rolling a rollout -',
    '1 ready a rollout -',
    '2 rolling d restart a',
    '2 ready d restart a',
    '3 rolling b rollout d',
    '3 ready b rollout d',
    '4 rolling c rollback b',
    '4 ready c rollback b',
  ]
})

scenario('a tag that moves while one ReplicaSet scales', async (shop, t) => {
  const { serial } = await shop.roll(() => shop.apply(webService(), webDeployment('web:1')), 1, a)
  await delay(1_100) // Kubernetes' times are whole seconds
  shop.behaviour.images.set('web:1', c)
  await shop.scale(4)
  await shop.settled('four pods', ({ status }) => status.readyReplicas === 4)
  t.equal(shop.states.at(-1)?.serial, serial, 'nobody can say which pod answers: silence')
  await shop.roll(() => shop.restart(), 2, c)
  return ['1 rolling a rollout -', '1 ready a rollout -', '2 rolling c restart a', '2 ready c restart a']
})

scenario('a tag that moves, and a container that starts again', async (shop, t) => {
  const { serial } = await shop.roll(() => shop.apply(webService(), webDeployment('web:1')), 1, a)
  shop.behaviour.images.set('web:1', c)
  const [first] = await shop.living()
  installation.kubelet.restart(({ metadata }) => metadata.uid === first?.metadata.uid)
  await until('a container that has started again', async () =>
    (await shop.living()).some(({ status }) => status.containerStatuses?.[0]?.restartCount === 1),
  )
  await shop.settled('two pods', ({ status }) => status.readyReplicas === 2)
  t.equal(shop.states.at(-1)?.serial, serial, 'nobody can say which pod answers: silence')
  await shop.roll(() => shop.restart(), 2, c)
  return ['1 rolling a rollout -', '1 ready a rollout -', '2 rolling c restart a', '2 ready c restart a']
})

scenario('digest pinned in the spec', async shop => {
  const letGo = shop.hold(() => true, 'start')
  await shop.apply(webService(), webDeployment(`web@sha256:${a}`))
  await shop.told('the version, before any pod has started', state => state.target.id === a)
  letGo()
  await shop.ready(1, a)
  shop.behaviour.images.set(`web@sha256:${b}`, d) // what a runtime reports is not believed
  await shop.roll(() => shop.setImage(`web@sha256:${b}`), 2, b)
  return ['1 rolling a rollout -', '1 ready a rollout -', '2 rolling b rollout a', '2 ready b rollout a']
})

scenario('several containers', async shop => {
  const exporter = (image: string) => ({
    name: 'exporter',
    image,
    ports: [{ name: 'metrics', containerPort: 9 }],
  })
  const web = webDeployment('web:1')
  const { template } = web.spec as { template: { spec: { containers: object[] } } }
  template.spec.containers.unshift(exporter('exporter:1'))
  await shop.apply(webService())
  await untilServed(installation.cluster, shop.namespace) // nothing else says which of the two is the app
  await shop.roll(() => shop.apply(web), 1, a)
  await shop.roll(() => shop.patch('web', templatePatch({ containers: [exporter('exporter:2')] })), 2, a)
  await shop.roll(() => shop.setImage('web:2'), 3, b)
  return [
    '1 rolling a rollout -',
    '1 ready a rollout -',
    '2 rolling a restart -',
    '2 ready a restart -',
    '3 rolling b rollout a',
    '3 ready b rollout a',
  ]
})

scenario('the app’s files brought by an init container', async (shop, t) => {
  const html = [{ name: 'html', mountPath: '/html' }]
  const assets = (image: string) => ({ name: 'assets', image, volumeMounts: html })
  const wait = (image: string) => ({ name: 'wait', image })
  const volumes = [{ name: 'html', emptyDir: {} }]
  const init = (...initContainers: object[]) => shop.patch('web', templatePatch({ initContainers }))
  await shop.apply(
    webService(),
    webDeployment('web:1', {
      pod: { initContainers: [assets('assets:1'), wait('wait:1')], volumes },
      container: { volumeMounts: html },
    }),
  )
  const isReady = (revision: number) => (state: { revision: number; phase: string }) =>
    state.revision === revision && state.phase === 'ready'
  const first = await shop.told('the first version', isReady(1))
  await init(wait('wait:2'))
  const second = await shop.told('another image of an init container that brings nothing', isReady(2))
  t.equal(second.target.id, first.target.id)
  await init(assets('assets:2'))
  const third = await shop.told('other files', isReady(3))
  t.not(third.target.id, first.target.id)
  t.match(third, { why: 'rollout', target: { name: 'web:1 + assets:2' }, previous: { id: first.target.id } })
  await shop.kubectl('rollout undo deployment/web')
  const fourth = await shop.told('the rollback', isReady(4))
  t.match(fourth, { why: 'rollback', target: { id: first.target.id }, previous: { id: third.target.id } })
})

scenario('manifests/static: the version is what brings the files, not what serves them', async (shop, t) => {
  const [service, deployment] = parseAllDocuments(readFileSync('manifests/static/static.yaml', 'utf8')).map(
    document => document.toJS() as Manifest,
  )
  const files = (image: string) => templatePatch({ initContainers: [{ name: 'files', image }] })
  const server = (image: string) => templatePatch({ containers: [{ name: 'web', image }] })
  shop.behaviour.images.set('registry.example/web:1.0.0', a).set('registry.example/web:1.1.0', b)
  await shop.roll(() => shop.apply(service!, deployment!), 1, a)
  t.ok((await shop.living()).every(isInjected), 'every pod came out injected')
  const second = await shop.roll(() => shop.patch('web', files('registry.example/web:1.1.0')), 2, b)
  t.match(second, {
    target: { name: 'registry.example/web:1.1.0' },
    previous: { id: a, name: 'registry.example/web:1.0.0' },
  })
  await shop.roll(() => shop.patch('web', server('spa-reloader-sidecar:0.2.0')), 3, b)
  return [
    '1 rolling a rollout -',
    '1 ready a rollout -',
    '2 rolling b rollout a',
    '2 ready b rollout a',
    '3 rolling b restart a',
    '3 ready b restart a',
  ]
})

scenario('env-only changes', async shop => {
  await shop.roll(() => shop.apply(webService(), webDeployment('web:1')), 1, a)
  const containers = [{ name: 'web', env: [{ name: 'COLOR', value: 'blue' }] }]
  await shop.roll(() => shop.patch('web', templatePatch({ containers })), 2, a)
  return ['1 rolling a rollout -', '1 ready a rollout -', '2 rolling a restart -', '2 ready a restart -']
})

scenario('scale to 0 and back, and with a tag that was pushed again meanwhile', async shop => {
  await shop.roll(() => shop.apply(webService(), webDeployment('web:1')), 1, a)
  await scaleDown(shop)
  await shop.scale(2)
  await shop.settled('two pods', ({ status }) => status.readyReplicas === 2)
  await shop.ready(1, a)
  await scaleDown(shop)
  shop.behaviour.images.set('web:1', c)
  await shop.roll(() => shop.scale(2), 2, c)
  return ['1 rolling a rollout -', '1 ready a rollout -', '2 rolling c restart a', '2 ready c restart a']
})

scenario('an image changed at 0 replicas', async (shop, t) => {
  await shop.roll(() => shop.apply(webService(), webDeployment('web:1')), 1, a)
  await scaleDown(shop)
  await shop.setImage('web:2')
  await shop.told('nothing is served', state => state.revision === 2 && state.target.id === '')
  await shop.settled('a rollout that kubectl calls complete', ({ status }) => !status.replicas)
  t.match(shop.states.at(-1), { phase: 'rolling', live: [] })
  await shop.roll(() => shop.scale(2), 2, b)
  return ['1 rolling a rollout -', '1 ready a rollout -', '2 rolling b rollout a', '2 ready b rollout a']
})

scenario('scaled during and after a rollout: never back from ready, and no news', async (shop, t) => {
  await shop.roll(() => shop.apply(webService(), webDeployment('web:1')), 1, a)
  const letGo = shop.hold(isImage('web:2'))
  await shop.setImage('web:2')
  await shop.told('rolling', state => state.revision === 2 && state.target.id === b)
  await shop.scale(5)
  await shop.settled('more pods', ({ status }) => (status.replicas ?? 0) >= 5)
  t.match(shop.states.at(-1), { revision: 2, phase: 'rolling' })
  letGo()
  await shop.ready(2, b)
  for (const replicas of [8, 3, 6]) {
    const held = shop.hold(() => true) // also those that were ready: a load that makes pods fail their probes
    await shop.scale(replicas)
    await shop.settled('unready pods', ({ status }) => status.replicas === replicas && !status.readyReplicas)
    await shop.told('that nobody answers', isLive(0))
    held()
    await shop.settled('ready pods', ({ status }) => status.readyReplicas === replicas)
    await shop.told('that they answer', isLive(1))
  }
  const last = await shop.ready(2, b)
  const { length } = shop.states
  const before = new Set(shop.stampAtBirth.keys())
  await shop.scale(9)
  await shop.settled('nine pods', ({ status }) => status.readyReplicas === 9)
  const born = await births(shop, 3, name => !before.has(name))
  t.same(
    born.map(([, stamp]) => stamp?.serial),
    Array(3).fill(last.serial),
    'a new pod knows from its first moment',
  )
  t.equal(shop.states.length, length, 'a scaling is no news')
  return ['1 rolling a rollout -', '1 ready a rollout -', '2 rolling b rollout a', '2 ready b rollout a']
})

scenario('the HPA scales during and after a rollout', async (shop, t) => {
  // Without metrics it acts on its limits alone.
  const limit = (minReplicas: number, maxReplicas: number) =>
    shop.apply({
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'web' },
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
        minReplicas,
        maxReplicas,
      },
    })
  await shop.roll(() => shop.apply(webService(), webDeployment('web:1')), 1, a)
  const letGo = shop.hold(isImage('web:2'))
  await shop.setImage('web:2')
  await shop.told('rolling', state => state.revision === 2 && state.target.id === b)
  await limit(5, 9)
  await shop.settled('more pods', ({ status }) => (status.replicas ?? 0) >= 5)
  t.match(shop.states.at(-1), { revision: 2, phase: 'rolling' })
  letGo()
  await shop.ready(2, b)
  const { length } = shop.states
  for (const [least, most, replicas] of [
    [7, 9, 7],
    [1, 3, 3],
    [6, 9, 6],
  ] as const) {
    await limit(least, most)
    await shop.settled('as many as it wants', ({ status }) => status.readyReplicas === replicas)
  }
  t.equal(shop.states.length, length, 'a scaling is no news')
  return ['1 rolling a rollout -', '1 ready a rollout -', '2 rolling b rollout a', '2 ready b rollout a']
})

scenario('Deployment deleted and made again', async (shop, t) => {
  await shop.roll(() => shop.apply(webService(), webDeployment('web:1')), 1, a)
  await shop.roll(() => shop.setImage('web:2'), 2, b)
  const first = shop.states.at(-1)
  await shop.kubectl('delete deployment/web')
  await until('no pods', async () => (await shop.pods()).length === 0)
  await delay(1_100) // an epoch is a second
  const again = await shop.roll(() => shop.apply(webDeployment('web:3')), 1, c)
  t.ok(first && again.epoch.length >= first.epoch.length && again.epoch > first.epoch, 'a later epoch')
  t.equal(again.previous, null)
  return [
    '1 rolling a rollout -',
    '1 ready a rollout -',
    '2 rolling b rollout a',
    '2 ready b rollout a',
    '1 rolling c rollout -',
    '1 ready c rollout -',
  ]
})

scenario('ReplicaSets deleted: Kubernetes numbers anew, we go on', async (shop, t) => {
  const spec = { revisionHistoryLimit: 0 }
  await shop.roll(() => shop.apply(webService(), webDeployment('web:1', { spec })), 1, a)
  await shop.roll(() => shop.setImage('web:2'), 2, b)
  // The Deployment controller does it after it has said that the rollout is complete.
  await until('the old ReplicaSet to be deleted', async () => {
    const names = await shop.kubectl('get replicasets -o name')
    return names.trim().split('\n').length === 1
  })
  await shop.roll(() => shop.setImage('web:1'), 3, a)
  const [row] = shop.states.at(-1)?.known ?? []
  t.equal(row?.[1], a)
  await shop.roll(() => shop.kubectl('delete replicaset --all'), 4, a)
  await shop.roll(() => shop.setImage('web:3'), 5, c)
  return [
    '1 rolling a rollout -',
    '1 ready a rollout -',
    '2 rolling b rollout a',
    '2 ready b rollout a',
    '3 rolling a rollout b', // made again, so it is no rollback to Kubernetes
    '3 ready a rollout b',
    '4 rolling a restart b',
    '4 ready a restart b',
    '5 rolling c rollout a',
    '5 ready c rollout a',
  ]
})

scenario('two Deployments behind one Service (canary), and the canary taken back', async (shop, t) => {
  const track = (track: string) => ({ labels: { track } })
  await shop.roll(() => shop.apply(webService(), webDeployment('web:1', track('stable'))), 1, a)
  await shop.apply(webDeployment('web:2', { name: 'canary', replicas: 1, ...track('canary') }))
  const canary = await shop.ready(1, b, 'canary')
  const both = await shop.told('both are live', ({ live }) => live.length === 2)
  t.same(both.live, [
    { id: a, pods: 2 },
    { id: b, pods: 1 },
  ])
  await shop.told('both are live for the canary too', ({ live }) => live.length === 2, 'canary')
  await shop.told('its page is known', ({ known }) => known.some(([key]) => key === canary.target.hash))
  await shop.kubectl('delete deployment/canary')
  const after = await shop.told('the stable one is alone', ({ live }) => live.length === 1)
  t.same(
    after.known.find(([key]) => key === canary.target.hash)?.[1],
    b,
    'a tab of the canary is still known',
  )
  checkHistory(t, shop.statesOf('canary'))
  return ['1 rolling a rollout -', '1 ready a rollout -']
})

scenario('a canary that is not ready for a moment, and then for good', async (shop, t) => {
  const track = (track: string) => ({ labels: { track } })
  await shop.roll(() => shop.apply(webService(), webDeployment('web:1', track('stable'))), 1, a)
  await shop.apply(webDeployment('web:2', { name: 'canary', replicas: 1, ...track('canary') }))
  await shop.ready(1, b, 'canary')
  const { serial } = await shop.told('both are live', isLive(2))
  const unready = async () => {
    const letGo = shop.hold(isImage('web:2'))
    await shop.settled('an unready canary', ({ status }) => !status.readyReplicas, 'canary')
    return letGo
  }
  const letGo = await unready()
  t.equal(shop.states.at(-1)?.serial, serial, 'as after a start of the kubelet')
  letGo()
  await shop.settled('a ready canary', ({ status }) => status.readyReplicas === 1, 'canary')
  t.equal(shop.states.at(-1)?.serial, serial)
  await unready()
  const alone = await shop.told('the stable one is alone, though nothing moves', isLive(1))
  t.same(idsOf(alone.live), [a])
  return ['1 rolling a rollout -', '1 ready a rollout -']
})

scenario('blue/green by switching the Service’s selector, and back', async (shop, t) => {
  const color = (color: string) => ({ labels: { color } })
  const web = webDeployment('web:1', color('blue'))
  const blue = await shop.roll(() => shop.apply(webService({ color: 'blue' }), web), 1, a)
  await shop.apply(webDeployment('web:2', { name: 'green', ...color('green') }))
  const green = await shop.ready(1, b, 'green')
  await shop.apply(webService({ color: 'green' }))
  const switched = await shop.told(
    'green knows the tabs of blue',
    ({ known }) => known.some(([key, id]) => key === blue.target.hash && id === a),
    'green',
  )
  t.same(idsOf(switched.live), [b], 'blue does not answer any more')
  await shop.told('blue knows that its tabs should come again', ({ switched }) => switched === true)
  t.equal(switched.switched, undefined, 'green is where they come to')
  await shop.apply(webService({ color: 'blue' }))
  const back = await shop.told(
    'blue, to which it leads again, knows the tabs of green',
    ({ known, switched }) => !switched && known.some(([key, id]) => key === green.target.hash && id === b),
  )
  t.same(idsOf(back.live), [a])
  await shop.told('now it is the tabs of green', ({ switched }) => switched === true, 'green')
  checkHistory(t, shop.statesOf('green'))
  return ['1 rolling a rollout -', '1 ready a rollout -']
})

scenario(
  'blue/green beside a Service for the metrics of both, and the next version on the idle colour',
  async (shop, t) => {
    const ports = [
      { name: 'http', containerPort: 8080 },
      { name: 'metrics', containerPort: 9113 },
    ]
    const color = (color: string) => ({ labels: { color }, container: { ports } })
    const metrics = webService({}, 'metrics')
    metrics.spec = {
      selector: { app: 'web' },
      ports: [{ name: 'metrics', port: 9113, targetPort: 'metrics' }],
    }
    const web = webDeployment('web:1', color('blue'))
    const blue = await shop.roll(() => shop.apply(webService({ color: 'blue' }), metrics, web), 1, a)
    await shop.apply(webDeployment('web:2', { name: 'green', ...color('green') }))
    t.same(idsOf((await shop.ready(1, b, 'green')).live), [b], 'blue is not to be had from its pages')
    await shop.apply(webService({ color: 'green' }))
    const isKnown = ({ known }: ReleaseState) =>
      known.some(([key, id]) => key === blue.target.hash && id === a)
    const switched = await shop.told('green knows the tabs of blue', isKnown, 'green')
    t.same(idsOf(switched.live), [b], 'blue does not answer any more')
    await shop.told('blue knows that its tabs should come again', ({ switched }) => switched === true)
    await shop.roll(() => shop.setImage('web:3'), 2, c)
    await shop.apply(webService({ color: 'blue' }))
    const back = await shop.told('Services lead to blue again', ({ switched }) => !switched)
    t.same(idsOf(back.live), [c])
    const fronted = (await shop.living()).map(({ metadata: { annotations = {} } }) =>
      parseStatus(annotations['spa-reloader.io/status']),
    )
    t.same(
      new Set(fronted.map(status => status?.port)),
      new Set([8080]),
      'all came with the front before their pages',
    )
    checkHistory(t, shop.statesOf('green'))
    return ['1 rolling a rollout -', '1 ready a rollout -', '2 rolling c rollout a', '2 ready c rollout a']
  },
)

scenario('two Services, one of them made after the Deployment', async (shop, t) => {
  const track = (track: string) => ({ labels: { track } })
  await shop.roll(() => shop.apply(webDeployment('web:1', track('stable'))), 1, a)
  await shop.apply(webDeployment('web:2', { name: 'beta', replicas: 1, ...track('beta') }))
  await shop.ready(1, b, 'beta')
  await shop.apply(webService({ track: 'stable' }, 'stable'))
  await shop.settled('one Service', () => true)
  t.same(
    shop.states.at(-1)?.live.map(({ id }) => id),
    [a],
  )
  await shop.apply(webService({}, 'all'))
  await shop.told('what either of them leads to is live', ({ live }) => live.length === 2)
  await shop.kubectl('delete service/all')
  await shop.told('one is enough', ({ live }) => live.length === 1)
  return ['1 rolling a rollout -', '1 ready a rollout -']
})

scenario('nodes that report different digests, config digests and CRI-O’s forms', async (shop, t) => {
  const other: Record<string, string> = { [a]: c, [b]: d }
  // One node pulls from a registry; the other was loaded with the image by hand, or says its digits only.
  shop.behaviour.formatImageId = (image, hex, pod, node) =>
    node === 'node-1'
      ? imageIdFormats.repoDigest(image, hex)
      : pod.metadata.name.charCodeAt(pod.metadata.name.length - 1) % 2
        ? imageIdFormats.digest(image, other[hex] ?? hex)
        : imageIdFormats.hex(image, other[hex] ?? hex)
  await shop.apply(webService(), webDeployment('web:1', { replicas: 6 }))
  const first = await shop.told('the first version', ({ phase }) => phase === 'ready')
  await shop.restart()
  const second = await shop.told('a restart', ({ phase, revision }) => phase === 'ready' && revision === 2)
  t.equal(second.target.id, first.target.id, 'one version by whatever names')
  await shop.setImage('web:2')
  const third = await shop.told('another', ({ phase, revision }) => phase === 'ready' && revision === 3)
  t.ok([b, d].includes(third.target.id))
  t.equal(third.previous?.id, first.target.id)
})

t.test('pods that came out uninjected among injected ones', { buffered: true }, async t => {
  const shop = await openShop(installation.cluster, installation.kubelet, 'uninjected', false)
  t.teardown(shop.close)
  shop.behaviour.images.set('web:1', a).set('web:2', b)
  await shop.apply(webService(), webDeployment('web:1'))
  await shop.settled('two pods', ({ status }) => status.readyReplicas === 2)
  t.notOk((await shop.living()).some(isInjected))
  await shop.kubectl('label namespace/uninjected spa-reloader.io/inject=enabled')
  await until('a pod that is injected', async () => {
    await shop.scale(2)
    await shop.settled('pods', ({ status }) => status.readyReplicas === 2)
    await shop.scale(3)
    await shop.settled('three pods', ({ status }) => status.readyReplicas === 3)
    return (await shop.living()).some(isInjected)
  })
  const first = await shop.ready(1, a)
  t.same(idsOf(first.live), [a], 'whoever answers is live')
  const second = await shop.roll(() => shop.setImage('web:2'), 2, b)
  t.same(idsOf(second.live), [b], 'ready when the uninjected ones are gone too')
  t.same(story(shop.states).slice(-3), [
    '1 ready a rollout -',
    '2 rolling b rollout a',
    '2 ready b rollout a',
  ])
  checkHistory(t, shop.states)
})

/** A test in a namespace of its own. It returns the story that was to be told; every history is checked besides. */
function scenario(name: string, run: (shop: Shop, t: Test) => Promise<string[] | void>): void {
  const namespace = `shop-${++count}`
  t.test(name, { buffered: true }, async t => {
    const shop = await installation.open(t, namespace)
    shop.behaviour.images.set('web:1', a).set('web:2', b).set('web:3', c)
    const expected = await run(shop, t)
    if (expected) t.same(story(shop.states), expected, 'the story that was told')
    checkHistory(t, shop.states)
    const unstamped = (await shop.living()).filter(pod => isInjected(pod) && !stampOf(pod))
    t.same(unstamped, [], 'every pod carries a state')
  })
}

function isImage(image: string) {
  return (pod: Pod) => imageOf(pod) === image
}

/** What is told for so short a time that it may be over before it is seen. */
function optional(shop: Shop, line: string): string[] {
  return story(shop.states).filter(told => told === line)
}

async function scaleDown(shop: Shop): Promise<void> {
  await shop.scale(0)
  await shop.settled('no pod', ({ status }) => !status.replicas)
  await shop.told('that nobody answers', isLive(0))
}

function isLive(versions: number) {
  return ({ live }: ReleaseState) => live.length === versions
}

/** Of the pods that are meant, once they are so many: each name with the state that it was created with. */
function births(shop: Shop, count: number, isMeant: (name: string) => boolean) {
  return until(`${count} new pods`, () => {
    const born = [...shop.stampAtBirth].filter(([name]) => isMeant(name))
    return born.length === count && born
  })
}

/** Rolls out `web:2`, of which one pod becomes ready. Returns what lets the others go on. */
async function rollOutOnePod(shop: Shop): Promise<() => void> {
  const letGo = shop.hold(isImage('web:2'))
  await shop.setImage('web:2')
  await shop.told('rolling', state => state.revision === 2 && state.target.id === b)
  const young = await until('a new pod', async () => (await shop.living()).find(isImage('web:2')))
  const stuck = shop.hold(pod => isImage('web:2')(pod) && pod.metadata.uid !== young.metadata.uid)
  letGo()
  return stuck
}

/** Without the numbers of pods: our copy of the pods may be a moment older than the Deployment's status. */
function idsOf(live: readonly { id: string }[]): string[] {
  return live.map(({ id }) => id)
}
