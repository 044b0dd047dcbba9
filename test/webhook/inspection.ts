// What the console is told of injection: of objects as the API server sends them, with its answers in the test's hands.

import t from 'tap'
import type { ApiRequest } from '../../release/api.ts'
import { parseService } from '../../release/objects.ts'
import type { Pod, ReplicaSet } from '../../release/objects.ts'
import type { Breaker } from '../../webhook/breaker.ts'
import { createInspection } from '../../webhook/inspection.ts'
import type { WatchedNamespace } from '../../webhook/namespace.ts'
import { deployment, pod, replicaSet } from '../console/fixtures/cluster.ts'

const service = parseService({
  metadata: { name: 'web' },
  spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }] },
})!

function raw(name: string, { status = 200, spec = {} } = {}) {
  const labels = { app: 'web', 'pod-template-hash': 'h1' }
  const containers = [{ name: 'web', image: 'web:1', ports: [{ name: 'http', containerPort: 8080 }] }]
  const body = {
    metadata: { name, namespace: 'shop', uid: `${name}-uid` },
    spec: { template: { metadata: { labels }, spec: { containers, ...spec } } },
  }
  return { status, body, headers: {} }
}

function open({ answer = (name: string) => raw(name), breaker = undefined as Breaker | undefined } = {}) {
  const asked: string[] = []
  const known: string[] = []
  const lines: string[] = []
  let wake = () => {}
  /** What of it is asked for. */
  const watched: Pick<WatchedNamespace, 'state' | 'breaker'> & { copies: object } = {
    copies: { services: () => [service] },
    state: () => undefined,
    breaker: () => breaker,
  }
  const inspection = createInspection({
    api: {
      async request({ path }: ApiRequest) {
        asked.push(path)
        return answer(path.split('/').at(-1) ?? '')
      },
      stream: () => Promise.reject(new Error('not asked in this test')),
      close: () => {},
    },
    log(line) {
      lines.push(line)
      wake()
    },
    controller: {
      namespace: name => (name === 'shop' ? (watched as unknown as WatchedNamespace) : undefined),
      around: name => ({ name, labels: {}, annotations: {}, policies: [], redirect: undefined }),
    },
    image: 'sidecar:2',
    onKnown(namespace, name) {
      known.push(`${namespace}/${name}`)
      wake()
    },
  })
  const why = (pods: Pod[] = [pod({ injected: false })], sets: ReplicaSet[] = [replicaSet()]) =>
    inspection.why(deployment(), pods, sets)
  /** Resolves when something was found out, or could not be. */
  const next = () => new Promise<void>(resolve => (wake = resolve))
  return { why, next, asked, known, lines }
}

t.test('nothing is asked while every living pod has the sidecar', async t => {
  const { why, asked } = open()
  t.same(why([pod(), pod({ name: 'gone', injected: false, terminating: true })]), [])
  t.same(asked, [])
})

t.test('pods that could have had the sidecar were missed; the ReplicaSet is read once', async t => {
  const { why, next, asked, known } = open()
  t.same(why(), [], 'not known yet')
  await next()
  t.same(known, ['shop/web'])
  t.match(why(), [/^missed: .*kubectl -n shop rollout restart deployment\/web/])
  t.match(why(), [/^missed: /])
  t.same(asked, ['/apis/apps/v1/namespaces/shop/replicasets/web-h1'])
})

t.test('without pods there is nothing that was missed', async t => {
  const { why, next } = open()
  why([])
  await next()
  t.same(why([]), [])
})

t.test('what keeps the next pod from it is said with its code', async t => {
  const { why, next } = open({ answer: name => raw(name, { spec: { hostNetwork: true } }) })
  why()
  await next()
  t.match(why(), [/^host-network: /])
})

t.test('a breaker counts if it was opened by the sidecar that is injected now', async t => {
  for (const [image, expected] of [
    ['sidecar:2', /^breaker: x since 12:00, one tries again from 12:10 on: the sidecar kept other pods/],
    ['sidecar:1', /^missed: /],
  ] as const) {
    const breaker: Breaker = {
      cause: 'container',
      says: 'x',
      image,
      since: '12:00',
      retry: '12:10',
      trips: 1,
    }
    const { why, next } = open({ breaker })
    why()
    await next()
    t.match(why(), [expected], image)
  }
})

t.test('a ReplicaSet that has gone says nothing, and one that cannot be read is asked for again', async t => {
  const gone = open({ answer: name => raw(name, { status: 404 }) })
  gone.why()
  await gone.next()
  t.same(gone.why(), [])
  t.equal(gone.asked.length, 1)

  const broken = open({ answer: name => raw(name, { status: 500 }) })
  broken.why()
  await broken.next()
  t.same(broken.lines, ['replicaset not read'])
  t.same(broken.why(), [])
  t.equal(broken.asked.length, 2)
})
