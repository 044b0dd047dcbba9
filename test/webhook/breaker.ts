import t from 'tap'
import { parsePod } from '../../release/objects.ts'
import type { Pod } from '../../release/objects.ts'
import { createGate, nextBreaker, parseBreaker, stuckPods } from '../../webhook/breaker.ts'
import type { Breaker, Evidence } from '../../webhook/breaker.ts'

const image = 'spa-reloader-sidecar:1'
const start = Date.parse('2026-11-27T12:00:00Z')
const minuteMs = 60_000

interface Facts {
  /** Why a container waits; '' : it runs. */
  sidecar?: string
  web?: string
  ready?: boolean
  injected?: boolean
  image?: string
  /** As we injected it. */
  status?: object
  startedAt?: number
}

function pod({
  sidecar = '',
  web = '',
  ready = false,
  injected = true,
  startedAt = start,
  ...facts
}: Facts): Pod {
  const status = (name: string, waiting: string) => ({
    name,
    imageID: '',
    state: waiting
      ? { waiting: { reason: waiting } }
      : { running: { startedAt: new Date(startedAt).toISOString() } },
  })
  return parsePod({
    metadata: {
      name: 'web',
      labels: injected ? { 'spa-reloader.io/injected': 'true' } : {},
      annotations: facts.status ? { 'spa-reloader.io/status': JSON.stringify(facts.status) } : {},
    },
    spec: {
      containers: [
        { name: 'web', image: 'web:1' },
        ...(injected ? [{ name: 'spa-reloader', image: facts.image ?? image }] : []),
      ],
    },
    status: {
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
      containerStatuses: [status('web', web), ...(injected ? [status('spa-reloader', sidecar)] : [])],
    },
  })!
}

function next(last: Breaker | undefined, evidence: Partial<Evidence>, ms = 0): Breaker | undefined {
  return nextBreaker(last, { pods: [], trial: undefined, image, now: new Date(start + ms), ...evidence })
}

const stuck = pod({ sidecar: 'ImagePullBackOff' })

t.test('what keeps a pod from starting, and is ours', async t => {
  const ours: Facts[] = [
    { sidecar: 'ErrImagePull' },
    { sidecar: 'ImagePullBackOff' },
    { sidecar: 'CrashLoopBackOff' },
    { sidecar: 'CreateContainerConfigError', web: 'ContainerCreating' },
    // A policy engine that comes after us turns images to a mirror, which does not have ours.
    { sidecar: 'ImagePullBackOff', image: 'mirror/spa-reloader-sidecar:1', status: { image } },
  ]
  for (const facts of ours) t.equal(stuckPods([pod(facts)], image).length, 1, JSON.stringify(facts))
  const others: Facts[] = [
    {},
    { sidecar: 'ContainerCreating' },
    { sidecar: 'PodInitializing' },
    { web: 'ImagePullBackOff' },
    { sidecar: 'ErrImagePull', web: 'ImagePullBackOff' }, // the registry is down
    { sidecar: 'CrashLoopBackOff', ready: true },
    { sidecar: 'ImagePullBackOff', image: 'spa-reloader-sidecar:0' },
    { sidecar: 'ImagePullBackOff', image, status: { image: 'spa-reloader-sidecar:0' } },
    { injected: false },
  ]
  for (const facts of others) t.same(stuckPods([pod(facts)], image), [], JSON.stringify(facts))
})

t.test('a stuck pod opens it; nothing else does', async t => {
  const open = next(undefined, { pods: [pod({ ready: true }), stuck] })
  t.match(open, {
    cause: 'container',
    says: 'ImagePullBackOff',
    image,
    trips: 1,
    since: '2026-11-27T12:00:00.000Z',
  })
  t.equal(open?.retry, '2026-11-27T12:10:00.000Z')
  t.equal(next(undefined, { pods: [pod({ ready: true })] }), undefined)
  t.same(parseBreaker(JSON.stringify(open)), open)
})

t.test('while the pod is stuck it stays open, for twice as long each time, up to six hours', async t => {
  let breaker = next(undefined, { pods: [stuck] })
  t.equal(next(breaker, { pods: [stuck] }, 9 * minuteMs), breaker, 'nothing is new')
  const pauses: number[] = []
  for (let trips = 1; trips < 9; trips++) {
    const ms = Date.parse(breaker!.retry) - start
    breaker = next(breaker, { pods: [stuck] }, ms)
    pauses.push((Date.parse(breaker!.retry) - start - ms) / minuteMs)
  }
  t.same(pauses, [20, 40, 80, 160, 320, 360, 360, 360])
  t.equal(breaker?.since, '2026-11-27T12:00:00.000Z')
})

t.test(
  'it closes once a pod of a later time is ready, and not because the stuck one was deleted',
  async t => {
    const open = next(undefined, { pods: [stuck] })
    t.equal(next(open, { pods: [] }, 60 * minuteMs), open)
    const before = pod({ ready: true, startedAt: start - minuteMs })
    t.equal(next(open, { pods: [before] }, minuteMs), open, 'its node has the image')
    const later = pod({ ready: true, startedAt: start + minuteMs })
    t.equal(
      next(open, { pods: [before, later, stuck] }, 2 * minuteMs),
      open,
      'another node still cannot pull it',
    )
    t.equal(next(open, { pods: [before, later] }, 2 * minuteMs), undefined)
  },
)

t.test('another image is another matter', async t => {
  const open = next(undefined, { pods: [stuck] })
  t.equal(next(open, { pods: [stuck], image: 'spa-reloader-sidecar:2' }, minuteMs), undefined)
})

t.test('refused by the API server: open until a trial is accepted', async t => {
  const open = next(undefined, { trial: { refused: 'exceeded quota' } })
  t.match(open, { cause: 'refused', says: 'exceeded quota' })
  t.equal(next(open, {}, 60 * minuteMs), open)
  t.equal(next(open, { trial: { refused: 'exceeded quota, used: more' } }, minuteMs), open)
  t.equal(next(open, { trial: 'accepted' }, minuteMs), undefined)
  t.equal(next(undefined, { trial: 'accepted' }), undefined)
})

t.test(
  'the gate: nobody passes before the time, one afterwards, and a dry run takes nobody its turn',
  async t => {
    let now = start
    const gate = createGate(image, () => now)
    const open = next(undefined, { pods: [stuck] })
    t.equal(gate('shop/web', undefined, false), false)
    t.equal(gate('shop/web', open, false), true)
    now += 10 * minuteMs
    t.equal(gate('shop/web', open, true), false)
    t.equal(gate('shop/web', open, false), false)
    t.equal(gate('shop/web', open, false), true)
    t.equal(gate('shop/other', open, false), false)
    now += 10 * minuteMs
    t.equal(gate('shop/web', open, false), false, 'the one before was deleted before it could say anything')
    const again = next(open, { pods: [stuck] }, 20 * minuteMs)
    now += 19 * minuteMs
    t.equal(gate('shop/web', again, false), true, 'it has opened anew')
    now += minuteMs
    t.equal(gate('shop/web', again, false), false, 'the next turn')
    t.equal(createGate('spa-reloader-sidecar:2', () => start)('shop/web', open, false), false)
    const refused = next(undefined, { trial: { refused: 'no' } })
    t.equal(gate('shop/web', refused, false), true, 'a dry run finds out, no pod has to')
  },
)

t.test('what is no breaker is none', async t => {
  for (const text of [
    undefined,
    '',
    'nonsense',
    '{}',
    '{"cause":"container","says":"x","image":"y","since":"z","retry":"z","trips":1}',
  ])
    t.equal(parseBreaker(text), undefined)
})
