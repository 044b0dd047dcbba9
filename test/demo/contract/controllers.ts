// The Deployment and ReplicaSet controllers. The tests play the kubelet: they mark pods as ready.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import type { Api } from '../../../release/api.ts'
import { connect, deployment, image, markReady, until } from './cluster.ts'
import type { Json } from './cluster.ts'

export function controllersContract(t: Test, api: Api): void {
  const { send, namespace } = connect(api)

  void t.test(
    'a Deployment is rolled out pod by pod, rolled back into the ReplicaSet that it had, and scaled',
    async t => {
      const { path } = await namespace()
      const one = `${path('apps/v1')}/deployments/web`
      const replicaSets = async () => (await send('GET', `${path('apps/v1')}/replicasets`)).body.items
      const pods = async () => (await send('GET', `${path()}/pods`)).body.items
      const deploymentIs = (wanted: Record<string, unknown>) =>
        until(async () => {
          const { body } = await send('GET', one)
          const { observedGeneration, ...status } = body.status ?? {}
          const isSeen = observedGeneration === body.metadata.generation
          return isSeen && Object.entries(wanted).every(([key, value]) => (status[key] ?? 0) === value)
            ? body
            : undefined
        })
      /** Marks every pod of an image as ready as soon as it is there, until there are so many. */
      const ready = async (image: string, count: number) => {
        const seen = new Set<string>()
        while (seen.size < count) {
          for (const pod of await pods()) {
            if (imageOf(pod) !== image || seen.has(pod.metadata.name)) continue
            await markReady(send, `${path()}/pods/${pod.metadata.name}`)
            seen.add(pod.metadata.name)
          }
          const available = (await pods()).filter(isReady).length
          t.ok(available >= 2, 'there are never fewer than two ready pods once there were two')
          const asked = (await replicaSets()).map(({ spec }) => Number(spec.replicas))
          t.ok(
            asked.reduce((sum, one) => sum + one) <= 3,
            'nor more than three asked for; those that go may be there for a moment',
          )
          await sleep(20)
        }
      }

      await send('POST', `${path('apps/v1')}/deployments`, deployment('web', 2))
      await deploymentIs({ replicas: 2, updatedReplicas: 2, availableReplicas: 0 })
      for (const pod of await pods()) await markReady(send, `${path()}/pods/${pod.metadata.name}`)
      const first = await deploymentIs({
        replicas: 2,
        updatedReplicas: 2,
        readyReplicas: 2,
        availableReplicas: 2,
      })
      t.equal(revisionOf(first), '1')
      t.equal(progressing(first), 'NewReplicaSetAvailable')
      const [original, ...others] = await replicaSets()
      t.equal(others.length, 0)
      const hash = original?.metadata.labels?.['pod-template-hash']
      t.match(original, {
        metadata: {
          name: `web-${hash}`,
          labels: { app: 'web' },
          annotations: { 'deployment.kubernetes.io/revision': '1' },
          ownerReferences: [
            {
              apiVersion: 'apps/v1',
              kind: 'Deployment',
              name: 'web',
              uid: first.metadata.uid,
              controller: true,
            },
          ],
        },
        spec: { replicas: 2 },
        status: { replicas: 2, readyReplicas: 2, availableReplicas: 2 },
      })
      t.match(
        await pods(),
        [1, 2].map(() => ({
          metadata: {
            name: new RegExp(`^web-${hash}-[a-z0-9]{5}$`),
            labels: { app: 'web', 'pod-template-hash': hash },
            ownerReferences: [{ kind: 'ReplicaSet', name: `web-${hash}`, controller: true }],
          },
        })),
      )

      await send('PATCH', one, { metadata: { annotations: { a: 'b' } } })
      await send('PATCH', one, image('web:2'))
      const rolling = await deploymentIs({ replicas: 3, updatedReplicas: 1, availableReplicas: 2 })
      t.not(progressing(rolling), 'NewReplicaSetAvailable')
      await ready('web:2', 2)
      const second = await deploymentIs({ replicas: 2, updatedReplicas: 2, availableReplicas: 2 })
      t.equal(revisionOf(second), '2')
      t.strictSame((await pods()).map(imageOf), ['web:2', 'web:2'])
      t.same(new Set((await replicaSets()).map(revisionOf)), new Set(['1', '2']))

      await send('PATCH', one, image('web:1'))
      await deploymentIs({ updatedReplicas: 1 })
      await ready('web:1', 2)
      const third = await deploymentIs({ replicas: 2, updatedReplicas: 2, availableReplicas: 2 })
      t.equal(revisionOf(third), '3')
      t.same(
        new Set((await replicaSets()).map(revisionOf)),
        new Set(['2', '3']),
        'the first ReplicaSet has come back',
      )
      t.equal(
        (await replicaSets()).find(set => revisionOf(set) === '3')?.metadata.uid,
        original?.metadata.uid,
      )

      const { generation = 0 } = (await send('PATCH', one, { spec: { replicas: 1 } })).body.metadata
      const scaled = await deploymentIs({ replicas: 1, updatedReplicas: 1, availableReplicas: 1 })
      t.equal(scaled.metadata.generation, generation)
      t.equal(revisionOf(scaled), '3', 'scaling is no rollout')

      await send('PATCH', one, { spec: { template: { metadata: { annotations: { restartedAt: 'now' } } } } })
      await deploymentIs({ replicas: 2, updatedReplicas: 1 })
      t.equal((await replicaSets()).length, 3, 'a restart is one')

      await send('DELETE', one)
      await until(async () => (await replicaSets()).length === 0 && (await pods()).length === 0)
    },
  )

  void t.test('a paused Deployment keeps its pods, and a pod that is deleted is replaced', async t => {
    const { path } = await namespace()
    const one = `${path('apps/v1')}/deployments/web`
    const pods = async () => (await send('GET', `${path()}/pods`)).body.items
    await send('POST', `${path('apps/v1')}/deployments`, deployment('web', 1))
    const [first] = await until(async () => ((await pods()).length === 1 ? pods() : undefined))
    await send('PATCH', one, { spec: { paused: true, ...image('web:2').spec } })
    await until(async () => {
      const { metadata, status } = (await send('GET', one)).body
      return status?.observedGeneration === metadata.generation && (status?.updatedReplicas ?? 0) === 0
    })
    t.equal((await pods())[0]?.metadata.uid, first?.metadata.uid)
    await send('DELETE', `${path()}/pods/${first?.metadata.name}`)
    const [second] = await until(async () => {
      const [pod] = await pods()
      return pod && pod.metadata.uid !== first?.metadata.uid ? [pod] : undefined
    })
    t.match(second?.spec, { containers: [{ image: 'web:1' }] })
  })
}

function progressing({ status }: Json): unknown {
  const conditions = (status?.conditions ?? []) as { type: string; reason: string }[]
  return conditions.find(({ type }) => type === 'Progressing')?.reason
}

function isReady({ status, metadata }: Json): boolean {
  const conditions = (status?.conditions ?? []) as { type: string; status: string }[]
  return (
    !metadata.deletionTimestamp &&
    conditions.some(({ type, status }) => type === 'Ready' && status === 'True')
  )
}

function revisionOf({ metadata }: Json): string | undefined {
  return metadata.annotations?.['deployment.kubernetes.io/revision']
}

function imageOf({ spec }: Json): string | undefined {
  return (spec.containers as { image: string }[])[0]?.image
}
