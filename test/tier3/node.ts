// The ground that the other tests of this tier stand on: a real kubelet runs our images, the host reaches their Service.

import { join } from 'node:path'
import t from 'tap'
import { startNode } from '../cluster/node.ts'
import { until } from '../cluster/wait.ts'

const app = 'test/cluster/app'

t.test('an app runs, answers at its ClusterIP, and rolls out to another image', async t => {
  const node = await startNode(line => t.comment(line))
  t.teardown(node.stop)
  const digests: string[] = []
  for (const version of ['1', '2']) {
    const build = { dockerfile: join(app, 'Dockerfile'), context: app, buildArgs: { VERSION: version } }
    digests.push(await node.buildImage({ ...build, tag: `web:${version}` }))
  }
  await node.kubectl(['create', 'deployment', 'web', '--image=web:1', '--port=8080', '--replicas=2'])
  await node.kubectl(['expose', 'deployment', 'web', '--port=80', '--target-port=8080'])
  await isRolledOut()
  const { body: service } = await node.api<{ spec: { clusterIP: string } }>(
    'GET',
    '/api/v1/namespaces/default/services/web',
  )
  const version = async () => {
    const response = await fetch(`http://${service.spec.clusterIP}/`, { signal: AbortSignal.timeout(5_000) })
    return /<h1 id="version">(.*)<\/h1>/.exec(await response.text())?.[1]
  }
  t.equal(await until('the page', version), '1')
  t.match(await imageIds(), new Set([`docker.io/library/web@${digests[0]}`]))

  await node.kubectl(['set', 'image', 'deployment/web', 'web=web:2'])
  await isRolledOut()
  t.ok(await until('the new page', async () => (await version()) === '2'))

  const [pod] = await until('the old pods to be gone', async () => {
    const names = (await node.kubectl(['get', 'pods', '-l', 'app=web', '-o', 'name'])).trim().split('\n')
    return names.length === 2 && names
  })
  const exec = ['exec', pod!, '--', 'node', '-p', 'process.version']
  t.match(await node.kubectl(exec), /^v24\./, 'the API server reaches the kubelet')

  function isRolledOut(): Promise<string> {
    return node.kubectl(['rollout', 'status', 'deployment/web', '--timeout=300s'])
  }

  async function imageIds(): Promise<Set<string>> {
    const { body } = await node.api<{ items: { status: { containerStatuses: { imageID: string }[] } }[] }>(
      'GET',
      '/api/v1/namespaces/default/pods?labelSelector=app%3Dweb',
    )
    return new Set(body.items.flatMap(({ status }) => status.containerStatuses.map(({ imageID }) => imageID)))
  }
})
