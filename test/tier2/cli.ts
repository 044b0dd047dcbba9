// The command line on a real API server, beside the webhook that it speaks of.

import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { reasons } from '../../webhook/reasons.ts'
import { until } from '../cluster/wait.ts'
import { install, manifests, webDeployment, webService } from './installation.ts'
import { untilMay } from './rights.ts'
import { isDeadline, openShop } from './shop.ts'
import { createPod, untilInjected, untilServed } from '../cluster/trial-pod.ts'

const installation = await install(t)
const { cluster } = installation
const a = 'a'.repeat(64)
const b = 'b'.repeat(64)
// The process runs beside it; the commands read what it is set to.
const deployment = JSON.stringify(manifests().find(({ kind }) => kind === 'Deployment'))
await cluster.kubectl(
  ['apply', '-f', '-'],
  deployment.replace(/spa-reloader-sidecar:[\d.]+/, 'spa-reloader-sidecar:test'),
)

t.test('explain: a Deployment and a pod that are injected', async t => {
  const { behaviour, apply, living, ready } = await installation.open(t, 'injected')
  behaviour.images.set('web:1', a)
  await apply(webService(), webDeployment('web:1'))
  await ready(1, a)
  const deployment = await cli('explain deployment/web -n injected')
  t.match(deployment, {
    code: 0,
    stdout: /^New pods of deployment\/web in namespace injected are injected\./,
  })
  t.match(deployment.stdout, 'app        container web, port 8080 (http)')
  t.match(deployment.stdout, 'pods       2 of 2 are injected\n')
  t.match(deployment.stdout, 'release    revision 1 is ready since ')
  const [pod] = await living()
  const one = await cli(`explain pod/${pod!.metadata.name} -n injected`)
  t.match(one, { code: 0, stdout: / is injected\.\n/ })
  t.match(one.stdout, 'image spa-reloader-sidecar:test, admin port 14021')
  t.match(await cli('explain pod/nobody -n injected'), {
    code: 2,
    stderr: /there is no pod nobody in namespace injected/,
  })
})

t.test('explain: the sentence is the one of the Event', async t => {
  const { apply, kubectl, settled } = await installation.open(t, 'skipped')
  const service = webService()
  const ports = [{ name: 'http', port: 80, targetPort: 8080 }]
  await apply({ ...service, spec: { selector: { app: 'web' }, ports } })
  await untilServed(cluster, 'skipped', 'env')
  await apply(webDeployment('web:1'))
  await settled('two pods', ({ status }) => status.readyReplicas === 2)
  const message = await until('the Event', async () => {
    const events = 'get events --field-selector reason=InjectionSkipped -o jsonpath={.items[0].message}'
    return (await kubectl(events)) || undefined
  })
  t.equal(message, `numeric-target: ${reasons['numeric-target']}`)
  const { code, stdout } = await cli('explain deploy/web -n skipped')
  t.equal(code, 1)
  t.match(stdout, `are not injected:\n${message}\n`)
})

t.test('explain: a Deployment that the breaker leaves alone', async t => {
  const { apply, kubectl, settled } = await installation.open(t, 'broken')
  await apply(webService(), webDeployment('web:1'))
  await settled('two pods', ({ status }) => status.readyReplicas === 2)
  const status = await kubectl(
    'get pods -o jsonpath={.items[0].metadata.annotations.spa-reloader\\.io/status}',
  )
  const { image } = JSON.parse(status) as { image: string }
  const [since, retry] = ['2100-01-01T00:00:00Z', '2100-01-02T00:00:00Z']
  const sentence = `breaker: ErrImagePull since ${since}, one tries again from ${retry} on: ${reasons.breaker}`
  const breaker = { cause: 'container', says: 'ErrImagePull', image, since, retry, trips: 1 }
  await until('the Release', () => kubectl('get release web -o name').catch(() => undefined))
  await kubectl(`annotate release web spa-reloader.io/breaker=${JSON.stringify(breaker)}`)
  t.match(await cli('explain deployment/web -n broken'), {
    code: 1,
    stdout: `are not injected:\n${sentence}\n`,
  })
  t.match(await cli('check -n broken'), { stdout: `warn  deployment/web is not injected: ${sentence}\n` })
  await kubectl('annotate release web spa-reloader.io/breaker-')
  t.match(await cli('explain deployment/web -n broken'), { code: 0 })
})

t.test('explain: without the label, then labelled with pods that were missed', async t => {
  const { apply, kubectl, living, settled, close } = await openShop(
    cluster,
    installation.kubelet,
    'late',
    false,
  )
  t.teardown(close)
  await apply(webService(), webDeployment('web:1'))
  await settled('two pods', ({ status }) => status.readyReplicas === 2)
  const [pod] = await living()
  const before = await cli('explain deployment web -n late')
  t.match(before, {
    code: 1,
    stdout: /not-labelled: .*kubectl label namespace late spa-reloader.io\/inject=enabled/,
  })
  await kubectl('label namespace late spa-reloader.io/inject=enabled')
  const missed = await cli(`explain pod ${pod!.metadata.name} -n late`)
  t.match(missed, { code: 1, stdout: /is not injected, but would be if it were made now:\nmissed: / })
  t.match(missed.stdout, 'kubectl -n late rollout restart deployment/web')
  t.match(await cli('check -n late'), {
    stdout: /warn {2}deployment\/web: 2 of 2 pods are not injected \(missed\)/,
  })
  await untilInjected(cluster, 'late')
  await kubectl('rollout restart deployment/web')
  t.match(await cli('status --wait -n late web'), { code: 0, stdout: /told {7}2 of 2 injected pods/ })
  t.match(await cli('explain deployment/web -n late'), { code: 0, stdout: /pods {7}2 of 2 are injected/ })
})

t.test('explain: by a user who may only view the namespace', async t => {
  const { apply, kubectl } = await installation.open(t, 'viewed')
  await apply(webService(), webDeployment('web:1'))
  await kubectl('create rolebinding view --clusterrole=view --serviceaccount=viewed:default')
  await untilMay(cluster, 'viewed:default', { namespace: 'viewed', verb: 'list', resource: 'pods' })
  const kubeconfig = await cluster.kubeconfigOf('viewed', 'default')
  const explained = await cli('explain deployment/web -n viewed', { kubeconfig })
  t.match(explained, { code: 0, stdout: /are injected, as far as could be read\./ })
  t.match(
    explained.stdout,
    /\nNot known:\nthe webhook's settings, [^]*\nthe webhook configuration, .*forbidden/,
  )
  t.match(await cli('explain deployment/web -n injected', { kubeconfig }), { code: 2, stderr: /forbidden/ })
  const { code, stdout } = await cli('check -n viewed', { kubeconfig })
  t.match(stdout, /skip {2}RBAC of the webhook: .*forbidden/)
  t.equal(code, 0, 'what may not be seen is no failure')
})

t.test('check: sound, then broken in each way', async t => {
  const { apply, kubectl } = await installation.open(t, 'checked')
  const rollout = ['-n', 'spa-reloader', 'rollout', 'status', 'deployment/spa-reloader-webhook']
  await cluster.kubectl([...rollout, '--timeout=5m'])
  const account = ['patch', 'serviceaccount', 'default', '-p', '{"imagePullSecrets":[{"name":"registry"}]}']
  await cluster.kubectl(['-n', 'checked', ...account])
  await apply(webService(), webDeployment('web:1'))
  const pullSecret = 'warn  the pull secret registry, which pods name, is not there'
  let sound = await cli('check -n checked')
  await until(
    () => `it to be sound: ${sound.stdout}`,
    async () => {
      sound = await cli('check -n checked')
      return sound.code === 0 && sound.stdout.includes(pullSecret)
    },
  )
  t.notMatch(sound.stdout, /^ {2}(fail|skip)/m)
  t.match(sound.stdout, 'ok    a dry run of a new pod was injected, and admitted')
  t.match(sound.stdout, 'ok    the ServiceAccount spa-reloader-webhook has all of its rights')

  const quota = ['create', 'quota', 'tight', '--hard=requests.memory=150Mi']
  await cluster.kubectl(['-n', 'checked', ...quota])
  await until('the quota to be counted', async () =>
    (await kubectl('get quota tight -o jsonpath={.status.hard}')).includes('150Mi'),
  )
  const refused = await cli('check -n checked')
  t.match(refused, { code: 1, stdout: /fail {2}an injected pod would be refused: .*exceeded quota/ })
  await kubectl('delete quota tight')

  await cluster.kubectl(['delete', 'clusterrolebinding', 'spa-reloader-webhook'])
  await until('the right to be gone', async () =>
    (await cli('check -n checked')).stdout.includes('may not list namespaces'),
  )
  const restore = manifests().filter(({ kind }) => kind === 'ClusterRoleBinding')
  for (const binding of restore) await cluster.kubectl(['apply', '-f', '-'], JSON.stringify(binding))

  await installation.killWebhook()
  t.match(await cli('check -n checked'), {
    code: 1,
    stdout: /fail {2}a dry run of a new pod was not injected/,
  })
  await cluster.kubectl([
    'patch',
    'mutatingwebhookconfiguration',
    '0-spa-reloader',
    '--type=json',
    '-p',
    removeBundle,
  ])
  t.match(await cli('check -n checked'), {
    code: 1,
    stdout: /fail {2}the webhook configuration has no caBundle/,
  })
  await installation.startWebhook()
  await until('it to be sound again', async () => (await cli('check -n checked')).code === 0)
  await kubectl('label namespace checked spa-reloader.io/inject-')
  t.match(await cli('check -n checked'), { code: 1, stdout: /fail {2}not-labelled: / })
})

const removeBundle = '[{"op":"remove","path":"/webhooks/0/clientConfig/caBundle"}]'

t.test('status: waits until the pods are told, and says what for', async t => {
  const { behaviour, apply, hold, kubectl, ready, settled, told } = await installation.open(t, 'waiting')
  behaviour.images.set('web:1', a).set('web:2', b)
  await apply(webService(), webDeployment('web:1', { spec: { progressDeadlineSeconds: 600 } }))
  await ready(1, a)
  const letGo = hold(() => true)
  await kubectl('set image deployment/web web=web:2')
  await settled('one new pod', ({ status }) => status.updatedReplicas === 1)
  await told('rolling', state => state.revision === 2 && state.target.id === b)
  const timedOut = await cli('status --wait --timeout 2 -n waiting web')
  t.match(timedOut, { code: 3, stdout: /timed out: waited for revision 2: 1 of 2 pods are updated/ })
  t.match(await cli('status -n waiting web'), { code: 0, stdout: /^phase {6}rolling/ })
  const waiting = cli('status --wait -n waiting web')
  letGo()
  const done = await waiting
  t.match(done, { code: 0, stdout: /^phase {6}ready since/m })
  t.match(
    done.stdout,
    /revision {3}2 \(rollout\)\ntarget {5}web:2 bbbbbbbbbbbb\nprevious {3}web:1 aaaaaaaaaaaa\n/,
  )
  t.match(done.stdout, /told {7}2 of 2 injected pods\ntabs {7}unknown on 2 pods/)
})

t.test('status: a rollout that fails, and a Deployment without sidecars', async t => {
  const { behaviour, apply, hold, kubectl, ready, settled } = await installation.open(t, 'failing')
  behaviour.images.set('web:1', a)
  await apply(webService(), webDeployment('web:1', { spec: { progressDeadlineSeconds: 2 } }))
  await ready(1, a)
  t.teardown(hold(() => true))
  await kubectl('set image deployment/web web=web:2')
  await settled(
    'the deadline',
    ({ status }) => status.conditions?.some(isDeadline) === true && status.updatedReplicas === 1,
  )
  const failed = await cli('status --wait -n failing web')
  t.match(failed, { code: 1, stdout: /failed {5}the progress deadline has passed: 1 of 2 pods are updated/ })
  t.match(await cli('status --wait -n failing nothing'), { code: 1, stdout: /no such Deployment/ })
  const plain = webDeployment('web:1', { name: 'plain', annotations: { 'spa-reloader.io/capture': 'none' } })
  await apply(plain)
  await settled('a pod of it', ({ status }) => (status.replicas ?? 0) > 0, 'plain')
  await apply(webDeployment('web:1', { name: 'none', replicas: 0 }))
  t.match(await cli('status --wait -n failing none'), { code: 1, stdout: /failed {5}it has no pods/ })
})

t.test('status: right behind apply, and after the controller has left', async t => {
  const { behaviour, apply, kubectl } = await installation.open(t, 'left')
  behaviour.images.set('web:1', a).set('web:2', b)
  await apply(webService(), webDeployment('web:1'))
  t.match(await cli('status --wait -n left web'), { code: 0, stdout: /told {7}2 of 2 injected pods/ })
  await kubectl('label namespace left spa-reloader.io/inject-')
  await until('its pods to be left alone', async () => (await createPod(cluster, 'left')) !== undefined)
  await kubectl('set image deployment/web web=web:2')
  t.match(await cli('status --wait -n left web'), {
    code: 1,
    stdout: /failed {5}none of its pods is injected/,
  })
})

t.test('inject: what it wrote is taken by the API server, and left as it is by the webhook', async t => {
  const { behaviour, living, ready } = await installation.open(t, 'offline')
  behaviour.images.set('web:1', a)
  const input = [webService(), webDeployment('web:1')].map(object => JSON.stringify(object)).join('\n---\n')
  const { code, stdout, stderr } = await cli('inject -f - --image spa-reloader-sidecar:test', {
    stdin: input,
  })
  t.match({ code, stderr }, { code: 0, stderr: 'deployment/web: injected\n' })
  await cluster.kubectl(['-n', 'offline', 'apply', '-f', '-'], stdout)
  await ready(1, a)
  for (const { spec } of await living())
    t.same(
      spec.containers.map(({ name }) => name),
      ['web', 'spa-reloader'],
    )
})

interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

async function cli(
  line: string,
  { kubeconfig = cluster.kubeconfig, stdin = '' }: { kubeconfig?: string; stdin?: string } = {},
): Promise<Ended> {
  const child = spawn(process.execPath, ['dist/cli.js', ...line.split(' ')], {
    env: { ...process.env, KUBECONFIG: kubeconfig },
  })
  child.stdin.on('error', () => {})
  child.stdin.end(stdin)
  const ended = new Promise<number | null>(resolve => child.once('close', resolve))
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return { code, stdout, stderr }
}
