// Rollouts on the real controllers, told by the real webhook under its real rights.

import t from 'tap'
import { until } from '../cluster/wait.ts'
import { install, isInjected, short, stampOf, webDeployment, webService } from './installation.ts'

const a = 'a'.repeat(64)
const b = 'b'.repeat(64)
const c = 'c'.repeat(64)
const d = 'd'.repeat(64)
const ready =
  (revision: number, id: string) => (state: { phase: string; revision: number; target: { id: string } }) =>
    state.phase === 'ready' && state.revision === revision && state.target.id === id

t.test('rollout, rollback, undo, restart, re-pushed tag and scaling: each is told right', async t => {
  const { kubelet, states, apply, kubectl, pods, told, cluster } = await install(t)
  kubelet.images.set('web:1', a).set('web:2', b).set('web:3', c)

  await apply(webService, webDeployment('web:1'))
  const first = await told('the first version', ready(1, a))
  const injected = await pods()
  t.ok(injected.every(isInjected), 'every pod came out injected')
  t.equal(first.previous, null)
  const slices = await cluster.api<{ items: { ports: { port: number }[] }[] }>(
    'GET',
    '/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices',
  )
  t.same(
    [...new Set(slices.body.items.flatMap(({ ports }) => ports.map(({ port }) => port)))],
    [14020],
    'the Service leads to the front',
  )

  const letGo = kubelet.hold(pod => pod.spec.containers[0]?.image === 'web:2')
  await kubectl('set image deployment/web web=web:2')
  await told(
    'rolling is told',
    state => state.revision === 2 && state.phase === 'rolling' && state.target.id === b,
  )
  letGo()
  const second = await told('the second version', ready(2, b))
  t.same(second.previous, { id: a, name: 'web:1' })

  await kubectl('rollout undo deployment/web')
  const undone = await told('the rollback', ready(3, a))
  t.equal(undone.why, 'rollback')
  t.same(undone.previous, { id: b, name: 'web:2' })

  await kubectl('set image deployment/web web=web:3')
  const third = await told('a third version after an undo', ready(4, c))
  t.same(third.previous, { id: a, name: 'web:1' })

  await restart(kubectl)
  const restarted = await told('a restart', ready(5, c))
  t.equal(restarted.why, 'restart')

  kubelet.images.set('web:3', d)
  await restart(kubectl)
  const pushed = await told('a re-pushed tag', ready(6, d))
  t.same(pushed.previous, { id: c, name: 'web:3' })

  const { serial } = pushed
  await kubectl('scale deployment/web --replicas=4')
  await kubectl('rollout status deployment/web --timeout=60s')
  await until('new pods that know at once', async () => {
    const all = await pods()
    return all.length === 4 && all.every(pod => stampOf(pod)?.serial === serial)
  })
  t.equal(states.at(-1)?.serial, serial, 'a scaling is no news')

  const phases = states.map(({ revision, phase }) => `${revision} ${phase}`)
  for (const [index, phase] of phases.entries())
    if (phase.endsWith('rolling'))
      t.notOk(
        phases.slice(0, index).includes(phase.replace('rolling', 'ready')),
        `never back from ready: ${phase}`,
      )
  t.same(
    states.map(({ serial }) => serial),
    states.map((_, index) => index + 1),
    'one writer: serials without a gap',
  )
})

t.test('a state is never ready while a ready pod of the old ReplicaSet is left', async t => {
  const { kubelet, states, apply, kubectl, told } = await install(t)
  kubelet.images.set('web:1', a).set('web:2', b)
  await apply(webService, webDeployment('web:1', 3))
  await told('the first version', ready(1, a))
  const letGo = kubelet.hold(
    pod =>
      pod.spec.containers[0]?.image === 'web:2' &&
      pod.metadata.name.charCodeAt(pod.metadata.name.length - 1) % 2 === 0,
  )
  await kubectl('set image deployment/web web=web:2')
  await told('rolling', state => state.revision === 2)
  letGo()
  await told('the second version', ready(2, b))
  for (const state of states.filter(({ phase }) => phase === 'ready'))
    t.same(
      state.live.map(({ id }) => id),
      [state.target.id],
      `only the target is live: ${short(state)}`,
    )
})

t.test(
  'what happens while the webhook is dead is told when it is back, and pods are admitted meanwhile',
  async t => {
    const { kubelet, apply, kubectl, pods, told, killWebhook, startWebhook } = await install(t)
    kubelet.images.set('web:1', a).set('web:2', b)
    await apply(webService, webDeployment('web:1'))
    await told('the first version', ready(1, a))
    await killWebhook()
    await kubectl('set image deployment/web web=web:2')
    await kubectl('rollout status deployment/web --timeout=60s')
    t.notOk((await pods()).some(isInjected), 'failurePolicy Ignore')
    await startWebhook()
    await told('what was missed', ready(2, b))
    await restart(kubectl)
    await told('the next one', ready(3, b))
    await until('injected pods again', async () => {
      const all = (await pods()).filter(pod => !pod.metadata.deletionTimestamp)
      return all.length === 2 && all.every(isInjected)
    })
  },
)

t.test('the API server is killed in the middle of a rollout: no state is lost', async t => {
  const { cluster, kubelet, apply, kubectl, told, states } = await install(t)
  kubelet.images.set('web:1', a).set('web:2', b)
  await apply(webService, webDeployment('web:1'))
  await told('the first version', ready(1, a))
  const letGo = kubelet.hold(pod => pod.spec.containers[0]?.image === 'web:2')
  await kubectl('set image deployment/web web=web:2')
  await told('rolling', state => state.revision === 2 && state.target.id === b)
  await cluster.restartApiServer()
  letGo()
  await told('the second version', ready(2, b))
  await kubectl('rollout undo deployment/web')
  await told('the rollback', ready(3, a))
  t.same(
    [...new Set(states.map(short))].filter(text => text.includes('ready')),
    ['1 ready aaaa', '2 ready bbbb', '3 ready aaaa'],
  )
})

t.test(
  'a Release that somebody deletes comes back with a greater serial, as sidecars must believe it',
  async t => {
    const { kubelet, apply, kubectl, told } = await install(t)
    kubelet.images.set('web:1', a).set('web:2', b)
    await apply(webService, webDeployment('web:1'))
    await told('the first version', ready(1, a))
    await kubectl('set image deployment/web web=web:2')
    const before = await told('the second version', ready(2, b))
    await kubectl('delete release web')
    await kubectl('rollout undo deployment/web')
    const after = await told('the rollback', ready(3, a))
    t.ok(after.serial > before.serial)
  },
)

t.test(
  'why a pod was not injected, or not as its annotation says, is an Event on its Deployment',
  async t => {
    const { apply, kubectl, kubelet, pods } = await install(t)
    kubelet.images.set('web:1', a)
    const service = { ...webService, spec: { ...webService.spec, ports: [{ port: 80, targetPort: 8080 }] } }
    await apply(service, webDeployment('web:1'))
    const event = await until('the Event', async () => {
      const text = await kubectl(
        'get events --field-selector reason=InjectionSkipped -o jsonpath={.items[0].involvedObject.kind}/{.items[0].message}',
      )
      return text.includes('numeric-target') && text
    })
    t.match(
      event,
      /^Deployment\/numeric-target: the Service targets a port number: give the container port a name/,
    )

    const deployment = webDeployment('web:1') as { spec: { template: { metadata: object } } }
    const annotations = { 'spa-reloader.io/capture': 'magic' }
    Object.assign(deployment.spec.template.metadata, { annotations })
    await apply(webService, deployment)
    const warning = await until('the Event of a wrong annotation', async () => {
      const text = await kubectl(
        'get events --field-selector reason=InjectionWarning -o jsonpath={.items[0].message}',
      )
      return text !== '' && text
    })
    t.match(warning, /^bad-option: spa-reloader.io\/capture: an annotation has a value that does not fit/)
    await until('pods with the sidecar: the default applies', async () => {
      const living = (await pods()).filter(pod => !pod.metadata.deletionTimestamp)
      return living.length === 2 && living.every(isInjected)
    })
  },
)

/** kubectl refuses to do it twice within a second. */
function restart(kubectl: (command: string) => Promise<string>): Promise<string> {
  return until('a restart', () => kubectl('rollout restart deployment/web'))
}
