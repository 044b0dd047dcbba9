// The two other ways to the release state on a real node: the sidecar that reads the Release itself, with a token of its own, and the
// standalone process, from the same image without SPA_MODE. Each is heard over the Service, by a plain WebSocket.

import t from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { parseMessage } from '../../protocol/message.ts'
import type { HeartbeatMessage, StateMessage } from '../../protocol/message.ts'
import { path, subprotocol } from '../../protocol/names.ts'
import { until } from '../cluster/wait.ts'
import { deployWeb, install, settled } from './installation.ts'

t.test('feed `watch`, and the standalone process beside it', async t => {
  const cluster = await install(t)
  await Promise.all([cluster.buildApp('one', 'web:1'), cluster.buildApp('two', 'web:2')])
  await cluster.kubectl(['apply', '-f', 'manifests/feed-watch'])
  const url = await deployWeb(cluster, {
    namespace: 'default',
    labelled: true,
    replicas: 1,
    metadata: { annotations: { 'spa-reloader.io/feed': 'watch' } },
  })
  await cluster.kubectl(['apply', '-f', 'manifests/standalone'])
  await settled(cluster, 'default', 'spa-reloader')
  const address = await cluster.inNamespace(
    'default',
    'get service spa-reloader -o jsonpath={.spec.clusterIP}',
  )

  const [pod] = await cluster.pods('default', 'app=web')
  const errors = await until('the feed', async () => {
    const metrics = await (await fetch(`http://${pod!.status.podIP}:14021/metrics`)).text()
    return /^spa_reloader_feed_errors_total\{feed="watch"\} (\d+)$/m.exec(metrics)?.[1]
  })
  t.equal(errors, '0', 'the token is taken, and may read')

  const own = hear(t, `${url}${path.prefix.slice(1)}${path.ws}`.replace('http', 'ws'), subprotocol)
  const original = hear(t, `ws://${address}:8080/ws`)
  await until('both to be connected', () => own.isOpen() && original.isOpen())
  await cluster.inNamespace('default', 'set image deployment/web web=web:2')
  await until('the message of the finished rollout', () => original.told.length > 0)
  t.equal(original.told.length, 1, 'one message, and none on connect')
  t.match(original.told[0], {
    name: 'web',
    current_image: { name: 'docker.io/library/web:2' },
    previous_image: { name: 'docker.io/library/web:1' },
  })

  const version = `${url}${path.prefix.slice(1)}${path.version}`
  const state = await until('the state from the new pod', async () => {
    const message = parseMessage(await (await fetch(version)).text())
    return message?.type === 'state' && message.revision === 2 && message.phase === 'ready' && message
  })
  t.equal(state.sha256, original.told[0]?.current_image.sha256, 'both say the same')
})

interface Heard {
  isOpen(): boolean
  told: StateMessage[]
}

/** Ends with the test. What a client of the original hears has all the fields of ours. */
function hear(t: Pick<Test, 'teardown'>, url: string, protocol?: string): Heard {
  const socket = new WebSocket(url, protocol)
  const told: StateMessage[] = []
  socket.on('message', data => {
    const message = JSON.parse((data as Buffer).toString()) as StateMessage | HeartbeatMessage
    if (message.type === 'state') told.push(message)
  })
  socket.on('error', () => {}) // a pod that goes away
  t.teardown(() => socket.terminate())
  return { isOpen: () => socket.readyState === WebSocket.OPEN, told }
}
