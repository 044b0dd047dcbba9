// The form of the sidecar on a real kubelet: a native one is there before the app, and goes after it.

import t from 'tap'
import { until } from '../cluster/wait.ts'
import { deployWeb, install } from './installation.ts'
import type { Cluster, RunningPod } from './installation.ts'

const namespace = 'native'

interface State {
  running?: { startedAt: string }
  terminated?: { startedAt: string; finishedAt: string; exitCode: number }
}
type Status = { name: string; restartCount: number; state: State }
type Pod = RunningPod & {
  spec: { initContainers?: { name: string; restartPolicy?: string }[] }
  status: { initContainerStatuses?: Status[]; containerStatuses?: Status[] }
}

t.test('a native sidecar starts before the app, drains from the first moment, and ends after it', async t => {
  const cluster = await install(t)
  await cluster.buildApp('one', 'web:1')
  // The app goes on serving for a while after its pod was told to end.
  const container = { lifecycle: { preStop: { sleep: { seconds: 6 } } } }
  const url = await deployWeb(cluster, { namespace, labelled: true, replicas: 1, container })
  const [pod] = await podsOf(cluster)
  t.match(pod?.spec.initContainers, [{ name: 'spa-reloader', restartPolicy: 'Always' }])
  t.match((await fetch(url)).headers.get('server-timing'), /^spa;desc="web-/)
  const [sidecar, app] = statesOf(pod!)
  t.ok(sidecar!.running!.startedAt <= app!.running!.startedAt, 'it is there when the app starts')

  const front = `http://${pod!.status.podIP}:14020/`
  let last: Pod | undefined
  const watch = cluster.watch(`/api/v1/namespaces/${namespace}/pods`, ({ type, object }) => {
    if (type === 'DELETED') last = object as unknown as Pod
  })
  t.teardown(watch.close)
  await cluster.inNamespace(namespace, `delete pod ${pod!.metadata.name} --wait=false`)
  const seen: string[] = []
  await until('the pod to be gone', async () => {
    if (last) return true
    const answer = await fetch(front, { signal: AbortSignal.timeout(1_000) }).catch(() => undefined)
    if (answer) seen.push(`${answer.status} ${answer.headers.get('connection')}`)
    await answer?.text()
    return false
  })
  t.ok(seen.includes('200 close'), 'it drains while the app still serves')
  t.notOk(seen.slice(seen.indexOf('200 close')).includes('200 keep-alive'), 'from the beginning to the end')
  t.ok(
    seen.every(answer => answer.startsWith('200')),
    'and answers for the app as long as that does',
  )
  const [ended, appEnded] = statesOf(last!).map(({ terminated }) => terminated)
  t.equal(ended?.exitCode, 0)
  t.ok(ended!.finishedAt >= appEnded!.finishedAt, 'it ends after the app')
  const afterMs = Date.parse(ended!.finishedAt) - Date.parse(appEnded!.finishedAt)
  t.ok(afterMs < 15_000, 'and soon, not when the 25 s of its draining are over')
})

async function podsOf(cluster: Cluster): Promise<Pod[]> {
  return (await cluster.pods(namespace)) as Pod[]
}

/** Of the sidecar and of the app. */
function statesOf({ status }: Pod): State[] {
  const all = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])]
  return ['spa-reloader', 'web'].map(name => all.find(status => status.name === name)?.state ?? {})
}
